// What statuses say of spending: when a figure is told, and when it is not.
import { describe, expect, test } from 'vitest'
import type { KubeObject } from '../api/resource-type.ts'
import type { Spent } from '../apply/ledger-reader.ts'
import type { Plan } from './loop.ts'
import { Usage } from './usage.ts'

const DAY = Date.parse('2026-11-25T00:00:00Z')
const item = { kind: 'VirtualKey', name: 'a/app', budget: { amount: 1_000_000, period: 'Daily' } }
const planWith = (items: object): Plan => ({ items: new Map(Object.entries(items)) }) as unknown as Plan
const liveWith = (status: object): KubeObject => ({ status }) as unknown as KubeObject
const NOTHING = liveWith({})

function usageOf() {
  const state = { spent: 0, start: DAY, now: DAY + 1_000, changes: 0, failures: 0, away: false }
  let plan: Plan | undefined = planWith({ 'acme VirtualKey a/app': item })
  const usage = new Usage({
    plan: () => plan,
    read: async budgets => {
      if (state.away) throw new Error('away')
      return budgets.map((): Spent => ({ spent: state.spent, start: state.start }))
    },
    now: () => state.now,
    changed: () => void state.changes++,
    failed: () => void state.failures++,
  })
  const look = async (): Promise<void> => {
    usage.look()
    await usage.stop()
  }
  return { state, usage, look, forget: () => (plan = planWith({})) }
}

describe('usage', () => {
  test('is told at first, then when a threshold is crossed, and else every five minutes [K02]', async () => {
    const { state, usage, look } = usageOf()
    state.spent = 100_000
    await look()
    expect(usage.statusOf('a/app', NOTHING)).toEqual({
      spentUSD: '0.1',
      periodStart: '2026-11-25T00:00:00Z',
      observedAt: '2026-11-25T00:00:01Z',
    })
    Object.assign(state, { spent: 400_000, now: DAY + 61_000 })
    await look()
    expect([state.changes, usage.statusOf('a/app', NOTHING)?.spentUSD]).toEqual([1, '0.1'])
    Object.assign(state, { spent: 500_000, now: DAY + 121_000 })
    await look()
    expect([state.changes, usage.statusOf('a/app', NOTHING)?.spentUSD]).toEqual([2, '0.5'])
    Object.assign(state, { spent: 600_000, now: DAY + 421_000 })
    await look()
    expect([state.changes, usage.statusOf('a/app', NOTHING)?.spentUSD]).toEqual([3, '0.6'])
  })

  test('of a key that nobody used is not told', async () => {
    const { usage, look } = usageOf()
    await look()
    expect(usage.statusOf('a/app', NOTHING)).toBeUndefined()
  })

  test('that did not move is never told again, nor after a restart', async () => {
    const { state, usage, look } = usageOf()
    state.spent = 250_000
    await look()
    const told = { spentUSD: '0.25', periodStart: '2026-11-25T00:00:00Z', observedAt: '2026-11-25T00:00:00Z' }
    expect(usage.statusOf('a/app', liveWith({ usage: told }))).toEqual(told)
    state.now = DAY + 3_600_000
    await look()
    expect(state.changes).toBe(1)
  })

  test('of a budget that is spent is a condition, until the next period', async () => {
    const { state, usage, look } = usageOf()
    state.spent = 1_000_000
    await look()
    expect(usage.conditionOf('a/app')).toMatchObject({ type: 'BudgetExhausted', status: 'True' })
    Object.assign(state, { spent: 0, start: DAY + 86_400_000, now: DAY + 86_400_500 })
    await look()
    expect(usage.conditionOf('a/app')).toBeUndefined()
  })

  test('keeps what the object says while the ledger cannot be read, and forgets keys that are gone', async () => {
    const { state, usage, look, forget } = usageOf()
    state.away = true
    await look()
    const told = { spentUSD: '0.25', observedAt: '2026-11-25T00:00:00Z' }
    expect([state.failures, usage.statusOf('a/app', liveWith({ usage: told }))]).toEqual([1, told])
    state.away = false
    await look()
    forget()
    await look()
    expect(usage.statusOf('a/app', NOTHING)).toBeUndefined()
  })
})
