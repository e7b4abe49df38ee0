// Single flight: equal whole calls that come while the first is on its way wait for it and share its answer.
import type { Entry } from './entry.ts'

/** Followers wait at most this long for the leader; then they go themselves. */
const MAX_WAIT_MS = 30_000

/** A call that leads. `land` is to be called once, with what may be shared or undefined; then `close`, once, too. */
export interface Lead {
  land(entry: Entry | undefined): void
  /** The answer is in memory, or there is none: equal calls are not told of this flight any more. */
  close(): void
}

/** A flight of somebody else: its answer if it has landed, else when it does. */
export interface Flight {
  readonly landed: Entry | undefined
  readonly landing: Promise<Entry | undefined>
}

/** Flights of one process, by cache key. */
export class Flights {
  readonly #open = new Map<string, Flight>()

  /** Takes the lead, or gives the flight that is open already. Decided in one step. */
  enter(key: string): { readonly lead: Lead } | { readonly flight: Flight } {
    const open = this.#open.get(key)
    if (open) return { flight: open }
    const { promise, resolve } = Promise.withResolvers<Entry | undefined>()
    const flight: { landed: Entry | undefined; readonly landing: Promise<Entry | undefined> } = {
      landed: undefined,
      landing: promise,
    }
    this.#open.set(key, flight)
    const lead: Lead = {
      land(entry) {
        flight.landed = entry
        resolve(entry)
      },
      close: () => void this.#open.delete(key),
    }
    return { lead }
  }
}

/** The answer of a flight, or undefined: it failed, gave nothing to share, took too long, or the follower left. */
export async function follow({ landing }: Flight, signal: AbortSignal): Promise<Entry | undefined> {
  const { promise: gaveUp, resolve } = Promise.withResolvers<undefined>()
  const leave = (): void => resolve(undefined)
  const timer = setTimeout(leave, MAX_WAIT_MS)
  signal.addEventListener('abort', leave)
  try {
    return await Promise.race([landing, gaveUp])
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', leave)
  }
}
