// The reply leg of a whole answer: read to its end, judged, and passed on; by the reader's first `next`, so that whoever
// stands outside sees the answer used (and paid for) even when it is blocked.
import type { Dialect } from '../../exchange/dialect.ts'
import { splice } from '../../exchange/json-texts.ts'
import type { Frame } from '../../exchange/reply.ts'
import type { Watch } from './guards.ts'
import { judgeSlots } from './slots.ts'
import type { Tally } from './tally.ts'

/** What a whole reply is judged with; `over` is called once. */
export interface GuardedWholeTerms {
  readonly dialect: Pick<Dialect, 'textsOfReply'>
  readonly watch: Watch
  readonly tally: Tally
  over(): void
  /** What its source throws, as it may reach the caller. */
  words(error: unknown): unknown
}

/** One frame, the very one that came when nothing was changed; or a `policy_blocked` Refusal. */
export class GuardedWhole implements AsyncIterator<Frame, undefined> {
  readonly #source: AsyncIterator<Frame, undefined>
  readonly #terms: GuardedWholeTerms
  #begun = false
  #over = false
  #left = false

  constructor(source: AsyncIterator<Frame, undefined>, terms: GuardedWholeTerms) {
    this.#source = source
    this.#terms = terms
  }

  async next(): Promise<IteratorResult<Frame, undefined>> {
    if (this.#begun) return { done: true, value: undefined }
    this.#begun = true
    try {
      const frame = this.#judge(await this.#read())
      this.#tell()
      return frame ? { done: false, value: frame } : { done: true, value: undefined }
    } catch (error) {
      this.#tell()
      await this.#leave()
      throw this.#terms.words(error)
    }
  }

  async return(): Promise<IteratorResult<Frame, undefined>> {
    this.#begun = true
    this.#tell()
    await this.#leave()
    return { done: true, value: undefined }
  }

  async #read(): Promise<readonly Frame[]> {
    const frames: Frame[] = []
    for (;;) {
      const result = await this.#source.next()
      if (result.done === true) return frames
      frames.push(result.value)
    }
  }

  #judge(frames: readonly Frame[]): Frame | undefined {
    const [first] = frames
    if (!first) return undefined
    const frame = frames.length === 1 ? first : { bytes: Buffer.concat(frames.map(({ bytes }) => bytes)) }
    const { dialect, watch, tally } = this.#terms
    const body = frame.bytes.toString('utf8')
    const replacements = judgeSlots(dialect.textsOfReply(body), watch, tally)
    if (tally.blocked) throw tally.refusal()
    return replacements.length === 0 ? frame : { bytes: Buffer.from(splice(body, replacements)) }
  }

  #tell(): void {
    if (this.#over) return
    this.#over = true
    this.#terms.over()
  }

  async #leave(): Promise<void> {
    if (this.#left) return
    this.#left = true
    await this.#source.return?.()
  }
}
