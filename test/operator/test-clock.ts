// A clock that stands still until a test moves it.
import type { Clock } from '../../operator/src/api/clock.ts'

interface Sleeper {
  readonly until: number
  readonly wake: () => void
}

export class TestClock implements Clock {
  /** Milliseconds of every sleep that was ever asked for, in order. */
  readonly slept: number[] = []
  readonly #sleepers = new Set<Sleeper>()
  #now = 1_000_000

  now(): number {
    return this.#now
  }

  date(): number {
    return Date.UTC(2026, 0, 1) + this.#now
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve()
    this.slept.push(ms)
    return new Promise(resolve => {
      const sleeper = {
        until: this.#now + ms,
        wake: () => {
          this.#sleepers.delete(sleeper)
          resolve()
        },
      }
      this.#sleepers.add(sleeper)
      signal?.addEventListener('abort', sleeper.wake, { once: true })
    })
  }

  /** How many sleep now. */
  get sleeping(): number {
    return this.#sleepers.size
  }

  /** Moves time, waking whoever is due, in order; who wakes may sleep again within the same move. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    await new Promise(resolve => setImmediate(resolve)) // whoever is about to sleep begins now
    for (;;) {
      const due = [...this.#sleepers].filter(({ until }) => until <= end).sort((a, b) => a.until - b.until)[0]
      if (!due) break
      this.#now = Math.max(this.#now, due.until)
      due.wake()
      await new Promise(resolve => setImmediate(resolve))
    }
    this.#now = end
  }
}
