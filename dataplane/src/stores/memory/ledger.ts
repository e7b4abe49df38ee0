// The ledger in one process: what its semantics are, without a store between. Several ledgers may share one MemoryLedgerStore,
// as several processes share one Redis.
import type { Micros } from '@smartflow/core/money'
import type { BudgetState, RateState } from '../../exchange/limits.ts'
import type { Admission, Hold, HoldRefusal, HoldRequest, Ledger, LedgerHealth, Outcome } from '../../ports/ledger.ts'
import { correct, drain, rateStates, type RateUse, take, UNUSED } from '../bucket.ts'
import { budgetState, hasRoom, type Plan, type PlannedBudget, type PlannedRate, Planner, rateRefusal } from '../plan.ts'

/** Spent and held of one window, micro-dollars. */
interface Account {
  readonly key: string
  spent: Micros
  held: Micros
}

/** A rate limit's use, shared by all holds on it. */
interface Bucket {
  use: RateUse
}

interface TakenHold {
  readonly request: HoldRequest
  readonly accounts: readonly Account[]
  readonly buckets: readonly { readonly bucket: Bucket; readonly rate: PlannedRate }[]
}

interface TenantBooks {
  /** By scope and period; a new window replaces the old one, which lives on in the holds taken on it. */
  readonly accounts: Map<string, Account>
  readonly buckets: Map<string, Bucket>
}

/** What ledgers share: the books, and the holds of every process. `now` gives epoch milliseconds. */
export class MemoryLedgerStore {
  readonly now: () => number
  readonly #tenants = new Map<string, TenantBooks>()
  /** Holds of processes that ended without settling, and when their lease is over. */
  readonly #abandoned = new Map<Set<TakenHold>, number>()

  constructor(now: () => number = Date.now) {
    this.now = now
  }

  /** The books of a tenant; made on first use. */
  books(tenant: string): TenantBooks {
    const known = this.#tenants.get(tenant)
    if (known !== undefined) return known
    const books = { accounts: new Map(), buckets: new Map() }
    this.#tenants.set(tenant, books)
    return books
  }

  /** These holds are nobody's any more: they come back when the lease is over. */
  abandon(holds: Set<TakenHold>, leaseEnd: number): void {
    if (holds.size > 0) this.#abandoned.set(holds, leaseEnd)
  }

  /** Gives back the holds whose lease is over. */
  sweep(): void {
    for (const [holds, leaseEnd] of this.#abandoned) {
      if (leaseEnd > this.now()) continue
      for (const hold of holds) release(hold)
      this.#abandoned.delete(holds)
    }
  }
}

/** `leaseMs`: how long holds outlive a ledger that was closed before they were settled. */
export interface MemoryLedgerOptions {
  readonly store?: MemoryLedgerStore
  readonly leaseMs?: number
}

/** See the file's head. Closing it without settling is what a crash is to the others. */
export class MemoryLedger implements Ledger {
  readonly #store: MemoryLedgerStore
  readonly #leaseMs: number
  readonly #planner = new Planner('')
  readonly #holds = new Set<TakenHold>()

  constructor(options: MemoryLedgerOptions = {}) {
    this.#store = options.store ?? new MemoryLedgerStore()
    this.#leaseMs = options.leaseMs ?? 10_000
  }

  async admit(request: HoldRequest): Promise<Admission> {
    this.#store.sweep()
    const now = this.#store.now()
    const plan = this.#planner.plan(request, now)
    const books = this.#store.books(request.tenant)
    const accounts = plan.budgets.map(budget => accountOf(books, budget))
    const buckets = plan.rates.map(rate => ({ bucket: bucketOf(books, rate), rate }))
    const refusal = budgetRefusal(plan, accounts, request.amount) ?? takeRates(buckets, request.tokens, now)
    if (refusal !== undefined) return { refusal }
    for (const account of accounts) account.held += request.amount
    const hold: TakenHold = { request, accounts, buckets }
    this.#holds.add(hold)
    return { hold: this.#describe(plan, hold) }
  }

  health(): LedgerHealth {
    return { up: true, waiting: 0, lost: 0 }
  }

  async drain(): Promise<void> {}

  async close(): Promise<void> {
    this.#store.abandon(new Set(this.#holds), this.#store.now() + this.#leaseMs)
    this.#holds.clear()
  }

  #describe(plan: Plan, hold: TakenHold): Hold {
    const budgets: BudgetState[] = plan.budgets.map((budget, at) => {
      const account = hold.accounts[at]
      return budgetState(budget, account?.spent ?? 0, account?.held ?? 0)
    })
    const rates: RateState[] = hold.buckets.flatMap(({ bucket, rate }) =>
      rateStates(rate.scope, rate.limit, bucket.use),
    )
    let open = true
    const settle = (outcome: Outcome): void => {
      if (!open) return
      open = false
      if (this.#holds.delete(hold)) release(hold)
      charge(hold, outcome, this.#store.now())
    }
    return { budgets, rates, degraded: false, settle }
  }
}

function accountOf(books: TenantBooks, budget: PlannedBudget): Account {
  const place = `${budget.scope}:${budget.period}`
  const known = books.accounts.get(place)
  if (known?.key === budget.key) return known
  const account = { key: budget.key, spent: 0, held: 0 }
  books.accounts.set(place, account)
  return account
}

function bucketOf(books: TenantBooks, rate: PlannedRate): Bucket {
  const known = books.buckets.get(rate.scope)
  if (known !== undefined) return known
  const bucket = { use: UNUSED }
  books.buckets.set(rate.scope, bucket)
  return bucket
}

function budgetRefusal(plan: Plan, accounts: readonly Account[], amount: Micros): HoldRefusal | undefined {
  for (const [at, budget] of plan.budgets.entries()) {
    const { spent = 0, held = 0 } = accounts[at] ?? {}
    if (hasRoom(budget, spent + held, amount)) continue
    return { what: 'budget', budget: budgetState(budget, spent, held), period: budget.period }
  }
  return undefined
}

/** Takes from every bucket, or from none. */
function takeRates(buckets: TakenHold['buckets'], tokens: number, now: number): HoldRefusal | undefined {
  const taken: RateUse[] = []
  for (const { bucket, rate } of buckets) {
    const use = drain(bucket.use, rate.limit, now)
    const next = take(use, rate.limit, tokens)
    if ('what' in next) return rateRefusal(rate, use, next)
    taken.push(next)
  }
  for (const [at, { bucket }] of buckets.entries()) bucket.use = taken[at] ?? bucket.use
  return undefined
}

/** Gives back what was held: money and places. Tokens stay taken until the real number is known; they refill anyway. */
function release({ request, accounts, buckets }: TakenHold): void {
  for (const account of accounts) account.held -= request.amount
  for (const { bucket, rate } of buckets) {
    if (rate.limit.concurrency !== undefined) bucket.use = { ...bucket.use, calls: Math.max(0, bucket.use.calls - 1) }
  }
}

function charge({ request, accounts, buckets }: TakenHold, outcome: Outcome, now: number): void {
  for (const account of accounts) account.spent += outcome.cost
  for (const { bucket, rate } of buckets) {
    if (rate.limit.tpm === undefined) continue
    bucket.use = correct(drain(bucket.use, rate.limit, now), outcome.tokens - request.tokens)
  }
}
