// The operator dies at every single write, one after the other, also at those of the lease, and at random moments: whoever
// comes next ends where an operator without trouble ends, and a token that was handed out is never another one.
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { eventually } from '../e2e/gateway.ts'
import { Fate, type Mortal, mortalStore, startMortal, type When } from './chaos-crash.ts'
import { everyPlane, Prober } from './chaos-prober.ts'
import {
  allReady,
  createAll,
  endsAs,
  endState,
  isGone,
  remove,
  tenantObjects,
  tokenOf,
  type World,
  chaosOfFile,
} from './chaos-world.ts'
import { test } from './cluster-test.ts'
import { type Plane, secretOf, see, startOperator, startPlane } from './stack.ts'
import { patchSpec } from './world.ts'

declare module 'vitest' {
  interface TaskMeta {
    /** What the operator died at, one death after the other. */
    deaths?: readonly string[]
  }
}

/** More than twice the writes of one story: an operator that writes for ever is a failure too. */
const MOST_STORIES = 200
const KILLS = 10
const KILLS_A_STORY = 4
/** A story waits this long for each thing: operators that live for a second get nowhere, and their starts take time too. */
const PATIENCE_MS = 60_000
/** The key that goes again. */
const GONE = 'gone'

/** What a story writes, by kind: an operator has to die at each of them. */
const KINDS_OF_WRITES: Readonly<Record<string, RegExp>> = {
  'a finalizer': /^patch VirtualKey \S+ add \/metadata\/finalizers/,
  'its removal': /^patch VirtualKey gone remove \/metadata\/finalizers/,
  'the Secret of a token': /^create Secret \S+-key/,
  'the status of a key': /^apply VirtualKey \S+ status/,
  'the status of a tenant': /^apply AITenant \S+ status/,
  'the status of the gateway': /^apply AIGateway \S+ status/,
  'a child': /^apply NetworkPolicy \S+ $/,
  'an event': /^create Event/,
  'items in Redis': /^mset /,
  'manifests in Redis': /^set .*(manifest|root)/,
  'their index in Redis': /^zadd /,
  'the mark of what is used in Redis': /^script touch /,
  'the commit in Redis': /^script commit /,
}

/** Deaths at what an operator begins and ends with, each at the write with this number of those that are counted. */
const TERM_DEATHS = [
  { which: /^create Lease/, at: 1, stops: false },
  // Somebody else's that is over comes first, then its own.
  { which: /^replace Lease \S+ of its own/, at: 1, stops: false },
  { which: /^script claim/, at: 1, stops: false },
  { which: /^replace Lease \S+ of its own/, at: 2, stops: false },
  { which: /^replace Lease \S+ of nobody/, at: 1, stops: true },
].flatMap(death => (['before', 'after'] as const).map((when: When) => ({ ...death, when })))

/**
 * Called again and again while a story is told, to see that somebody acts. It ends soon after the signal, which fires with the
 * story's end.
 */
type Keep = (ended: AbortSignal) => Promise<unknown>

/** How much is tried. */
export interface CrashesOptions {
  /** Keys of the story's tenant beside the one that goes; more of them are more writes to die at. */
  readonly staying: readonly string[]
  /** Both before and after each write; otherwise in turn. */
  readonly thorough: boolean
}

/** Registers the tests. */
export function crashesOfFile({ staying, thorough }: CrashesOptions): void {
  let planes: Plane[] = []
  let calm: Record<string, unknown> = {}
  let prober: Prober

  const held = chaosOfFile(async world => {
    const operator = await startOperator(world)
    planes = [await startPlane(world), await startPlane(world)]
    calm = await tell('calm', once, world)
    await operator.stop()
  })

  /** The story: a tenant comes with its keys, and one of them goes. Gives how it ends. */
  async function tell(tenant: string, keep: Keep, world: World = held.world): Promise<Record<string, unknown>> {
    const ended = new AbortController()
    const keeping = (async () => {
      while (!ended.signal.aborted) await keep(ended.signal)
    })()
    try {
      await createAll(world, tenantObjects(tenant, [...staying, GONE]))
      const gone = await tokenOf(world, tenant, GONE, PATIENCE_MS)
      const tokens = await Promise.all(staying.map(name => tokenOf(world, tenant, name, PATIENCE_MS)))
      await allReady(world, { tenant, ms: PATIENCE_MS })
      for (const token of [...tokens, gone]) await everyPlane(planes, token, 200)
      await remove(world, 'virtualkeys', GONE, tenant)
      await isGone(world, tenant, GONE, PATIENCE_MS)
      // The cluster takes the Secret away with its owner.
      await eventually(
        'its Secret is gone',
        async () => !(await secretOf(world.cluster, tenant, 'gone-key')),
        PATIENCE_MS,
      )
      await everyPlane(planes, gone, 401)
      for (const [at, token] of tokens.entries()) {
        await everyPlane(planes, token, 200)
        expect((await secretOf(world.cluster, tenant, `${staying[at]}-key`))?.['token']).toBe(token)
      }
      const counted = async (): Promise<unknown> => (await see(world.cluster, 'aitenants', tenant))?.status?.['keys']
      await eventually('the tenant tells how many keys stayed', async () => (await counted()) === staying.length)
      if (tenant !== 'calm') await endsAs(world, tenant, calm, PATIENCE_MS)
      return await endState(world, tenant)
    } finally {
      ended.abort()
      await keeping
    }
  }

  /** Nobody notices: the keys of another tenant are good all the time. */
  beforeAll(async () => {
    if (planes.length === 0) return
    prober = new Prober(() => planes)
    for (const name of staying) prober.watch(await tokenOf(held.world, 'calm', name))
  })
  afterAll(async () => {
    if (planes.length > 0) expect(await prober.stop()).toEqual([])
  })

  const title = 'an operator that is killed at random moments leaves nothing that the next one does not mend'
  test(title, { timeout: 300_000 }, async ({ cluster: _, task }) => {
    const { world } = held
    const chance = chances(2_026)
    // Without election, so that the next one need not wait for the lease of the dead.
    const env = { SMARTFLOW_LEADER_ELECTION: 'false' }
    let operator = await startOperator(world, { env })
    const deaths: string[] = []
    try {
      // A story may end before the moment comes.
      for (let round = 1; deaths.length < KILLS; round++) {
        const most = Math.min(KILLS, deaths.length + KILLS_A_STORY)
        await tell(`random-${round}`, async ended => {
          if (deaths.length === most) return once(ended)
          const ms = Math.round(chance() * 1_200)
          // The moment is what is chosen here; nothing is waited for.
          await sleep(ms, undefined, { signal: ended }).catch(() => undefined)
          if (ended.aborted) return
          deaths.push(`SIGKILL ${ms} ms after the start`)
          await operator.kill()
          operator = await startOperator(world, { env })
        }).catch((error: unknown) => {
          throw new Error(`after ${deaths.at(-1)}: ${String(error)}\n${operator.log().slice(-4_000)}`, { cause: error })
        })
      }
    } finally {
      await operator.stop()
    }
    task.meta.deaths = deaths
  })

  describe('an operator that dies', { timeout: thorough ? 1_200_000 : 600_000 }, () => {
    let restore = (): void => undefined
    beforeAll(() => {
      restore = mortalStore()
    })
    afterAll(() => restore())

    test('at a write leaves nothing that the next one does not mend', async ({ cluster: _, task }) => {
      const { world } = held
      let mortal: Mortal = await startMortal(world)
      await allReady(world)
      const deaths: string[] = []
      let stories = 0
      /** False: the story came to its end without a death. */
      const dies = async (at: number, when: When, which?: RegExp): Promise<boolean> => {
        if (++stories > MOST_STORIES) throw new Error(`it never comes to rest:\n${deaths.join('\n')}`)
        const before = deaths.length
        mortal.fate.arm(at, when, which)
        await tell(`crash-${stories}`, async ended => {
          await Promise.race([mortal.fate.died, once(ended)])
          if (!mortal.fate.dead) return
          deaths.push(`${when} ${mortal.fate.writes.at(-1)}`)
          await mortal.bury()
          mortal = await startMortal(world)
        }).catch((error: unknown) => {
          throw new Error(`death ${deaths.at(-1)}: ${String(error)}\n${mortal.log()}`, { cause: error })
        })
        return deaths.length > before
      }
      const notWritten: string[] = []
      try {
        for (let at = 1, isLast = false; !isLast; at++) {
          isLast = !(await dies(at, at % 2 === 0 ? 'after' : 'before'))
          if (thorough && !isLast) await dies(at, at % 2 === 0 ? 'before' : 'after')
        }
        // The order of writes differs from story to story: the numbers may have passed a kind by.
        for (const [kind, which] of Object.entries(KINDS_OF_WRITES)) {
          if (deaths.some(death => which.test(death.replace(/^\w+ /, '')))) continue
          if (!(await dies(1, 'before', which))) notWritten.push(kind)
        }
      } finally {
        await mortal.bury()
      }
      expect(notWritten).toEqual([])
      expect(deaths.length).toBeGreaterThan(20)
      task.meta.deaths = deaths
    })

    test('at the beginning or the end of its term is followed by another', async ({ cluster: _, task }) => {
      const { world } = held
      const lease = `/apis/coordination.k8s.io/v1/namespaces/${world.namespace}/leases/${world.gateway}-operator`
      const left = [...TERM_DEATHS]
      const deaths: string[] = []
      const begin = (): Promise<Mortal> => {
        const [next] = left
        const fate = new Fate()
        if (next !== undefined) fate.arm(next.at, next.when, next.which)
        return startMortal(world, { fate, election: true })
      }
      await world.cluster.request('DELETE', lease)
      let mortal = await begin()
      try {
        for (let round = 1, isLast = false; !isLast; round++) {
          isLast = left.length === 0
          await tell(`term-${round}`, async ended => {
            if (left[0]?.stops === true) {
              await Promise.race([eventually('it leads', () => mortal.log().includes('leads')), once(ended)])
              if (ended.aborted) return
              await mortal.stop()
            }
            await Promise.race([mortal.fate.died, once(ended)])
            if (!mortal.fate.dead) return
            deaths.push(`${left[0]?.when} ${mortal.fate.writes.at(-1)}`)
            await mortal.bury()
            left.shift()
            // What the dead left behind is over soon, which otherwise takes 15 s each time.
            const { code } = await world.cluster.request('GET', lease)
            if (code === 200) await patchSpec(world.cluster, lease, { leaseDurationSeconds: 1 })
            mortal = await begin()
          }).catch((error: unknown) => {
            throw new Error(`death ${deaths.at(-1)}: ${String(error)}\n${mortal.log()}`, { cause: error })
          })
        }
      } finally {
        await mortal.bury()
      }
      expect(deaths).toHaveLength(TERM_DEATHS.length)
      task.meta.deaths = deaths
    })
  })
}

function once(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
}

/** Numbers that are the same in every run. */
function chances(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    return state / 0x7fffffff
  }
}
