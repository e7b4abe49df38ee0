// What a translation cannot carry: named to the caller, or refused when the request would mean something else without it.
import type { Refusal } from '../../exchange/refusal.ts'
import { wrong } from './request-members.ts'

/** Collects the names of what is left out (L08). */
export class Losses {
  readonly #names: Set<string>

  constructor(names: readonly string[] = []) {
    this.#names = new Set(names)
  }

  /** Names something; twice is once. */
  add(name: string): void {
    this.#names.add(name)
  }

  /** In the order in which they were met. */
  list(): readonly string[] {
    return [...this.#names]
  }
}

/** A refusal of what may not be lost: `param` is the caller's own name for it. */
export function untranslatable(param: string, why: string): Refusal {
  return wrong(param, `${why}; leave it out, or ask for a model whose provider speaks the format of this request`)
}
