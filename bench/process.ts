// What processes use: CPU seconds and resident memory of process trees (/proc on Linux, `ps` elsewhere), and how much
// of the machine went to neither them nor us.
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { promisify } from 'node:util'

/** Roots of process trees by the name under which they are reported, e.g. `{ target: [12], redis: [34] }`. */
export type Groups<Name extends string> = Record<Name, readonly number[]>

/** What one group used between start and stop; `rssPeakMb` is the highest sum (10^6 bytes) seen in a sample. */
export type GroupUsage = { cpuSeconds: number; rssPeakMb: number; processes: number }

/** One measurement. `foreignShare` is 0–1 of all cores: work of processes in no group; steal is the hypervisor's. */
export type Measured<Name extends string> = {
  wallSeconds: number
  groups: Record<Name, GroupUsage>
  /** CPU of the measuring process itself. */
  selfCpuSeconds: number
  foreignShare: number
  stealSeconds: number
}

type Entry = { parent: number; cpuSeconds: number; rssBytes: number }

/** USER_HZ is 100 on every Linux that Node supports, whatever the kernel's own tick. */
const TICKS = 100
const PAGE = 4096
const SAMPLE_MS = 250

/**
 * Reads a line of /proc/PID/stat. CPU includes children that ended and were waited for, so a difference over a tree
 * that was whole at both ends misses nothing.
 */
export function parseStat(line: string): Entry {
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  const at = (index: number): number => Number(fields[index])
  return { parent: at(1), cpuSeconds: (at(11) + at(12) + at(13) + at(14)) / TICKS, rssBytes: at(21) * PAGE }
}

/** Reads `[[days-]hours:]minutes:seconds[.hundredths]`, as `ps` writes CPU time, into seconds. */
export function parsePsTime(time: string): number {
  const [clock = '', days = '0'] = time.split('-').toReversed()
  return clock.split(':').reduce((sum, part) => sum * 60 + Number(part), 0) + Number(days) * 86_400
}

function readStat(pid: number): Entry | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return undefined // it ended meanwhile
  }
}

function scanProc(): Map<number, Entry> {
  const all = new Map<number, Entry>()
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    const entry = Number.isInteger(pid) ? readStat(pid) : undefined
    if (entry !== undefined) all.set(pid, entry)
  }
  return all
}

async function scanPs(): Promise<Map<number, Entry>> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid=,rss=,time='])
  const all = new Map<number, Entry>()
  for (const line of stdout.trim().split('\n')) {
    const [pid, parent, rss, time = ''] = line.trim().split(/\s+/)
    all.set(Number(pid), { parent: Number(parent), rssBytes: Number(rss) * 1024, cpuSeconds: parsePsTime(time) })
  }
  return all
}

async function scan(): Promise<Map<number, Entry>> {
  return process.platform === 'linux' ? scanProc() : scanPs()
}

/** The live processes at or below `roots`. */
function treeOf(all: Map<number, Entry>, roots: readonly number[]): number[] {
  const tree = new Set(roots.filter(pid => all.has(pid)))
  for (let grown = true; grown;) {
    grown = false
    for (const [pid, { parent }] of all) {
      if (tree.has(pid) || !tree.has(parent)) continue
      tree.add(pid)
      grown = true
    }
  }
  return [...tree]
}

function sum(all: Map<number, Entry>, pids: readonly number[], field: 'cpuSeconds' | 'rssBytes'): number {
  return pids.reduce((total, pid) => total + (all.get(pid)?.[field] ?? 0), 0)
}

/** Busy and stolen CPU seconds of the whole machine since its start. */
function machine(): { busy: number; steal: number } {
  if (process.platform === 'linux') {
    const [first = ''] = readFileSync('/proc/stat', 'latin1').split('\n', 1)
    const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = first
      .trim()
      .split(/\s+/)
      .slice(1)
      .map(Number)
    return { busy: (user + nice + system + irq + softirq) / TICKS, steal: steal / TICKS }
  }
  const busy = cpus().reduce((total, { times }) => total + times.user + times.nice + times.sys + times.irq, 0)
  return { busy: busy / 1000, steal: 0 }
}

function selfCpu(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

/** Measures `groups` until the returned function is called. This process must be in none of them. */
export async function measure<Name extends string>(groups: Groups<Name>): Promise<() => Promise<Measured<Name>>> {
  const names = Object.keys(groups) as Name[]
  const first = await scan()
  const trees = new Map(names.map(name => [name, treeOf(first, groups[name])]))
  const peaks = new Map<Name, number>()
  const note = (all: Map<number, Entry>): void => {
    for (const [name, pids] of trees) peaks.set(name, Math.max(peaks.get(name) ?? 0, sum(all, pids, 'rssBytes')))
  }
  note(first)
  const start = { at: performance.now(), self: selfCpu(), ...machine() }
  const sampler = setInterval(() => note(readKnown(trees)), SAMPLE_MS)
  return async () => {
    clearInterval(sampler)
    const self = selfCpu() - start.self
    const { busy, steal } = machine()
    const wall = (performance.now() - start.at) / 1000
    const last = await scan()
    const used = names.map(name => {
      const before = trees.get(name) ?? []
      const after = treeOf(last, groups[name])
      trees.set(name, after)
      return [name, sum(last, after, 'cpuSeconds') - sum(first, before, 'cpuSeconds'), after.length] as const
    })
    note(last)
    const ours = used.reduce((total, [, cpu]) => total + cpu, self)
    const usages = used.map(([name, cpuSeconds, processes]) => {
      return [name, { cpuSeconds, processes, rssPeakMb: (peaks.get(name) ?? 0) / 1e6 }]
    })
    return {
      wallSeconds: wall,
      groups: Object.fromEntries(usages) as Record<Name, GroupUsage>,
      selfCpuSeconds: self,
      foreignShare: Math.max(0, busy - start.busy - ours) / wall / cpus().length,
      stealSeconds: steal - start.steal,
    }
  }
}

/** Cheap enough for a timer: only processes that are known already. Elsewhere than on Linux there is no such look. */
function readKnown(trees: ReadonlyMap<string, readonly number[]>): Map<number, Entry> {
  const all = new Map<number, Entry>()
  if (process.platform !== 'linux') return all
  for (const pids of trees.values()) {
    for (const pid of pids) {
      const entry = readStat(pid)
      if (entry !== undefined) all.set(pid, entry)
    }
  }
  return all
}

/** Milliseconds that a fixed piece of work takes now, best of three: shows the slow phases of a shared machine. */
export function calibrate(): number {
  const table = Uint32Array.from({ length: 1 << 18 }, (_, i) => Math.imul(i, 2_654_435_761))
  let best = Infinity
  for (let run = 0; run < 3; run++) {
    const start = performance.now()
    let x = 88_172_645
    for (let i = 0; i < 2_000_000; i++) {
      x ^= x << 13
      x ^= x >>> 17
      x ^= x << 5
      x = (x + (table[x & ((1 << 18) - 1)] ?? 0)) | 0
    }
    table[0] = x
    best = Math.min(best, performance.now() - start)
  }
  return best
}
