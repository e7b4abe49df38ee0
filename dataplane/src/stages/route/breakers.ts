// Breakers: a target that failed several times in a row is left alone for a while, then tried by one call first. What one
// process saw; others find out for themselves.
import type { Refusal } from '../../exchange/refusal.ts'
import type { Target } from '../../exchange/target.ts'

/** Targets remembered; configuration bounds them, changes of it add some. */
const MAX_BREAKERS = 10_000

/** The breakers of one process, by tenant, provider and model. */
export class Breakers {
  readonly #now: () => number
  readonly #known = new Map<string, Breaker>()

  /** `now` in epoch milliseconds. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** The target's breaker; undefined for a target without one (outside a chain). */
  of(tenant: string, { provider, model, terms }: Target): Breaker | undefined {
    if (!terms.breaker) return undefined
    const name = `${tenant}\n${provider}\n${model}`
    const known = this.#known.get(name)
    if (known?.terms === terms.breaker) return known
    if (this.#known.size >= MAX_BREAKERS) this.#known.clear()
    const breaker = new Breaker(terms.breaker, this.#now)
    this.#known.set(name, breaker)
    return breaker
  }
}

/** See ChainItem for `failures` and `openFor` (milliseconds). */
export class Breaker {
  readonly terms: NonNullable<Target['terms']['breaker']>
  readonly #now: () => number
  #failures = 0
  #openUntil = 0

  constructor(terms: Breaker['terms'], now: () => number) {
    this.terms = terms
    this.#now = now
  }

  /**
   * Milliseconds for which the target is left alone; 0 when it may be asked. When the time is over one call is let
   * through, and the others wait for what it hears, at most `openFor` longer.
   */
  restMs(): number {
    if (this.#openUntil === 0) return 0
    const rest = this.#openUntil - this.#now()
    if (rest > 0) return rest
    this.#openUntil = this.#now() + this.terms.openFor
    return 0
  }

  /** What an attempt came to: undefined for an answer. A refusal of the request itself says nothing of the target. */
  heard(refusal: Refusal | undefined): void {
    if (refusal === undefined || refusal.reason === 'upstream_rejected') {
      this.#failures = 0
      this.#openUntil = 0
      return
    }
    if (refusal.detail.retryCause === 'HTTP429') return // busy, not broken
    this.#failures++
    if (this.#failures >= this.terms.failures) this.#openUntil = this.#now() + this.terms.openFor
  }
}
