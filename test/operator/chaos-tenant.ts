// A tenant at work while a file of tests makes trouble: an operator, two data planes, its keys, a prober that calls with
// one of them all the time, and what everything looked like before.
import { afterAll, afterEach, beforeEach, expect } from 'vitest'
import { eventually } from '../e2e/gateway.ts'
import { ApiProxy } from './api-proxy.ts'
import { everyPlane, Prober } from './chaos-prober.ts'
import {
  allReady,
  create,
  createAll,
  endsAs,
  endState,
  isGone,
  key,
  remove,
  tenantObjects,
  tokenOf,
  type World,
  chaosOfFile,
} from './chaos-world.ts'
import { type OperatorProcess, type Plane, see, type Seen, startOperator, startPlane } from './stack.ts'

export const TENANT = 'acme'

/** So many keys that losing all of them at once cannot be meant. */
export const MANY: readonly string[] = Array.from({ length: 20 }, (_, at) => `many-${at}`)

/** What the tests of a file have; there from `beforeAll` on. */
export interface AtWork {
  readonly world: World
  readonly planes: readonly [Plane, Plane]
  /** Everything of the tenant before the first trouble, for `endsAs`. */
  readonly calm: Record<string, unknown>
  /** The one that should lead: whoever ends it puts the next one here. */
  operator: OperatorProcess
}

/** Registers the start and the end. `keys`: beside `app` and `web`. */
export function tenantAtWork({
  keys = [],
  start = startOperator,
}: { keys?: readonly string[]; start?: (world: World) => Promise<OperatorProcess> } = {}): AtWork {
  let parts: Omit<AtWork, 'world'> | undefined
  const held = chaosOfFile(async world => {
    const operator = await start(world)
    const planes = [await startPlane(world), await startPlane(world)] as const
    await createAll(world, tenantObjects(TENANT, ['app', 'web', ...keys]))
    await allReady(world, { log: () => operator.log() })
    const served = 2 + keys.length
    await eventually('the tenant tells of all keys', async () => {
      const { status } = (await see(world.cluster, 'aitenants', TENANT)) ?? {}
      return status?.['keys'] === served
    })
    parts = { operator, planes, calm: await endState(world, TENANT) }
  })
  const begun = (): Omit<AtWork, 'world'> => {
    if (parts === undefined) throw new Error('the tenant is not at work yet')
    return parts
  }
  return {
    get world() {
      return held.world
    },
    get planes() {
      return begun().planes
    },
    get calm() {
      return begun().calm
    },
    get operator() {
      return begun().operator
    },
    set operator(next) {
      begun().operator = next
    },
  }
}

/** A tenant at work whose operator asks the API server through a proxy that can make trouble; `ready` is given the proxy. */
export function tenantBehindProxy(ready: (proxy: ApiProxy) => void): AtWork {
  let proxy: ApiProxy | undefined
  const held = tenantAtWork({
    keys: MANY,
    async start(world) {
      proxy = await ApiProxy.start(world)
      ready(proxy)
      return startOperator(world, { kubeconfig: proxy.kubeconfig })
    },
  })
  afterAll(() => proxy?.stop())
  return held
}

/** For every test of a `describe`: no call with one of the keys failed, and in the end everything is as it was. */
export function neverNoticed(
  held: AtWork,
  { endTrouble = () => undefined, keys = ['app'] }: { endTrouble?: () => void; keys?: readonly string[] } = {},
): void {
  let prober: Prober
  beforeEach(async () => {
    const tokens = await Promise.all(keys.map(name => tokenOf(held.world, TENANT, name)))
    prober = new Prober(() => held.planes).watch(...tokens)
  })
  afterEach(async () => {
    endTrouble()
    await allReady(held.world, { log: () => held.operator.log() })
    await endsAs(held.world, TENANT, held.calm)
    expect(await prober.stop()).toEqual([])
  })
}

/** Adds a key, waits for `between`, and takes the key away again: whoever does both sees everything. */
export async function comesAndGoes(
  held: AtWork,
  name: string,
  between: () => unknown = () => undefined,
): Promise<void> {
  await create(held.world, key(TENANT, name))
  await between()
  await servedAndGone(held, name)
}

/** The second half of it, for a key that is there. */
export async function servedAndGone({ world, planes }: AtWork, name: string): Promise<void> {
  const token = await tokenOf(world, TENANT, name)
  await everyPlane(planes, token, 200)
  await remove(world, 'virtualkeys', name, TENANT)
  await everyPlane(planes, token, 401)
  await isGone(world, TENANT, name)
}

/** The tenant, as the API server has it. */
export function tenantSeen({ world }: AtWork): Promise<Seen | undefined> {
  return see(world.cluster, 'aitenants', TENANT)
}

/** The AIGateway, as the API server has it. */
export function gatewaySeen({ world }: AtWork): Promise<Seen | undefined> {
  return see(world.cluster, 'aigateways', 'main', world.namespace)
}
