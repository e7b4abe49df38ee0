// The API server dies and comes back, with its history compacted: data planes notice nothing, the operator goes on, and
// changes made right after are in force soon.
import { describe, expect } from 'vitest'
import { eventually } from '../e2e/gateway.ts'
import { neverNoticed, servedAndGone, TENANT, tenantAtWork } from './chaos-tenant.ts'
import { allReady, create, key } from './chaos-world.ts'
import { test } from './cluster-test.ts'
import { see, startOperator } from './stack.ts'

const held = tenantAtWork()

/** The API server may need a while before it takes anything. */
async function served(name: string): Promise<void> {
  // One that was taken and not answered is there already.
  await eventually('the API server takes it', async () => {
    const there = async (): Promise<unknown> => see(held.world.cluster, 'virtualkeys', name, TENANT)
    await create(held.world, key(TENANT, name)).catch(async (error: unknown) => {
      if ((await there()) === undefined) throw error
    })
    return true
  })
  await servedAndGone(held, name)
}

describe('an API server that was killed', { timeout: 240_000 }, () => {
  neverNoticed(held)

  // An outage longer than a lease can be renewed in ends a leader on purpose: another may lead by then.
  test('and was away longer than the lease: the leader ends, and the next one goes on', async ({ cluster: _ }) => {
    const { cluster } = held.world
    await cluster.killApiServer()
    expect(await held.operator.exited).toBe(1)
    expect(held.operator.log()).toContain('the lease was not renewed')
    await cluster.compact()
    await cluster.startApiServer()
    held.operator = await startOperator(held.world)
    await served('after')
  })

  test('and forgot its history: the same process lists anew and goes on', async ({ cluster: _ }) => {
    const { cluster } = held.world
    await held.operator.stop()
    // Without election an outage may be of any length, as slow as the machine may be.
    held.operator = await startOperator(held.world, { env: { SMARTFLOW_LEADER_ELECTION: 'false' } })
    await allReady(held.world)
    await served('before')
    const { pid } = held.operator
    await cluster.killApiServer()
    await eventually('the operator notices', () => held.operator.log().includes('the watch of virtualkeys fails'))
    await cluster.compact()
    await cluster.startApiServer()
    await served('right-after')
    expect(held.operator.pid).toBe(pid)
    expect(await Promise.race([held.operator.exited, Promise.resolve('runs')])).toBe('runs')
  })
})
