// Lets long work on the event loop breathe: calls in flight must not wait for a configuration change.

/** Time and the way to step aside; injected by tests. */
export interface PacerClock {
  /** Milliseconds; only differences matter. */
  now(): number
  /** Resolves in a later macrotask. */
  pause(): Promise<void>
}

/** The real clock and setImmediate. */
export const systemPacerClock: PacerClock = {
  now: () => performance.now(),
  pause: () => new Promise(resolve => setImmediate(resolve)),
}

/** Longest stretch of synchronous work, in milliseconds. */
export const PACER_STRETCH_MS = 2

/** Says when the stretch is used up. Ask `due()` after each piece of work; when true, await `pause()`. */
export class Pacer {
  readonly #clock: PacerClock
  #since: number

  constructor(clock: PacerClock = systemPacerClock) {
    this.#clock = clock
    this.#since = clock.now()
  }

  due(): boolean {
    return this.#clock.now() - this.#since >= PACER_STRETCH_MS
  }

  async pause(): Promise<void> {
    await this.#clock.pause()
    this.#since = this.#clock.now()
  }
}
