// Single flight: equal whole calls that come while the first is on its way wait for it and share its answer.
import type { Entry } from './entry.ts'

/** Followers wait at most this long for the leader; then they go themselves. */
const MAX_WAIT_MS = 30_000

/** Ends a flight: with what may be shared, or with undefined. To be called exactly once. */
export type Land = (entry: Entry | undefined) => void

/** Flights of one process, by cache key. */
export class Flights {
  readonly #open = new Map<string, Promise<Entry | undefined>>()

  /** Takes the lead and gives how to land, or gives the flight that is open already. Decided in one step. */
  enter(key: string): { readonly land: Land } | { readonly flight: Promise<Entry | undefined> } {
    const open = this.#open.get(key)
    if (open) return { flight: open }
    const { promise, resolve } = Promise.withResolvers<Entry | undefined>()
    this.#open.set(key, promise)
    const land: Land = entry => {
      this.#open.delete(key)
      resolve(entry)
    }
    return { land }
  }
}

/** The answer of a flight, or undefined: it failed, gave nothing to share, took too long, or the follower left. */
export async function follow(flight: Promise<Entry | undefined>, signal: AbortSignal): Promise<Entry | undefined> {
  const { promise: gaveUp, resolve } = Promise.withResolvers<undefined>()
  const leave = (): void => resolve(undefined)
  const timer = setTimeout(leave, MAX_WAIT_MS)
  signal.addEventListener('abort', leave)
  try {
    return await Promise.race([flight, gaveUp])
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', leave)
  }
}
