// Chunks on their way to one buffer. However small they come, what each costs beside its bytes stays small.

/** Chunks are looked at in groups of this many. */
const GROUP = 1_024
/** A group with fewer bytes is joined at once: a Buffer costs a hundred bytes beside its own. */
const SMALL_GROUP_BYTES = 1024 * 1024

/** Collects chunks in their order. */
export class Pieces {
  #parts: Buffer[] = []
  #bytes = 0
  #grouped = 0
  #groupedBytes = 0

  /** Bytes collected so far. */
  get bytes(): number {
    return this.#bytes
  }

  add(part: Buffer): void {
    this.#parts.push(part)
    this.#bytes += part.length
    if (this.#parts.length - this.#grouped >= GROUP) this.#group()
  }

  /** All of it in one buffer, without copying when it came in one. */
  all(): Buffer {
    const [first] = this.#parts
    return this.#parts.length === 1 && first ? first : Buffer.concat(this.#parts, this.#bytes)
  }

  /** Lets go of everything, to begin anew. */
  clear(): void {
    this.#parts = []
    this.#bytes = this.#grouped = this.#groupedBytes = 0
  }

  #group(): void {
    if (this.#bytes - this.#groupedBytes < SMALL_GROUP_BYTES) {
      this.#parts.push(Buffer.concat(this.#parts.splice(this.#grouped)))
    }
    this.#grouped = this.#parts.length
    this.#groupedBytes = this.#bytes
  }
}
