// The reply leg of a stream: frames pass through a hold-back. By hand, since a generator that never started has no end.
import type { Frame } from '../../exchange/reply.ts'
import { HoldBack, type HoldBackTerms } from './hold-back.ts'

/** What a guarded stream tells: `over` is called once, when all was judged that ever will be. */
export interface GuardedStreamTerms extends HoldBackTerms {
  over(): void
  /** What its source throws, as it may reach the caller. */
  words(error: unknown): unknown
}

/**
 * Rejects with a `policy_blocked` Refusal where something is to be blocked: what left before it stays, nothing else leaves,
 * and the source is left. What its source throws comes after what still waited. `return()` reaches the source once.
 */
export class GuardedStream implements AsyncIterator<Frame, undefined> {
  readonly #source: AsyncIterator<Frame, undefined>
  readonly #terms: GuardedStreamTerms
  readonly #holdBack: HoldBack
  /** What `next` ends with once what waited has left. */
  #end: { readonly error?: Error } | undefined
  #over = false
  #left = false

  constructor(source: AsyncIterator<Frame, undefined>, terms: GuardedStreamTerms) {
    this.#source = source
    this.#terms = terms
    this.#holdBack = new HoldBack(terms)
  }

  async next(): Promise<IteratorResult<Frame, undefined>> {
    while (!this.#end) {
      const frame = await this.#pull()
      if (frame) return { done: false, value: frame }
    }
    const { error } = this.#end
    this.#end = {}
    if (error) throw error
    return { done: true, value: undefined }
  }

  async return(): Promise<IteratorResult<Frame, undefined>> {
    this.#end = {}
    this.#tell()
    await this.#leave()
    return { done: true, value: undefined }
  }

  /** Frames that may leave, out of the next that comes; sets `#end` when none come any more. */
  async #pull(): Promise<Frame | undefined> {
    let result: IteratorResult<Frame, undefined>
    try {
      result = await this.#source.next()
    } catch (error) {
      this.#end = { error: errorOf(this.#terms.words(error)) }
      return this.#judge(() => this.#holdBack.finish())
    }
    if (this.#end) return undefined // left meanwhile
    if (result.done !== true) {
      const { value } = result
      return this.#judge(() => this.#holdBack.push(value))
    }
    this.#end = {}
    return this.#judge(() => this.#holdBack.finish())
  }

  async #judge(judge: () => Frame | undefined): Promise<Frame | undefined> {
    try {
      const frame = judge()
      if (this.#end) this.#tell()
      return frame
    } catch (error) {
      this.#end = { error: errorOf(error) }
      this.#tell()
      await this.#leave()
      return undefined
    }
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

function errorOf(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error('something was thrown that is no error', { cause: thrown })
}
