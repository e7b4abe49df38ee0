// The store's clock as this process knows it: budgets and leases live by the store's time, not by this machine's.

/** Milliseconds since the epoch on a clock that never jumps. */
export function steadyNow(): number {
  return performance.timeOrigin + performance.now()
}

/** How far the two clocks may drift before the difference is learnt anew, milliseconds. */
const DRIFT_MS = 50

/** Starts with this machine's time and learns the difference from what the store answers. */
export class StoreClock {
  readonly #local: () => number
  #offset = 0

  constructor(local: () => number = steadyNow) {
    this.#local = local
  }

  /** What the store's clock should say now, epoch milliseconds. */
  now(): number {
    return this.#local() + this.#offset
  }

  /** The store answered just now, with its time `stored`, what was asked at `askedAt` by this clock. */
  heard(stored: number, askedAt: number): void {
    const now = this.now()
    if (stored < askedAt - DRIFT_MS || stored > now + DRIFT_MS) this.#offset += stored - (askedAt + now) / 2
  }

  /** The store said that our time is wrong: take over its own. */
  learn(stored: number): void {
    this.#offset = stored - this.#local()
  }
}
