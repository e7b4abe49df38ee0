// Keeps the first bytes of a body that passes, for the record's content.

/** At most `maxBytes`; what comes later is not held. */
export class Keep {
  readonly #maxBytes: number
  readonly #parts: Buffer[] = []
  #kept = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  add(bytes: Buffer): void {
    if (this.#kept >= this.#maxBytes) return
    const part = bytes.subarray(0, this.#maxBytes - this.#kept)
    this.#parts.push(part)
    this.#kept += part.length
  }

  /** Another body, cut to the same bound. */
  cut(bytes: Buffer): Buffer {
    return bytes.subarray(0, this.#maxBytes)
  }

  bytes(): Buffer {
    const [only] = this.#parts
    return this.#parts.length === 1 && only ? only : Buffer.concat(this.#parts, this.#kept)
  }
}
