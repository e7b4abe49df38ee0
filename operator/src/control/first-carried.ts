// Since which version each item has been in force as it is now. A new generation for every object of a busy minute must
// not move what their statuses wait for.
import type { Plan } from './loop.ts'

interface Version {
  readonly epoch: number
  readonly generation: number
}

/** Remembers it by `placeName`; its memory is bounded by what is in force. */
export class FirstCarried {
  #inForce: Plan['outcome']['inForce'] | undefined
  #known = new Map<string, { readonly digest: string; readonly version: Version }>()

  /** Takes notice of a new plan. */
  planned({ outcome: { inForce, version } }: Plan): void {
    // The same again is in force since the same.
    if (version === undefined || inForce === this.#inForce) return
    this.#inForce = inForce
    const known = new Map<string, { readonly digest: string; readonly version: Version }>()
    for (const [name, digest] of inForce) {
      const before = this.#known.get(name)
      known.set(name, before?.digest === digest ? before : { digest, version })
    }
    this.#known = known
  }

  /** The version; undefined for what is not in force. */
  of(name: string): Version | undefined {
    return this.#known.get(name)?.version
  }
}
