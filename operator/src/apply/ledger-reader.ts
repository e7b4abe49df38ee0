// What virtual keys have spent, read from the ledger that the gateway's pods keep. Reads only.
import { budgetName, keyScope, ledgerPrefix, windowOf } from '@smartflow/core/budget-window'
import type { Micros } from '@smartflow/core/money'
import type { Period } from '@smartflow/core/snapshot/items'
import type { RedisCommands } from '@smartflow/core/snapshot/redis-config-store'

/** Budgets asked for at a time. */
const AT_ONCE = 500

/** The budget of one key: `name` is `namespace/name`. */
export interface KeyBudget {
  readonly tenant: string
  readonly name: string
  readonly period: Period
}

/** What was spent in the window that holds now, which begins at `start` (milliseconds since the epoch). */
export interface Spent {
  readonly spent: Micros
  readonly start: number
}

/** In the order asked for. Rejects while the store is away. */
export async function readSpent(redis: RedisCommands, budgets: readonly KeyBudget[], now: number): Promise<Spent[]> {
  const found: Spent[] = []
  for (let at = 0; at < budgets.length; at += AT_ONCE) {
    const some = budgets.slice(at, at + AT_ONCE)
    found.push(...(await Promise.all(some.map(budget => spentOf(redis, budget, now)))))
  }
  return found
}

async function spentOf(redis: RedisCommands, { tenant, name, period }: KeyBudget, now: number): Promise<Spent> {
  const window = windowOf(period, now)
  const key = `${ledgerPrefix(tenant)}${budgetName(keyScope(name), period, window)}`
  const spent = Number((await redis.send('hget', [key, 'spent'])) ?? 0)
  return { spent: Number.isSafeInteger(spent) ? spent : 0, start: window.start }
}
