// route: tries the targets of the call in their order, each as often as its chain says, until one answers; the first
// event commits. Bounded in upstream calls and in time.
import { asRefusal, Refusal } from '../../exchange/refusal.ts'
import type { Reply } from '../../exchange/reply.ts'
import type { Admitted, Handler, Routed, Stage } from '../../exchange/stage.ts'
import type { Target } from '../../exchange/target.ts'
import type { Gateway } from '../../ports/gateway.ts'
import { Breakers } from './breakers.ts'
import { pauseBefore } from './retry.ts'

/** R01, R04. When nobody answers, the caller gets the last refusal of a provider. */
export function route(gateway: Gateway): Stage<Admitted, Routed> {
  const breakers = new Breakers(() => gateway.now())
  return next => exchange => new Journey(gateway, breakers, exchange, next).answer()
}

/** The attempts of one call. */
class Journey {
  readonly #gateway: Gateway
  readonly #breakers: Breakers
  readonly #exchange: Admitted
  readonly #next: Handler<Routed>
  /** `performance.now()` when it has to be over; Infinity when nothing bounds it. */
  readonly #deadline: number
  #attemptsLeft: number
  #last: Refusal | undefined

  constructor(gateway: Gateway, breakers: Breakers, exchange: Admitted, next: Handler<Routed>) {
    this.#gateway = gateway
    this.#breakers = breakers
    this.#exchange = exchange
    this.#next = next
    const { maxAttempts, maxTotalDuration } = exchange.rights.bounds
    this.#attemptsLeft = maxAttempts
    this.#deadline = maxTotalDuration === undefined ? Infinity : performance.now() + maxTotalDuration
  }

  async answer(): Promise<Reply> {
    for (const target of this.#exchange.rights.targets) {
      const reply = await this.#askOften(target)
      if (reply) return reply
      if (this.#isOver()) break
    }
    throw this.#last ?? new Refusal('model_not_found', 'No target is left for this model.')
  }

  /** The answer of one target, or undefined when it is given up. */
  async #askOften(target: Target): Promise<Reply | undefined> {
    const breaker = this.#breakers.of(this.#exchange.presented.tenant.item.name, target)
    const restMs = breaker?.restMs() ?? 0
    if (restMs > 0) {
      this.#skip(target, restMs)
      return undefined
    }
    for (let repeated = 0; !this.#isOver(); repeated++) {
      const outcome = await this.#ask(target)
      breaker?.heard(outcome instanceof Refusal ? outcome : undefined)
      if (!(outcome instanceof Refusal)) return outcome
      const pauseMs = pauseBefore(outcome, target.terms.retry, repeated, () => this.#gateway.random())
      if (pauseMs === undefined || this.#attemptsLeft === 0 || !this.#hasTimeFor(pauseMs)) return undefined
      if ((breaker?.restMs() ?? 0) > 0) return undefined
      await this.#gateway.pause(pauseMs, this.#exchange.signal)
      this.#leaveWhenGone(outcome)
    }
    return undefined
  }

  /** One upstream call. Throws what no other target could mend. */
  async #ask(target: Target): Promise<Reply | Refusal> {
    this.#attemptsLeft--
    const startedAt = performance.now()
    try {
      const reply = await this.#next({ ...this.#exchange, target, timeoutMs: this.#timeoutOf(target) })
      this.#note(target, startedAt, { status: reply.status, error: undefined })
      return { ...reply, servedBy: target }
    } catch (error) {
      const refusal = asRefusal(error)
      this.#last = refusal
      this.#note(target, startedAt, { status: refusal.detail.upstreamStatus ?? refusal.status, error: refusal.reason })
      if (!refusal.reason.startsWith('upstream_')) throw refusal
      this.#leaveWhenGone(refusal)
      return refusal
    }
  }

  #leaveWhenGone(refusal: Refusal): void {
    if (!this.#exchange.signal.aborted) return
    throw refusal.reason === 'client_gone'
      ? refusal
      : new Refusal('client_gone', 'The caller went away before the answer was complete.', { cause: refusal })
  }

  #timeoutOf({ terms }: Target): number | undefined {
    const left = this.#deadline - performance.now()
    if (left === Infinity) return terms.timeout
    return Math.max(1, Math.min(left, terms.timeout ?? Infinity))
  }

  #isOver(): boolean {
    return this.#attemptsLeft === 0 || !this.#hasTimeFor(0)
  }

  #hasTimeFor(ms: number): boolean {
    return performance.now() + ms < this.#deadline
  }

  /** A target that is left alone costs no upstream call, and stands in the log all the same. */
  #skip(target: Target, restMs: number): void {
    const retryAfter = Math.ceil(restMs / 1_000)
    const message = `The provider "${target.provider}" failed too often; it is left alone for ${retryAfter} s more.`
    this.#last ??= new Refusal('upstream_unreachable', message, { provider: target.provider, retryAfter })
    this.#note(target, performance.now(), { status: 0, error: 'breaker_open' })
  }

  #note(target: Target, startedAt: number, end: { status: number; error: string | undefined }): void {
    this.#exchange.trace.push({
      kind: 'attempted',
      target: target.name,
      provider: target.preset,
      model: target.model,
      status: end.status,
      durationMs: performance.now() - startedAt,
      error: end.error,
    })
  }
}
