// Entries that the store has and its replicas perhaps not: in the order in which the store took them, counted in bytes.

/** Says when what the store has is on a replica too. */
export interface Coverage {
  /** False: the store's word is enough. */
  needed(): boolean
  /** The number under which all that the store has by now will be covered; they only grow. */
  next(): number
}

interface Batch<Place> {
  readonly places: readonly Place[]
  readonly number: number
  readonly bytes: number
}

/** See the file's head. Has no bound of its own: whoever adds looks at `size` and `bytes`, and takes the oldest. */
export class Uncovered<Place extends { readonly entry: { readonly bytes: number } }> {
  #batches: Batch<Place>[] = []
  #size = 0
  #bytes = 0

  get size(): number {
    return this.#size
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Places that will be covered under this number. */
  add(places: readonly Place[], number: number): void {
    const bytes = places.reduce((sum, { entry }) => sum + entry.bytes, 0)
    this.#batches.push({ places, number, bytes })
    this.#size += places.length
    this.#bytes += bytes
  }

  /** Those covered under this number or an earlier one. */
  takeUpTo(number: number): Place[] {
    const first = this.#batches.findIndex(batch => batch.number > number)
    return this.#take(first === -1 ? this.#batches.length : first)
  }

  /** Those of the oldest write. */
  takeOldest(): Place[] {
    return this.#take(1)
  }

  takeAll(): Place[] {
    return this.#take(this.#batches.length)
  }

  #take(count: number): Place[] {
    const taken = this.#batches.splice(0, count)
    for (const { places, bytes } of taken) {
      this.#size -= places.length
      this.#bytes -= bytes
    }
    return taken.flatMap(({ places }) => places)
  }
}
