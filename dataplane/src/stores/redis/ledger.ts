// The ledger on Redis: one script call an admission, one for the settlements of a moment. They are told in order and
// exactly once (LedgerLane), later when the store does not take them now; while it is away this process has a small
// allowance of its own (LocalAllowance).
import { randomBytes } from 'node:crypto'
import type { GatewaySettings } from '@smartflow/core/snapshot/items'
import type { Admission, HoldRequest, Ledger, LedgerHealth, Outcome } from '../../ports/ledger.ts'
import { LocalAllowance } from '../local-allowance.ts'
import type { Plan } from '../plan.ts'
import { type RedisConnection, StoreAway } from './connection.ts'
import {
  Asked,
  chargeOnly,
  GIVE_BACK,
  namePlan,
  type NamedPlan,
  StoreHold,
  unlimited,
  wholeNumber,
} from './ledger-admission.ts'
import { type LaneOffice, LedgerLane } from './ledger-lane.ts'
import { LedgerNames } from './ledger-names.ts'
import type { Movement } from './movement.ts'
import { steadyNow, StoreClock } from './store-clock.ts'

/** Times are milliseconds. */
export interface RedisLedgerOptions {
  readonly redis: RedisConnection
  /** Names this process in the store; made unique for this boot by a random ending. */
  readonly process: string
  /** What to do while the store is away, from the settings in force. */
  readonly storeLoss: () => GatewaySettings['storeLoss']
  /** How long holds outlive this process. Renewed every `renewMs`: once a second, or three times a shorter lease. */
  readonly leaseMs?: number
  readonly renewMs?: number
  /** Movements that may wait for the store; more are lost and counted. */
  readonly queueLimit?: number
  /** This machine's clock, epoch milliseconds; injected by tests. */
  readonly now?: () => number
}

const LEASE_MS = 10_000
const RENEW_MS = 1000
/** A lease is renewed this often at least, so that a late renewal does not end it. */
const RENEWALS = 3
const QUEUE_LIMIT = 10_000
/** Movements of this long are told again to a store that forgot them, at most so many a tenant. */
const MEMORY_MS = 10_000
const MEMORY_LIMIT = 30_000
/** After this no abandoned admission can arrive any more, whatever the clocks. */
const DOUBT_MS = 3000
const LANES_AT_ONCE = 16
const DRAIN_POLL_MS = 5

/** First numbers of admit.lua's answers. */
const TAKEN = 0
const REFUSED = 1
const WRONG_CLOCK = 2

/** See the file's head. Does not own the connection. */
export class RedisLedger implements Ledger {
  readonly #redis: RedisConnection
  readonly #office: LaneOffice
  readonly #clock: StoreClock
  readonly #allowance: LocalAllowance
  readonly #lanes = new Map<string, LedgerLane>()
  readonly #named = new WeakMap<Plan, NamedPlan>()
  /** Admissions without an answer: they may have been taken. In the order of `at`. */
  readonly #doubts: { readonly at: number; readonly lane: LedgerLane; readonly movement: Movement }[] = []
  readonly #timer: NodeJS.Timeout
  readonly #forget: () => void
  #ticking = false

  constructor(options: RedisLedgerOptions) {
    const local = options.now ?? steadyNow
    this.#redis = options.redis
    this.#clock = new StoreClock(local)
    this.#allowance = new LocalAllowance(options.storeLoss)
    this.#office = {
      redis: options.redis,
      process: `${options.process}~${randomBytes(6).toString('hex')}`,
      leaseMs: options.leaseMs ?? LEASE_MS,
      queueLimit: options.queueLimit ?? QUEUE_LIMIT,
      memoryMs: MEMORY_MS,
      memoryLimit: MEMORY_LIMIT,
      now: local,
      waiting: 0,
      lost: 0,
    }
    this.#timer = setInterval(
      () => void this.#tick(),
      options.renewMs ?? Math.min(RENEW_MS, this.#office.leaseMs / RENEWALS),
    ).unref()
    this.#forget = this.#redis.onChange(up => {
      if (up) for (const lane of this.#lanes.values()) lane.reconnected()
    })
  }

  admit(request: HoldRequest): Promise<Admission> {
    const lane = this.#lane(request.tenant)
    const plan = lane.planner.plan(request, this.#clock.now())
    if (plan.budgets.length === 0 && plan.rates.length === 0) return Promise.resolve({ hold: unlimited() })
    if (!this.#redis.up() || !lane.trusted()) return Promise.resolve(this.#admitLocally(lane, request))
    return this.#admitByStore(new Asked(request, this.#name(plan, lane), lane))
  }

  health(): LedgerHealth {
    return { up: this.#redis.up(), waiting: this.#office.waiting, lost: this.#office.lost }
  }

  async drain(timeoutMs: number): Promise<void> {
    const end = performance.now() + timeoutMs
    for (const lane of this.#lanes.values()) lane.flush()
    while (this.#office.waiting > 0 && performance.now() < end) {
      await new Promise(resolve => setTimeout(resolve, DRAIN_POLL_MS))
    }
  }

  /** Tells what waits and stops renewing. Holds that were not settled come back when the lease is over. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#forget()
    for (const lane of this.#lanes.values()) lane.flush()
  }

  async #admitByStore(asked: Asked): Promise<Admission> {
    const { lane } = asked
    if (lane.quiet()) lane.flush()
    const behind = lane.unsent() > 0
    lane.opens()
    try {
      const askedAt = this.#clock.now()
      const answer = this.#heard(await this.#send(asked, askedAt), askedAt)
      return answer[0] === TAKEN ? this.#understand(asked, answer) : await this.#askAgain(asked, answer, behind)
    } catch (error) {
      return this.#unanswered(asked, error)
    }
  }

  /** Once more where that may help: the clock is right now, or calls that ended before have made room (`behind`). */
  async #askAgain(first: Asked, refused: readonly number[], behind: boolean): Promise<Admission> {
    const { request, lane } = first
    let [asked, answer] = [first, refused]
    const again = async (): Promise<number[]> => {
      const askedAt = this.#clock.now()
      return this.#heard(await this.#send(asked, askedAt), askedAt)
    }
    try {
      if (answer[0] === WRONG_CLOCK) {
        asked = new Asked(request, this.#name(lane.planner.plan(request, this.#clock.now()), lane), lane)
        answer = await again()
      }
      if (answer[0] === REFUSED && (behind || lane.unsent() > 0)) {
        lane.flush()
        answer = await again()
      }
    } catch (error) {
      return this.#unanswered(asked, error)
    }
    if (answer[0] !== TAKEN) lane.closes()
    return this.#understand(asked, answer)
  }

  #unanswered(asked: Asked, error: unknown): Admission {
    asked.lane.closes()
    if (!(error instanceof StoreAway) || error.sent) this.#doubt(asked)
    return this.#admitLocally(asked.lane, asked.request)
  }

  #name(plan: Plan, { names }: LedgerLane): NamedPlan {
    const known = this.#named.get(plan)
    if (known !== undefined) return known
    const named = namePlan(plan, names, this.#office.process)
    this.#named.set(plan, named)
    return named
  }

  #send(asked: Asked, now: number): Promise<unknown> {
    return this.#redis.runPrepared(asked.named.prepared, asked.args(this.#office.leaseMs, now))
  }

  #heard(reply: unknown, askedAt: number): number[] {
    const answer = numbers(reply)
    const stored = answer[1] ?? 0
    if (answer[0] === WRONG_CLOCK) this.#clock.learn(stored)
    else this.#clock.heard(stored, askedAt)
    return answer
  }

  #understand(asked: Asked, answer: readonly number[]): Admission {
    if (answer[0] === REFUSED) return asked.refusal(answer)
    if (answer[0] !== TAKEN) return this.#admitLocally(asked.lane, asked.request)
    const hold = new StoreHold(asked, answer)
    for (const [at, budget] of asked.plan.budgets.entries()) {
      const { spent = 0, held = 0 } = hold.budgets[at] ?? {}
      this.#allowance.remember(budget, spent, held)
    }
    return { hold }
  }

  #admitLocally(lane: LedgerLane, request: HoldRequest): Admission {
    const now = this.#clock.now()
    const plan = lane.planner.plan(request, now)
    const taken = this.#allowance.take(request, plan, now)
    if ('what' in taken) return { refusal: taken }
    let open = true
    const settle = (outcome: Outcome): void => {
      if (!open) return
      open = false
      const cost = wholeNumber(outcome.cost)
      taken.settle(cost, wholeNumber(outcome.tokens))
      if (cost > 0 && plan.budgets.length > 0) lane.tell(chargeOnly(request.id, plan.budgets, cost))
    }
    return { hold: { budgets: taken.budgets, rates: taken.rates, degraded: true, settle } }
  }

  /** Nobody knows whether this admission was taken. It is given back as soon as it cannot arrive any more. */
  #doubt(asked: Asked): void {
    if (!asked.tracked) return
    this.#doubts.push({ at: this.#office.now(), lane: asked.lane, movement: asked.movement(0, 0, GIVE_BACK) })
  }

  #lane(tenant: string): LedgerLane {
    const known = this.#lanes.get(tenant)
    if (known !== undefined) return known
    const lane = new LedgerLane(new LedgerNames(tenant, this.#office.process), this.#office)
    this.#lanes.set(tenant, lane)
    return lane
  }

  async #tick(): Promise<void> {
    if (this.#ticking) return
    this.#ticking = true
    this.#giveBackDoubts()
    const lanes = this.#lanes.values()
    const work = async (): Promise<void> => {
      for (const lane of lanes) await lane.tick().catch(() => undefined) // the next tick tries again
    }
    await Promise.all(Array.from({ length: LANES_AT_ONCE }, work))
    this.#ticking = false
  }

  #giveBackDoubts(): void {
    const settled = this.#office.now() - DOUBT_MS
    const keep = this.#doubts.findIndex(({ at }) => at > settled)
    for (const { lane, movement } of this.#doubts.splice(0, keep < 0 ? this.#doubts.length : keep)) lane.tell(movement)
  }
}

/** The answer of admit.lua. Throws for anything else. */
function numbers(reply: unknown): number[] {
  if (!Buffer.isBuffer(reply)) throw new TypeError('admit.lua answered something else than numbers')
  const found: number[] = []
  for (let at = 0; at < reply.length; at += 8) found.push(reply.readDoubleLE(at))
  return found
}
