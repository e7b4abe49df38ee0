// What one process may let through while the store is away (design: When something is down): a small share of each budget
// a minute, and rate limits by buckets of its own.
import { LRUCache } from 'lru-cache'
import type { Micros } from '@smartflow/core/money'
import type { GatewaySettings } from '@smartflow/core/snapshot/items'
import type { HoldRefusal, HoldRequest } from '../ports/ledger.ts'
import type { BudgetState, RateState } from '../exchange/limits.ts'
import { correct, drain, rateStates, type RateUse, take, UNUSED } from './bucket.ts'
import { budgetState, type Plan, type PlannedBudget, rateRefusal } from './plan.ts'

/** Most that a process lets through on one budget a minute: 1 USD. */
const MOST: Micros = 1_000_000
/** And at most this part of what remained when the store was last asked. */
const SHARE = 1 / 100
const MINUTE = 60_000
const REMEMBERED = 10_000

/** What was taken locally, and how it ends. */
export interface LocalHold {
  readonly budgets: readonly BudgetState[]
  readonly rates: readonly RateState[]
  /** Corrects what was taken to what was used. Call once. */
  settle(cost: Micros, tokens: number): void
}

/** A budget as the store last told it; money in micro-dollars. */
interface Known {
  spent: Micros
  held: Micros
}

/** What this process let through on a budget in one minute. */
interface Minute {
  readonly minute: number
  used: Micros
}

/** `storeLoss` gives the settings in force. */
export class LocalAllowance {
  readonly #storeLoss: () => GatewaySettings['storeLoss']
  readonly #known = new LRUCache<string, Known>({ max: REMEMBERED })
  readonly #minutes = new LRUCache<string, Minute>({ max: REMEMBERED })
  readonly #buckets = new LRUCache<string, { use: RateUse }>({ max: REMEMBERED })

  constructor(storeLoss: () => GatewaySettings['storeLoss']) {
    this.#storeLoss = storeLoss
  }

  /** Keeps what the store said of a budget, for when it is away. */
  remember({ key }: PlannedBudget, spent: Micros, held: Micros): void {
    const known = this.#known.get(key)
    if (known === undefined) {
      this.#known.set(key, { spent, held })
      return
    }
    known.spent = spent
    known.held = held
  }

  /** Takes from this process's own allowance, from every scope or from none. `now`: epoch milliseconds. */
  take(request: HoldRequest, plan: Plan, now: number): LocalHold | HoldRefusal {
    return this.#closedScope(plan) ?? this.#noRoom(request, plan, now) ?? this.#takeAll(request, plan, now)
  }

  #closedScope({ budgets, rates }: Plan): HoldRefusal | undefined {
    const loss = this.#storeLoss()
    const budget = budgets.find(({ period }) => loss.budgets === 'FailClosed' || period === 'Lifetime')
    const scope = budget?.scope ?? (loss.rateLimits === 'FailClosed' ? rates[0]?.scope : undefined)
    return scope === undefined ? undefined : { what: 'unavailable', scope }
  }

  #noRoom({ amount }: HoldRequest, { budgets }: Plan, now: number): HoldRefusal | undefined {
    const full = budgets.find(budget => {
      const { used } = this.#minute(budget, now)
      return used + Math.max(amount, 1) > this.#allowance(budget)
    })
    return full === undefined ? undefined : { what: 'unavailable', scope: full.scope }
  }

  #takeAll(request: HoldRequest, plan: Plan, now: number): LocalHold | HoldRefusal {
    const { amount, tokens } = request
    const taken: { bucket: { use: RateUse }; rate: Plan['rates'][number]; next: RateUse }[] = []
    for (const rate of plan.rates) {
      const bucket = this.#bucket(rate.key)
      const use = drain(bucket.use, rate.limit, now)
      const next = take(use, rate.limit, tokens)
      if ('what' in next) return rateRefusal(rate, use, next)
      taken.push({ bucket, rate, next })
    }
    for (const { bucket, next } of taken) bucket.use = next
    const minutes = plan.budgets.map(budget => this.#minute(budget, now))
    for (const minute of minutes) minute.used += amount
    const budgets = plan.budgets.map(budget => {
      const known = this.#known.get(budget.key)
      return budgetState(budget, known?.spent ?? 0, (known?.held ?? 0) + amount)
    })
    const rates = taken.flatMap(({ rate, next }) => rateStates(rate.scope, rate.limit, next))
    const settle = (cost: Micros, used: number): void => {
      for (const minute of minutes) minute.used += cost - amount
      for (const budget of plan.budgets) this.#spend(budget.key, cost)
      for (const { bucket, rate } of taken) bucket.use = ended(bucket.use, rate.limit, used - tokens)
    }
    return { budgets, rates, settle }
  }

  /** Micro-dollars a minute. What the store was not asked about yet counts as untouched. */
  #allowance({ key, limit }: PlannedBudget): Micros {
    const { spent = 0, held = 0 } = this.#known.get(key) ?? {}
    return Math.min(MOST, Math.floor((limit - spent - held) * SHARE))
  }

  #spend(key: string, cost: Micros): void {
    const known = this.#known.get(key)
    if (known !== undefined) known.spent += cost
  }

  #minute({ key }: PlannedBudget, now: number): Minute {
    const minute = Math.floor(now / MINUTE)
    const known = this.#minutes.get(key)
    if (known?.minute === minute) return known
    const fresh = { minute, used: 0 }
    this.#minutes.set(key, fresh)
    return fresh
  }

  #bucket(key: string): { use: RateUse } {
    const known = this.#buckets.get(key)
    if (known !== undefined) return known
    const fresh = { use: UNUSED }
    this.#buckets.set(key, fresh)
    return fresh
  }
}

/** A call is over: its place is free and its tokens are corrected. */
function ended(use: RateUse, limit: Plan['rates'][number]['limit'], tokens: number): RateUse {
  const corrected = limit.tpm === undefined ? use : correct(use, tokens)
  return limit.concurrency === undefined ? corrected : { ...corrected, calls: Math.max(0, corrected.calls - 1) }
}
