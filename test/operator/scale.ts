// What the control plane does with a large installation, measured: real API server, real operator, two real data planes.
// `scale.test.ts` runs it small, `make prove-operator` at full size.
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { type KubeObject, type NewObject, TYPES } from '../../operator/src/api/resource-type.ts'
import { Reflector } from '../../operator/src/watch/reflector.ts'
import { eventually } from '../e2e/gateway.ts'
import { type BigStack } from './big-stack.ts'
import { callsByMethod, difference, peakMemory, quantile, scrape, sumOf, writesSeen } from './measured.ts'
import { chainOf, groundOf, keyOf, placeOf, type ScaleSize } from './scale-world.ts'
import { startOperator } from './stack.ts'

/** What to measure, and how long. */
export interface ScaleOptions extends ScaleSize {
  readonly changes: number
  readonly quietSeconds: number
  /** Kubernetes events are written at two a second and may take minutes; without them they do not count as writes. */
  readonly withEvents: boolean
  readonly tell: (line: string) => void
}

/** Calls to the API server, or writes that it counted. */
export type Counts = Readonly<Record<string, number>>

/** The figures. Times are seconds unless they say otherwise. */
export interface ScaleReport {
  readonly size: ScaleSize
  /** From the first object's creation to the last creation, and to the last object that is Ready. */
  readonly created: number
  readonly ready: number
  readonly callsToReady: Counts
  readonly operatorCpuToReady: number
  /** Of the operator process until the end of the changes, in bytes; undefined where the system does not tell. */
  readonly operatorPeak: number | undefined
  readonly planePeak: number | undefined
  readonly redisBytes: number
  readonly redisKeys: number
  /** From the API server's answer to a patch until every data plane serves it, milliseconds. */
  readonly change: { readonly p50: number; readonly p99: number; readonly count: number }
  /** The longest turn of the data planes' event loops, milliseconds of CPU: without changes, and over each change. */
  readonly turn: { readonly quiet: number; readonly p50: number; readonly most: number }
  readonly operatorCpuPerChange: number
  readonly quiet: {
    readonly seconds: number
    readonly calls: Counts
    readonly writes: Counts
    readonly cpuShare: number
  }
  readonly restart: {
    readonly leading: number
    readonly current: number
    readonly calls: Counts
    readonly writes: Counts
  }
}

const READY_MS = 15 * 60_000
const CREATED_AT_ONCE = 16

/** Makes everything, changes things, waits, and restarts the operator. */
export async function measureScale(stack: BigStack, options: ScaleOptions): Promise<ScaleReport> {
  const { tell } = options
  const { tenants, chains, keys } = options
  for (const object of groundOf(stack.place, options, 'http://192.0.2.1:9/v1')) await create(stack, object)
  await settled(stack, options)
  const filled = await fill(stack, options)
  tell(`all Ready after ${filled.ready.toFixed(1)} s`)
  await settled(stack, options)
  const changed = await change(stack, options)
  tell(`a change took ${changed.change.p50.toFixed(0)} ms (p50), ${changed.change.p99.toFixed(0)} ms (p99)`)
  const operatorPeak = peakMemory(stack.operator.pid)
  const planePeak = peakMemory(stack.planes[0]?.pid ?? 0)
  await settled(stack, options)
  const quiet = await beQuiet(stack, options)
  tell(`quiet: ${JSON.stringify(quiet)}`)
  const restart = await restarted(stack, options)
  tell(`restart: ${JSON.stringify(restart)}`)
  const store = await storeSize(stack)
  return { size: { tenants, chains, keys }, ...filled, operatorPeak, planePeak, ...store, ...changed, quiet, restart }
}

async function create({ client }: BigStack, object: NewObject): Promise<void> {
  await client.create(object, { timeoutMs: 30_000 })
}

/** Resolves when nothing was written for three seconds and every tenant is Ready. */
async function settled(stack: BigStack, { tenants, withEvents }: ScaleOptions): Promise<void> {
  let before = ''
  await eventually(
    'the operator has nothing more to write',
    async () => {
      await sleep(3_000)
      const now = JSON.stringify(await writesSeen(stack.cluster, withEvents))
      const quiet = now === before
      before = now
      const { items } = await stack.client.list(TYPES.AITenant)
      return quiet && items.length === tenants && items.every(isReady)
    },
    READY_MS,
  )
}

async function fill(
  stack: BigStack,
  { tell, ...size }: ScaleOptions,
): Promise<Pick<ScaleReport, 'created' | 'ready' | 'callsToReady' | 'operatorCpuToReady'>> {
  const before = await scrape(stack.operator.metrics)
  const all = [
    ...Array.from({ length: size.chains }, (_, number) => chainOf(number, size)),
    ...Array.from({ length: size.keys }, (_, number) => keyOf(number, size)),
  ]
  const waiting = new Waiting(stack)
  await waiting.start()
  const startedAt = performance.now()
  const seconds = (): number => (performance.now() - startedAt) / 1_000
  const queue = all.values()
  await Promise.all(
    Array.from({ length: CREATED_AT_ONCE }, async () => {
      for (const object of queue) await create(stack, object)
    }),
  )
  const created = seconds()
  tell(`${all.length} objects made after ${created.toFixed(1)} s, ${waiting.ready()} of them Ready`)
  await eventually('every object is Ready', () => waiting.ready() === all.length, READY_MS)
  const ready = seconds()
  await waiting.stop()
  const after = await scrape(stack.operator.metrics)
  const operatorCpuToReady = sumOf(after, 'process_cpu_seconds_total') - sumOf(before, 'process_cpu_seconds_total')
  return { created, ready, callsToReady: difference(callsByMethod(after), callsByMethod(before)), operatorCpuToReady }
}

/** Counts chains and keys that are Ready, by a watch: lists of thousands would be work for the API server. */
class Waiting {
  readonly #reflectors: readonly Reflector[]
  readonly #ready = new Set<string>()

  constructor({ client }: BigStack) {
    this.#reflectors = [TYPES.VirtualKey, TYPES.FallbackChain].map(type => {
      const reflector: Reflector = new Reflector({
        client,
        type,
        onChange: ({ namespace, name }) => {
          const object = reflector.get(namespace, name)
          if (object !== undefined && isReady(object)) this.#ready.add(object.metadata.uid)
        },
      })
      return reflector
    })
  }

  async start(): Promise<void> {
    for (const reflector of this.#reflectors) reflector.start()
    await Promise.all(this.#reflectors.map(({ synced }) => synced))
  }

  async stop(): Promise<void> {
    await Promise.all(this.#reflectors.map(reflector => reflector.stop()))
  }

  ready(): number {
    return this.#ready.size
  }
}

function isReady({ metadata, status }: KubeObject): boolean {
  const { observedGeneration, conditions = [] } = (status ?? {}) as {
    observedGeneration?: number
    conditions?: readonly { type: string; status: string }[]
  }
  return (
    observedGeneration === metadata.generation &&
    conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True')
  )
}

/** Every third change is a chain's, the others are keys'; one at a time. */
async function change(
  stack: BigStack,
  { changes, ...size }: ScaleOptions,
): Promise<Pick<ScaleReport, 'change' | 'turn' | 'operatorCpuPerChange'>> {
  await longestTurn(stack)
  await sleep(2_000)
  const quiet = await longestTurn(stack)
  const cpuBefore = sumOf(await scrape(stack.operator.metrics), 'process_cpu_seconds_total')
  const times: number[] = []
  const turns: number[] = []
  for (let at = 0; at < changes; at++) {
    const generation = stack.acks.newest()
    const isChain = at % 3 === 0
    const number = (at * 7) % (isChain ? size.chains : size.keys)
    const key = {
      type: isChain ? TYPES.FallbackChain : TYPES.VirtualKey,
      ...placeOf(isChain ? 'chain' : 'key', number, size),
    }
    const change = isChain
      ? { op: 'replace' as const, path: '/spec/targets/0/model', value: `changed-${at}` }
      : { op: 'replace' as const, path: '/spec/tags', value: [`changed-${at}`] }
    await stack.client.patchJson(key, [change])
    const acceptedAt = performance.now()
    await stack.acks.beyond(generation)
    times.push(performance.now() - acceptedAt)
    await sleep(300)
    turns.push(await longestTurn(stack))
  }
  const cpu = sumOf(await scrape(stack.operator.metrics), 'process_cpu_seconds_total') - cpuBefore
  return {
    change: { p50: quantile(times, 0.5), p99: quantile(times, 0.99), count: times.length },
    turn: { quiet, p50: quantile(turns, 0.5), most: Math.max(...turns) },
    operatorCpuPerChange: cpu / changes,
  }
}

/** The longest turn of any data plane's event loop since it was asked last, in milliseconds of its own CPU time. */
async function longestTurn({ planes }: BigStack): Promise<number> {
  return Math.max(...(await Promise.all(planes.map(plane => plane.longestTurn()))))
}

async function beQuiet(
  stack: BigStack,
  { quietSeconds: seconds, withEvents }: ScaleOptions,
): Promise<ScaleReport['quiet']> {
  const [before, writesBefore] = [await scrape(stack.operator.metrics), await writesSeen(stack.cluster, withEvents)]
  await sleep(seconds * 1_000)
  const [after, writesAfter] = [await scrape(stack.operator.metrics), await writesSeen(stack.cluster, withEvents)]
  const cpu = sumOf(after, 'process_cpu_seconds_total') - sumOf(before, 'process_cpu_seconds_total')
  return {
    seconds,
    calls: difference(callsByMethod(after), callsByMethod(before)),
    writes: difference(writesAfter, writesBefore),
    cpuShare: cpu / seconds,
  }
}

/** The lease is let go of, so that the next one need not wait for its end. */
async function restarted(stack: BigStack, { quietSeconds, withEvents }: ScaleOptions): Promise<ScaleReport['restart']> {
  await stack.operator.stop()
  const before = await writesSeen(stack.cluster, withEvents)
  const startedAt = performance.now()
  const seconds = (): number => (performance.now() - startedAt) / 1_000
  stack.operator = await startOperator(stack.place)
  const says = async (metric: string, labels: readonly string[] = []): Promise<boolean> =>
    sumOf(await scrape(stack.operator.metrics), metric, labels) > 0
  await eventually('the operator leads', () => says('leader_election_master_status'), 120_000)
  const leading = seconds()
  await eventually(
    'the operator knows that nothing changed',
    () => says('smartflow_config_published_total', ['result="unchanged"']),
    120_000,
  )
  const current = seconds()
  await sleep(quietSeconds * 1_000)
  const calls = callsByMethod(await scrape(stack.operator.metrics))
  return { leading, current, calls, writes: difference(await writesSeen(stack.cluster, withEvents), before) }
}

/** What the configuration takes in Redis. */
async function storeSize({ place }: BigStack): Promise<Pick<ScaleReport, 'redisBytes' | 'redisKeys'>> {
  const redis = new Redis(place.redisUrl)
  try {
    let [redisBytes, redisKeys] = [0, 0]
    for await (const found of redis.scanStream({ match: `sf:*cfg:*${place.gateway}*`, count: 1_000 })) {
      const keys = found as string[]
      const sizes = await Promise.all(keys.map(key => redis.memory('USAGE', key)))
      redisBytes += sizes.reduce<number>((sum, size) => sum + Number(size ?? 0), 0)
      redisKeys += keys.length
    }
    return { redisBytes, redisKeys }
  } finally {
    redis.disconnect()
  }
}
