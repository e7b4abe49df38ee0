// The cases of the bench and one measurement of one of them: load on one target, and what that cost whom.
import { closedLoop, openLoop, type WholeResult } from './load.ts'
import { calibrate, measure, type Measured } from './process.ts'
import type { LoadTarget } from './prompts.ts'
import { streamLoad, type StreamResult } from './streams.ts'
import type { Running, Target } from './target.ts'
import type { UpstreamStats } from './upstream.ts'

/** Sizes: `sequential` is a's, `connections` b's, `rate` (a second) d's, `seconds` of b and d, all else c's. */
export type Sizes = {
  sequential: number
  connections: number
  rate: number
  seconds: number
  concurrent: number
  streams: number
  chunks: number
  delay: number
}

/** `a` one connection, one request after the other; `b` many at once; `c` many streams at once; `d` a fixed rate. */
export type CaseId = 'a' | 'b' | 'c' | 'd'

/** One measurement, as it stands in rows.jsonl. CPU figures are seconds per 1,000 ok calls (or streams). */
export type Row = {
  at: string
  round: number
  /** Counts from 1 in a round; above that when the machine was not quiet. */
  attempt: number
  case: CaseId
  target: string
  /** Of somebody else: what it does wrong is shown, but fails no run. */
  peer: boolean
  load: WholeResult | StreamResult
  cpuPer1000: number
  redisCpuPer1000: number
  usage: Measured<'target' | 'redis' | 'upstream' | 'idle'>
  /** What the mock upstream saw meanwhile. */
  upstream: Pick<UpstreamStats, 'requests' | 'streams' | 'chunks' | 'clientGone'>
  calibrationMs: number
}

/** A started target, ready to be measured. */
export type Lane = { target: Target; running: Running }

/** What a measurement needs besides its lane: the upstream's address and pid, and the pids of what only waits. */
export type Surroundings = { upstreamUrl: string; upstreamPid: number; idlePids: readonly number[] }

/** All cases, in the order in which they run. */
export const caseIds: readonly CaseId[] = ['a', 'b', 'c', 'd']

/** Work that a target does after its reply (settling, logging) still counts for the case: so long is waited for it. */
const AFTER_MS = 300

/** A case in words, with its sizes. */
export function describeCase(id: CaseId, sizes: Sizes): string {
  const { sequential, connections, rate, seconds, concurrent, streams, chunks, delay } = sizes
  if (id === 'a') return `1 connection, ${sequential} requests one after the other`
  if (id === 'b') return `${connections} connections for ${seconds} s`
  if (id === 'd') return `${rate} calls a second for ${seconds} s, latency from when each was due`
  return `${concurrent} streams at a time, ${streams} in all, each of ${chunks} chunks ${delay} ms apart`
}

function toLoad({ url, key, model, headers }: Running): LoadTarget {
  return { url, key, model, ...(headers === undefined ? {} : { headers }) }
}

/** The sizes as `target` gets them: a slow one gets only its portion of what has a fixed number. */
export function portioned(sizes: Sizes, { portion = 1 }: Target): Sizes {
  const { sequential, streams } = sizes
  return { ...sizes, sequential: Math.ceil(sequential * portion), streams: Math.ceil(streams * portion) }
}

function runLoad(id: CaseId, { target, running }: Lane, sizes: Sizes): Promise<WholeResult | StreamResult> {
  const load = toLoad(running)
  const repeat = target.repeat === true
  if (id === 'a') return closedLoop(load, { connections: 1, requests: sizes.sequential, repeat })
  if (id === 'b') return closedLoop(load, { connections: sizes.connections, seconds: sizes.seconds, repeat })
  if (id === 'd') return openLoop(load, { rate: sizes.rate, seconds: sizes.seconds, repeat })
  const { concurrent, streams, chunks, delay } = sizes
  return streamLoad(load, { connections: concurrent, streams, chunks, delay, repeat })
}

/**
 * Lets the target compile its hot paths and fill its pools: `seconds` of whole calls, then short streams for half as
 * long. Throws when a reply is wrong; a peer's streams may fail, and of its whole calls all but one.
 */
export async function warmUp({ target, running }: Lane, seconds: number): Promise<void> {
  const { name, peer = false, repeat = false } = target
  const whole = await closedLoop(toLoad(running), { connections: 16, seconds, repeat })
  const fails = (errors: object): Error => new Error(`${name} fails in warm-up: ${JSON.stringify(errors)}`)
  if (whole.ok < (peer ? 1 : whole.requests)) throw fails({ ...whole.errors, 'wrong replies': whole.wrong })
  const until = performance.now() + seconds * 500
  do {
    const short = { connections: 40, streams: 100, chunks: 20, delay: 2, rampMs: 50, repeat }
    const streamed = await streamLoad(toLoad(running), short)
    if (streamed.failed > 0 && !peer) throw fails(streamed.errors)
  } while (performance.now() < until)
}

async function upstreamStats(url: string): Promise<UpstreamStats> {
  const reply = await fetch(`${url}/stats`)
  return (await reply.json()) as UpstreamStats
}

/** Runs one case on one target. */
export async function measureCase(
  id: CaseId,
  lane: Lane,
  sizes: Sizes,
  around: Surroundings,
): Promise<Omit<Row, 'round' | 'attempt'>> {
  const { pids, redisPids } = lane.running
  const before = await upstreamStats(around.upstreamUrl)
  const calibrationMs = calibrate()
  const stop = await measure({ target: pids, redis: redisPids, upstream: [around.upstreamPid], idle: around.idlePids })
  const load = await runLoad(id, lane, portioned(sizes, lane.target))
  await new Promise(resolve => setTimeout(resolve, AFTER_MS))
  const usage = await stop()
  const after = await upstreamStats(around.upstreamUrl)
  const per1000 = (seconds: number): number => (load.ok === 0 ? Number.NaN : (seconds / load.ok) * 1000)
  return {
    at: new Date().toISOString(),
    case: id,
    target: lane.target.name,
    peer: lane.target.peer === true,
    load,
    cpuPer1000: per1000(usage.groups.target.cpuSeconds),
    redisCpuPer1000: per1000(usage.groups.redis.cpuSeconds),
    usage,
    upstream: {
      requests: after.requests - before.requests,
      streams: after.streams - before.streams,
      chunks: after.chunks - before.chunks,
      clientGone: after.clientGone - before.clientGone,
    },
    calibrationMs,
  }
}
