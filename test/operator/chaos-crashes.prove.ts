// The operator dies at every single write, one after the other, and at random moments: whoever comes next ends where an
// operator without trouble ends, and a token that was handed out is never another one.
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { eventually } from '../e2e/gateway.ts'
import { type Mortal, mortalStore, startMortal } from './chaos-crash.ts'
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
import { type Plane, secretOf, startOperator, startPlane } from './stack.ts'

/** More than all writes of one run: an operator that writes for ever is a failure too. */
const MOST_WRITES = 150

let planes: Plane[] = []
let calm: Record<string, unknown> = {}

const held = chaosOfFile(async world => {
  const operator = await startOperator(world)
  planes = [await startPlane(world), await startPlane(world)]
  calm = await story(world, 'calm', () => new Promise(() => undefined))
  await operator.stop()
})

/** A tenant comes with three keys, and one of them goes. `keep` is called again and again, to see that somebody acts. */
async function story(
  world: World,
  tenant: string,
  keep: (ended: AbortSignal) => Promise<unknown>,
): Promise<Record<string, unknown>> {
  const ended = new AbortController()
  const keeping = (async () => {
    while (!ended.signal.aborted) await Promise.race([keep(ended.signal), once(ended.signal)])
  })()
  try {
    await createAll(world, tenantObjects(tenant))
    const tokens = await Promise.all(['app', 'web', 'gone'].map(name => tokenOf(world, tenant, name)))
    await allReady(world, { tenant })
    for (const token of tokens) await everyPlane(planes, token, 200)
    await remove(world, 'virtualkeys', 'gone', tenant)
    await isGone(world, tenant, 'gone')
    // The cluster takes the Secret away with its owner.
    await eventually('its Secret is gone', async () => !(await secretOf(world.cluster, tenant, 'gone-key')), 60_000)
    const [app = '', web = '', gone = ''] = tokens
    await everyPlane(planes, gone, 401)
    await everyPlane(planes, app, 200)
    for (const [name, token] of Object.entries({ app, web }))
      expect((await secretOf(world.cluster, tenant, `${name}-key`))?.['token']).toBe(token)
    if (tenant !== 'calm') await endsAs(world, tenant, calm)
    return await endState(world, tenant)
  } finally {
    ended.abort()
    await keeping
  }
}

function once(signal: AbortSignal): Promise<void> {
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

test(
  'an operator that is killed at random moments leaves nothing that the next one does not mend',
  {
    timeout: 180_000,
  },
  async ({ cluster: _ }) => {
    const { world } = held
    const chance = chances(2_026)
    const prober = new Prober(() => planes).watch(await tokenOf(world, 'calm', 'app'))
    // Without election, so that the next one need not wait for the lease of the dead.
    const env = { SMARTFLOW_LEADER_ELECTION: 'false' }
    let operator = await startOperator(world, { env })
    let kills = 10
    for (let round = 1; kills > 0; round++) {
      await story(world, `random-${round}`, async ended => {
        if (kills === 0) return once(ended)
        await sleep(chance() * 1_200)
        kills--
        await operator.kill()
        operator = await startOperator(world, { env })
      })
    }
    await operator.stop()
    expect(await prober.stop()).toEqual([])
  },
)

describe('an operator that dies at a write', () => {
  let prober: Prober
  let restore = (): void => undefined

  beforeAll(async () => {
    restore = mortalStore()
    prober = new Prober(() => planes)
  })
  afterAll(() => restore())

  test(
    'leaves nothing that the next one does not mend, whichever write it was',
    { timeout: 240_000 },
    async ({ cluster: _ }) => {
      const { world } = held
      prober.watch(await tokenOf(world, 'calm', 'app'))
      let mortal: Mortal = await startMortal(world)
      await allReady(world)
      const seen: string[] = []
      try {
        for (let at = 1; ; at++) {
          if (at > MOST_WRITES) throw new Error(`it never comes to rest:\n${seen.join('\n')}`)
          mortal.fate.arm(at, at % 2 === 0 ? 'after' : 'before')
          let died = false
          await story(world, `crash-${String(at).padStart(3, '0')}`, async ended => {
            await mortal.fate.died
            if (ended.aborted) return
            died = true
            seen.push(`${at}: ${mortal.fate.writes.at(-1)}`)
            await mortal.bury()
            mortal = await startMortal(world)
          }).catch((error: unknown) => {
            throw new Error(`death at write ${seen.at(-1)}: ${String(error)}\n${mortal.log()}`, { cause: error })
          })
          if (!died) break
        }
      } finally {
        await mortal.bury()
      }
      expect(await prober.stop()).toEqual([])
      expect(seen.length).toBeGreaterThan(20)
    },
  )
})
