// The API server dies and comes back, with its history compacted: data planes notice nothing, the operator goes on, and
// changes made right after are in force soon.
import { afterEach, beforeEach, describe, expect } from 'vitest'
import { eventually } from '../e2e/gateway.ts'
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
  worldOfFile,
} from './chaos-world.ts'
import { test } from './cluster-test.ts'
import { type OperatorProcess, type Plane, startOperator, startPlane } from './stack.ts'

const TENANT = 'acme'

let operator: OperatorProcess
let planes: Plane[] = []
let calm: Record<string, unknown> = {}
let prober: Prober

const held = worldOfFile(async world => {
  operator = await startOperator(world)
  planes = [await startPlane(world), await startPlane(world)]
  await createAll(world, tenantObjects(TENANT, ['app', 'web']))
  await allReady(world, { log: () => operator.log() })
  calm = await endState(world, TENANT)
})

async function served(name: string): Promise<void> {
  const { world } = held
  await eventually('the API server takes it', async () => (await create(world, key(TENANT, name)), true))
  const token = await tokenOf(world, TENANT, name)
  await everyPlane(planes, token, 200)
  await remove(world, 'virtualkeys', name, TENANT)
  await everyPlane(planes, token, 401)
  await isGone(world, TENANT, name)
}

describe('an API server that was killed', { timeout: 120_000 }, () => {
  beforeEach(async () => {
    prober = new Prober(() => planes).watch(await tokenOf(held.world, TENANT, 'app'))
  })
  afterEach(async () => {
    await allReady(held.world, { log: () => operator.log() })
    await endsAs(held.world, TENANT, calm)
    expect(await prober.stop()).toEqual([])
  })

  // An outage longer than a lease can be renewed in ends a leader on purpose: another may lead by then.
  test('and was away longer than the lease: the leader ends, and the next one goes on', async ({ cluster: _ }) => {
    const { cluster } = held.world
    await cluster.killApiServer()
    expect(await operator.exited).toBe(1)
    expect(operator.log()).toContain('the lease was not renewed')
    await cluster.compact()
    await cluster.startApiServer()
    operator = await startOperator(held.world)
    await served('after')
  })

  test('and forgot its history: the same process lists anew and goes on', async ({ cluster: _ }) => {
    const { cluster } = held.world
    await operator.stop()
    // Without election an outage may be of any length, as slow as the machine may be.
    operator = await startOperator(held.world, { env: { SMARTFLOW_LEADER_ELECTION: 'false' } })
    await allReady(held.world)
    await served('before')
    const { pid } = operator
    await cluster.killApiServer()
    await eventually('the operator notices', () => operator.log().includes('the watch of virtualkeys fails'))
    await cluster.compact()
    await cluster.startApiServer()
    await served('right-after')
    expect(operator.pid).toBe(pid)
    expect(await Promise.race([operator.exited, Promise.resolve('runs')])).toBe('runs')
  })
})
