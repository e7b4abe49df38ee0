// What a gateway process shows of itself to tests: its records, its memory, its open files, its complaints.
import { spawnSync } from 'node:child_process'
import { expect } from 'vitest'
import { get } from './calls.ts'
import { eventually, type GatewayProcess } from './gateway.ts'

/** The members of a log row that tests look at (GET /api/vas/logs). */
export interface Row {
  readonly request_id: string
  readonly key: string | null
  readonly provider: string
  readonly status: number
  readonly outcome: string
  readonly error: string | null
  readonly cost: number
  readonly cost_known: boolean
  readonly tokens_used: number
  readonly attempts: readonly { readonly status: number; readonly error?: string }[]
  readonly metrics: {
    readonly completion_tokens: number
    readonly prompt_tokens: number
    readonly usage_source: string
  }
}

/** The record of one call, once it is written. `admin` is the token of a ProxyAdmin. */
export function recordOf(gateway: GatewayProcess, admin: string, id: string): Promise<Row> {
  return eventually(`a record of the call ${id}`, async () => {
    const { status, json } = await get(`${gateway.management}/api/vas/logs/${id}`, admin)
    return status === 200 ? (json?.['data'] as Row) : undefined
  })
}

/** All records of one key ("default/name"), newest first; `tenant` "-": of callers nobody knows. */
export async function recordsOf(
  gateway: GatewayProcess,
  admin: string,
  key: string,
  tenant = 'default',
): Promise<Row[]> {
  const { json } = await get(`${gateway.management}/api/vas/logs?limit=1000&tenant=${tenant}`, admin)
  const rows = (json?.['data'] ?? []) as Row[]
  return rows.filter(row => (row.key ?? '') === key)
}

/** Resident memory of a process, bytes. */
export function memoryOf({ pid }: GatewayProcess): number {
  const { stdout } = spawnSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })
  return Number(stdout.trim()) * 1024
}

/** Sockets and files that the process has open (Linux; elsewhere 0). */
export async function openFiles({ metrics }: GatewayProcess): Promise<number> {
  const { text } = await get(`${metrics}/metrics`)
  return Number(/^process_open_fds (\d+)/m.exec(text)?.[1] ?? 0)
}

/** Lines of the process's log at level "error". */
export function complaintsOf(gateway: GatewayProcess): string[] {
  return gateway
    .log()
    .split('\n')
    .filter(line => line.includes('"level":"error"'))
}

/** An error as every client of ours reads it: an object with a message, a type and a code, and nothing of our insides. */
export interface ErrorBody {
  readonly error: {
    readonly message: string
    readonly type: string
    readonly code: string
    readonly param?: string | null
    readonly retry_after?: number
    readonly provider?: string
  }
  readonly request_id?: string
}

/** What a reply has to be: its status, its code, and words that its message holds. */
export interface Expected {
  readonly status: number
  readonly code: string
  readonly says?: RegExp
}

interface Refused {
  readonly status: number
  readonly json: unknown
  readonly headers: Headers | Readonly<Record<string, string>>
}

/** Checks a refusal and gives its body. */
export function expectRefusal(reply: Refused, { status, code, says = /./ }: Expected): ErrorBody {
  const header = (name: string): string | null | undefined =>
    reply.headers instanceof Headers ? reply.headers.get(name) : reply.headers[name]
  const body = reply.json as ErrorBody
  expect({ status: reply.status, body }).toMatchObject({ status, body: { error: { code } } })
  expect(header('content-type')).toBe('application/json')
  expect(body.error.message).toMatch(says)
  expect(body.error.type).toMatch(/^[a-z_]+$/)
  expect(JSON.stringify(body)).not.toMatch(/node:|\.ts:\d|\bat \w+ \(|sk-sf-[0-9a-f]{8}|upstream-secret/)
  return body
}
