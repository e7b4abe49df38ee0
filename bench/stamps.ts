// Reads a stream of stamped chunks (`<seq>@<monotonic ns>`, see mock.ts) whatever JSON they are wrapped in, and counts
// what is missing, doubled or out of order.

/** Counts over streams: pieces seen, and what was wrong with them; streams without usage and without [DONE]. */
export type StampCounts = {
  chunks: number
  lost: number
  doubled: number
  outOfOrder: number
  noUsage: number
  noDone: number
}

const STAMP = /(\d+)@(\d+)/g

/** Reads one stream of `expected` pieces and adds what it finds to `counts`, which many streams may share. */
export class StampReader {
  #expected: number
  #counts: StampCounts
  #seen: Uint8Array
  #distinct = 0
  #highest = -1
  #rest = ''
  #token: string
  #own = false
  #usage = false
  #done = false

  /** `token` is what the reply to this very prompt must carry. */
  constructor(expected: number, token: string, counts: StampCounts) {
    this.#token = token
    this.#expected = expected
    this.#counts = counts
    this.#seen = new Uint8Array(expected)
  }

  /** Takes body bytes split anywhere; `arrived` hears the transit time in ms of each new piece. Returns how many. */
  read(bytes: Buffer, arrived: (transitMs: number) => void): number {
    const now = Number(process.hrtime.bigint())
    const text = this.#rest + bytes.toString('latin1')
    const end = text.lastIndexOf('\n') + 1
    this.#rest = text.slice(end)
    const lines = text.slice(0, end)
    let fresh = 0
    for (const [, seq, stamp] of lines.matchAll(STAMP)) {
      if (!this.#note(Number(seq))) continue
      fresh++
      arrived((now - Number(stamp)) / 1e6)
    }
    this.#own ||= lines.includes(this.#token)
    if (fresh === 0 || this.#distinct === this.#expected) this.#markers(lines)
    return fresh
  }

  /** Why this stream is not whole, or undefined. */
  fault(): string | undefined {
    if (this.#distinct < this.#expected) return 'stream ended with chunks missing'
    if (!this.#own) return 'the reply to another prompt'
    if (!this.#usage) return 'no usage'
    return this.#done ? undefined : 'no [DONE]'
  }

  /** The stream is over: counts what it lacks. */
  close(): void {
    this.#counts.lost += this.#expected - this.#distinct
    if (!this.#usage) this.#counts.noUsage++
    if (!this.#done) this.#counts.noDone++
  }

  #note(seq: number): boolean {
    if (seq >= this.#expected) return false
    if (this.#seen[seq] === 1) {
      this.#counts.doubled++
      return false
    }
    if (seq < this.#highest) this.#counts.outOfOrder++
    this.#highest = Math.max(this.#highest, seq)
    this.#seen[seq] = 1
    this.#distinct++
    this.#counts.chunks++
    return true
  }

  #markers(lines: string): void {
    if (lines.includes('"completion_tokens":')) this.#usage = true
    if (lines.includes('[DONE]')) this.#done = true
  }
}
