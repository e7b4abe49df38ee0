import { vi } from 'vitest'

/** Tries `check` until it throws no more and gives what it gave: for as long as a busy machine may stand still. */
export function waitFor<T>(check: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(check, { timeout: 15_000 })
}
