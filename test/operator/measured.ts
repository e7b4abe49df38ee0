// What processes say of themselves: their Prometheus metrics, and what the API server counts.
import { readFileSync } from 'node:fs'
import type { Cluster } from '../../hack/control-plane/cluster.ts'

/** Samples of one scrape, by name and labels as written. */
export type Samples = ReadonlyMap<string, number>

/** Scrapes a process. */
export async function scrape(base: string): Promise<Samples> {
  const answer = await fetch(`${base}/metrics`, { signal: AbortSignal.timeout(10_000) })
  return samplesIn(await answer.text())
}

function samplesIn(text: string): Samples {
  const samples = new Map<string, number>()
  for (const line of text.split('\n')) {
    const at = line.lastIndexOf(' ')
    if (at > 0 && !line.startsWith('#')) samples.set(line.slice(0, at), Number(line.slice(at + 1)))
  }
  return samples
}

/** The sum of all samples of a metric whose labels hold all these texts. */
export function sumOf(samples: Samples, metric: string, labels: readonly string[] = []): number {
  let sum = 0
  for (const [name, value] of samples) {
    if (name !== metric && !name.startsWith(`${metric}{`)) continue
    if (labels.every(label => name.includes(label))) sum += value
  }
  return sum
}

/** Calls to the API server by method, as a process counted them. */
export function callsByMethod(samples: Samples): Record<string, number> {
  const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']
  return Object.fromEntries(
    methods.map(method => [method, sumOf(samples, 'rest_client_requests_total', [`method="${method}"`])]),
  )
}

/** Members of `after` less those of `before`. */
export function difference(after: Record<string, number>, before: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)]))
}

/** The most memory that a process ever had, in bytes; undefined where the system does not tell. */
export function peakMemory(pid: number): number | undefined {
  try {
    const [, kilobytes] = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024
  } catch {
    return undefined
  }
}

const WRITES = ['POST', 'PUT', 'PATCH', 'APPLY', 'DELETE']

/**
 * Writes of all clients that succeeded, by resource, as the API server counted them: our kinds, Secrets and, if so wanted,
 * events. Leases are not among them.
 */
export async function writesSeen(cluster: Cluster, withEvents: boolean): Promise<Record<string, number>> {
  const { body } = await cluster.request<string>('GET', '/metrics')
  const counts: Record<string, number> = {}
  for (const [name, value] of samplesIn(body)) {
    if (!name.startsWith('apiserver_request_total{')) continue
    const label = (key: string): string => new RegExp(`[{,]${key}="([^"]*)"`).exec(name)?.[1] ?? ''
    const others = ['secrets', ...(withEvents ? ['events'] : [])]
    const ours = label('group') === 'smartflow.dev' || others.includes(label('resource'))
    if (!ours || !label('code').startsWith('2') || !WRITES.includes(label('verb'))) continue
    counts[label('resource')] = (counts[label('resource')] ?? 0) + value
  }
  return counts
}

/** The value below which this share (0 to 1) of them lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}
