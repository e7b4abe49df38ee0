// Two operators at once: one leads, another takes over, and two that both believe to lead never mix what they publish.
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect } from 'vitest'
import { eventually } from '../e2e/gateway.ts'
import { everyPlane, servedBy } from './chaos-prober.ts'
import { comesAndGoes, neverNoticed, TENANT, tenantAtWork } from './chaos-tenant.ts'
import { allReady, create, isGone, key, remove, tokenOf } from './chaos-world.ts'
import { test } from './cluster-test.ts'
import { type OperatorProcess, startOperator } from './stack.ts'

/** Of the lease (15 s), an attempt after it, and what a busy machine adds. */
const TAKE_OVER_MS = 40_000
/** Less than a lease: what was given back was not waited for. */
const HANDED_OVER_MS = 12_000

/** Changes made until two writers contradict one another, and the time between them. */
const MOST_CHANGES = 20
const BETWEEN_CHANGES_MS = 1_000

const held = tenantAtWork()

const leads = (operator: OperatorProcess): boolean => operator.log().includes('this operator leads')

const served = (name: string): Promise<void> => comesAndGoes(held, name, () => allReady(held.world, { tenant: TENANT }))

describe('two operators', { timeout: 180_000 }, () => {
  neverNoticed(held)

  test('one waits, and takes over at once from one that stops in order', async ({ cluster: _ }) => {
    const second = await startOperator(held.world)
    await served('waiting')
    expect(leads(second)).toBe(false)
    const stoppedAt = Date.now()
    const stopped = held.operator.stop()
    // One interval of attempts, with its jitter.
    await eventually('the second leads', () => leads(second), HANDED_OVER_MS)
    await stopped
    expect(Date.now() - stoppedAt).toBeLessThan(HANDED_OVER_MS)
    await served('handed-over')
    held.operator = second
  })

  test('one takes over from one that was killed, when its lease is over', async ({ cluster: _ }) => {
    const second = await startOperator(held.world)
    await eventually('it has seen the lease', () => second.log().includes('watching'))
    const killedAt = Date.now()
    await held.operator.kill()
    await create(held.world, key(TENANT, 'orphan'))
    await eventually('the second leads', () => leads(second), TAKE_OVER_MS)
    expect(Date.now() - killedAt).toBeGreaterThan(5_000)
    await everyPlane(held.planes, await tokenOf(held.world, TENANT, 'orphan'), 200)
    await remove(held.world, 'virtualkeys', 'orphan', TENANT)
    await isGone(held.world, TENANT, 'orphan')
    held.operator = second
  })

  test('of two that both believe to lead, the fenced one ends', async ({ cluster: _ }) => {
    await held.operator.stop()
    const env = { SMARTFLOW_LEADER_ELECTION: 'false' }
    const pair = [await startOperator(held.world, { env }), await startOperator(held.world, { env })]
    const digests = new Set<string | null>()
    const ended = new AbortController()
    const watching = (async () => {
      while (!ended.signal.aborted) {
        for (const plane of held.planes) digests.add((await servedBy(plane)).digest)
        await sleep(25)
      }
    })()
    watching.catch(() => undefined) // told where it is waited for
    await create(held.world, key(TENANT, 'split'))
    await everyPlane(held.planes, await tokenOf(held.world, TENANT, 'split'), 200)
    // Whoever is later by a hair finds its own change published already, and has nothing to contradict: changes go on
    // until the two meet.
    const names = ['split']
    const ends = pair.map(async operator => ((await operator.exited) === 0 ? undefined : operator))
    const both = (): string => `both go on:\n${pair.map(operator => operator.log().slice(-1_500)).join('\n---\n')}`
    let loser: OperatorProcess | undefined
    for (let turn = 0; loser === undefined; turn++) {
      if (turn === MOST_CHANGES) throw new Error(both())
      const name = `again-${turn}`
      names.push(name)
      await create(held.world, key(TENANT, name))
      loser = await Promise.race([...ends, sleep(BETWEEN_CHANGES_MS, undefined)])
    }
    expect(await loser.exited).toBe(1)
    expect(loser.log()).toContain('another writer took this gateway over')
    const [winner] = pair.filter(operator => operator !== loser)
    await everyPlane(held.planes, await tokenOf(held.world, TENANT, names.at(-1) ?? ''), 200)
    await allReady(held.world)
    const [a, b] = await Promise.all(held.planes.map(servedBy))
    expect([a?.digest, a?.epoch, a?.generation]).toEqual([b?.digest, b?.epoch, b?.generation])
    ended.abort()
    await watching
    // With each key (before and after its Secret came), and without: whole configurations, and no mixture of them.
    expect(digests.size).toBeLessThanOrEqual(1 + 2 * names.length)
    for (const name of names) {
      await remove(held.world, 'virtualkeys', name, TENANT)
      await isGone(held.world, TENANT, name)
    }
    await winner?.stop()
    held.operator = await startOperator(held.world)
  })
})
