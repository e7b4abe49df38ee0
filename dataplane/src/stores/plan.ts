// What an admission asks, sorted out: the budgets with their windows and the rates, without scopes that limit nothing.
import { budgetName, type Window, windowOf } from '@smartflow/core/budget-window'
import type { Micros } from '@smartflow/core/money'
import type { Budget, RateLimit } from '@smartflow/core/snapshot/items'
import type { BudgetState, RateState, Scope } from '../exchange/limits.ts'
import type { HoldRefusal, HoldRequest } from '../ports/ledger.ts'
import { type BucketRefusal, rateStates, type RateUse } from './bucket.ts'

/** One budget of a request. Money is micro-dollars, `expiresAt` epoch milliseconds. */
export interface PlannedBudget {
  readonly scope: string
  /** Where the store keeps it: unique to scope, period and window. */
  readonly key: string
  readonly limit: Micros
  readonly period: Budget['period']
  readonly window: Window
  /** When the store may forget it; 0 for never. */
  readonly expiresAt: number
}

/** One rate limit of a request, and where the store keeps it. */
export interface PlannedRate {
  readonly scope: string
  readonly key: string
  readonly limit: RateLimit
}

/** A request sorted out. Rates with a concurrency limit stand first; `counted` says how many they are. */
export interface Plan {
  readonly budgets: readonly PlannedBudget[]
  readonly rates: readonly PlannedRate[]
  readonly counted: number
  /** When its windows begin and end, epoch milliseconds. */
  readonly from: number
  readonly until: number
}

/** Late settlements still find the window they belong to. */
const KEEP_MS = 2 * 86_400_000
const REMEMBERED = 10_000

/** Sorts requests out; remembers what it made of each scope, since the same few come again and again. */
export class Planner {
  readonly #prefix: string
  readonly #budgets = new Map<string, PlannedBudget>()
  readonly #rates = new Map<string, PlannedRate>()
  readonly #plans = new WeakMap<readonly Scope[], Plan>()

  /** `prefix` stands before every key. */
  constructor(prefix: string) {
    this.#prefix = prefix
  }

  /** The plan for the time `now`, epoch milliseconds of the store's clock. The same one for the same list of scopes. */
  plan({ scopes }: HoldRequest, now: number): Plan {
    const known = this.#plans.get(scopes)
    if (known !== undefined && now >= known.from && now < known.until) return known
    const plan = this.#make(scopes, now)
    this.#plans.set(scopes, plan)
    return plan
  }

  #make(scopes: readonly Scope[], now: number): Plan {
    const budgets: PlannedBudget[] = []
    const counted: PlannedRate[] = []
    const others: PlannedRate[] = []
    for (const { id, budget, rateLimit } of scopes) {
      if (budget !== undefined) budgets.push(this.#budget(id, budget, now))
      if (rateLimit?.concurrency !== undefined) counted.push(this.#rate(id, rateLimit))
      else if (rateLimit?.rpm !== undefined || rateLimit?.tpm !== undefined) others.push(this.#rate(id, rateLimit))
    }
    const rates = counted.length === 0 ? others : [...counted, ...others]
    const from = Math.max(-Infinity, ...budgets.map(({ window }) => window.start))
    const until = Math.min(Infinity, ...budgets.map(({ window }) => window.end))
    return { budgets, rates, counted: counted.length, from, until }
  }

  #budget(id: string, { amount, period }: Budget, now: number): PlannedBudget {
    const known = this.#budgets.get(id)
    const same = known?.limit === amount && known.period === period
    if (same && now >= known.window.start && now < known.window.end) return known
    const window = windowOf(period, now)
    const key = `${this.#prefix}${budgetName(id, period, window)}`
    const expiresAt = window.end === Infinity ? 0 : window.end + KEEP_MS
    const planned = { scope: id, key, limit: amount, period, window, expiresAt }
    keep(this.#budgets, id, planned)
    return planned
  }

  #rate(id: string, limit: RateLimit): PlannedRate {
    const known = this.#rates.get(id)
    if (known?.limit === limit) return known
    const planned = { scope: id, key: `${this.#prefix}r:${oneLine(id)}`, limit }
    keep(this.#rates, id, planned)
    return planned
  }
}

/** Keys are listed one a line where holds are kept. */
function oneLine(id: string): string {
  return id.includes('\n') ? id.replaceAll('\n', ' ') : id
}

function keep<T>(map: Map<string, T>, id: string, value: T): void {
  if (map.size >= REMEMBERED) map.clear()
  map.set(id, value)
}

/** What callers are told of a budget. */
export function budgetState(budget: PlannedBudget, spent: Micros, held: Micros): BudgetState {
  const resetAt = budget.window.end === Infinity ? undefined : budget.window.end
  return { scope: budget.scope, limit: budget.limit, spent, held, resetAt }
}

/** Whether a budget has room for `amount`. An exhausted budget refuses free calls too. */
export function hasRoom(budget: PlannedBudget, used: Micros, amount: Micros): boolean {
  return used + Math.max(amount, 1) <= budget.limit
}

/** The refusal of a rate limit; `use` as of now. */
export function rateRefusal(rate: PlannedRate, use: RateUse, refusal: BucketRefusal): HoldRefusal {
  const { what, retryAfterMs } = refusal
  const known = rateStates(rate.scope, rate.limit, use).find(state => state.what === what)
  const none: RateState = { scope: rate.scope, what, limit: 0, remaining: 0, resetAt: use.at }
  return { what, rate: known ?? none, retryAfterMs }
}
