// One admission as the store is asked, understood, and told the end of: what admit.lua and settle.lua take and give.
import type { Micros } from '@smartflow/core/money'
import type { BudgetState, RateState } from '../../exchange/limits.ts'
import type { Admission, Hold, HoldRequest, Outcome } from '../../ports/ledger.ts'
import { type BucketRefusal, rateStates, type RateUse } from '../bucket.ts'
import { budgetState, type Plan, type PlannedBudget, rateRefusal } from '../plan.ts'
import { loadScript } from './connection.ts'
import type { LedgerLane, Standing } from './ledger-lane.ts'
import type { LedgerNames } from './ledger-names.ts'
import type { Movement, Shape } from './movement.ts'
import { type PreparedCall, prepareCall, type ScriptArgument } from './script-call.ts'

const admitScript = loadScript(new URL('./admit.lua', import.meta.url))
/** Arguments of admit.lua that are not the plan's. */
const ADMIT_MORE = 6

/** An admission that arrives later than this is refused by the store, so that an abandoned one cannot take effect. */
const VALID_MS = 1000
const BUCKET_REFUSALS: readonly BucketRefusal['what'][] = ['requests', 'tokens', 'concurrency']

/** What every admission under one plan has in common, for one process and tenant. */
export interface NamedPlan {
  readonly plan: Plan
  readonly prepared: PreparedCall
  readonly shape: Shape
  /** What the store remembers of a hold, behind its id and amount (admit.lua). */
  readonly tail: string
}

/** Names what admit.lua and settle.lua will be asked under this plan. */
export function namePlan(plan: Plan, { processes, holds }: LedgerNames, process: string): NamedPlan {
  const { budgets, rates, counted } = plan
  const keys = [processes, holds]
  const fixed: ScriptArgument[] = [process, budgets.length, counted]
  for (const { key, limit, expiresAt } of budgets) {
    keys.push(key)
    fixed.push(limit, expiresAt)
  }
  for (const { key, limit } of rates) {
    keys.push(key)
    fixed.push(limit.rpm ?? 0, limit.tpm ?? 0, limit.concurrency ?? 0)
  }
  const held = keys.slice(2, 2 + budgets.length + counted)
  const tail = [budgets.length, ...held].join('\n')
  const prepared = prepareCall(admitScript, keys, { fixed, more: ADMIT_MORE, bytes: true })
  return { plan, prepared, shape: shapeOf(plan, held), tail }
}

function shapeOf({ budgets, rates, counted }: Plan, held: readonly string[]): Shape {
  const keys = [...held]
  const limits: number[] = []
  for (const { key, limit } of rates) {
    if (limit.tpm === undefined) continue
    keys.push(key)
    limits.push(limit.tpm)
  }
  const expiries = budgets.map(({ expiresAt }) => expiresAt)
  return { keys, numbers: [budgets.length, counted, limits.length, ...expiries, ...limits].join(' ') }
}

/** What a movement does when its hold does not stand (any more): nothing, or charge all the same. */
export const GIVE_BACK = 0
const CHARGE = 1

/** One admission as it is asked of the store, with the windows of its time. */
export class Asked implements Standing {
  readonly request: HoldRequest
  readonly named: NamedPlan
  readonly plan: Plan
  readonly lane: LedgerLane
  readonly amount: Micros
  readonly tokens: number
  /** There is something that a crash would have to give back. */
  readonly tracked: boolean

  constructor(request: HoldRequest, named: NamedPlan, lane: LedgerLane) {
    const { plan } = named
    this.request = request
    this.named = named
    this.plan = plan
    this.lane = lane
    this.amount = wholeNumber(request.amount)
    this.tokens = wholeNumber(request.tokens)
    this.tracked = plan.counted > 0 || (plan.budgets.length > 0 && this.amount > 0)
  }

  /** Arguments of admit.lua behind those of the plan; `now` as this process believes of the store's clock. */
  args(leaseMs: number, now: number): ScriptArgument[] {
    const { plan, request, amount, tokens } = this
    const from = Math.ceil(Math.max(now - VALID_MS, plan.from))
    const until = Math.ceil(Math.min(now + VALID_MS, plan.until))
    return [from, until, this.tracked ? leaseMs : 0, request.id, amount, tokens]
  }

  /** What the store remembers of the hold (admit.lua). */
  describe(): string {
    return `${this.request.id}\n${this.amount}\n${this.named.tail}`
  }

  movement(cost: Micros, tokens: number, absent: typeof GIVE_BACK | typeof CHARGE): Movement {
    const { request, amount, named } = this
    const { shape } = named
    return { shape, id: request.id, amount, cost, absent, tokens: tokens - this.tokens, sum: undefined }
  }

  /** What admit.lua refused. */
  refusal(answer: readonly number[]): Admission {
    const [, now = 0, place = 1, what = 0, ...figures] = answer
    const budget = what === 0 ? this.plan.budgets[place - 1] : undefined
    if (budget !== undefined) {
      const state = budgetState(budget, figures[0] ?? 0, figures[1] ?? 0)
      return { refusal: { what: 'budget', budget: state, period: budget.period } }
    }
    const rate = this.plan.rates[place - 1] ?? { scope: '', key: '', limit: {} }
    const [requests = 0, tokens = 0, calls = 0, retryAfterMs = 0] = figures
    const reason = BUCKET_REFUSALS[what - 1] ?? 'requests'
    return { refusal: rateRefusal(rate, { requests, tokens, calls, at: now }, { what: reason, retryAfterMs }) }
  }
}

/** A hold that the store knows of. */
export class StoreHold implements Hold {
  readonly budgets: readonly BudgetState[]
  readonly rates: readonly RateState[]
  readonly degraded = false
  readonly #asked: Asked
  #open = true

  constructor(asked: Asked, answer: readonly number[]) {
    const { budgets, rates } = asked.plan
    this.#asked = asked
    let next = 2
    const states: BudgetState[] = []
    for (const budget of budgets) states.push(budgetState(budget, answer[next++] ?? 0, answer[next++] ?? 0))
    const left: RateState[] = []
    const at = answer[1] ?? 0
    for (const { scope, limit } of rates) {
      const use: RateUse = {
        requests: answer[next++] ?? 0,
        tokens: answer[next++] ?? 0,
        calls: answer[next++] ?? 0,
        at,
      }
      rateStates(scope, limit, use, left)
    }
    this.budgets = states
    this.rates = left
    if (asked.tracked) asked.lane.stands(asked)
  }

  settle(outcome: Outcome): void {
    if (!this.#open) return
    this.#open = false
    const { lane, tracked } = this.#asked
    lane.ends(this.#asked)
    lane.closes()
    const cost = wholeNumber(outcome.cost)
    const tokens = wholeNumber(outcome.tokens)
    const changes = tracked || cost > 0 || tokens !== this.#asked.tokens
    if (changes) lane.tell(this.#asked.movement(cost, tokens, CHARGE))
  }
}

/** The hold of a call that nothing limits. */
export function unlimited(): Hold {
  return { budgets: [], rates: [], degraded: false, settle: () => undefined }
}

/** A charge of a call that was let through while the store was away. */
export function chargeOnly(id: string, budgets: readonly PlannedBudget[], cost: Micros): Movement {
  const shape = shapeOf(
    { budgets, rates: [], counted: 0, from: 0, until: 0 },
    budgets.map(({ key }) => key),
  )
  return { shape, id, amount: 0, cost, absent: CHARGE, tokens: 0, sum: shape.keys.join('\n') }
}

/** Costs and tokens are whole and not negative, whatever a caller computed. */
export function wholeNumber(value: number): number {
  return Number.isFinite(value) ? Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, Math.ceil(value))) : 0
}
