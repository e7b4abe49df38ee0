// Token counting by gpt-tokenizer (o200k), loaded after the server listens: 0.3 s and 76 MB that no call should wait for.
import type { Tokens } from '../ports/tokens.ts'

/** Byte-pair encoding is quadratic on runs without breaks: 100,000 times "a" takes 9 s. Longer runs are cut at this length. */
const MAX_RUN = 1_000
/** Beyond this many characters the rest is estimated from the part that was counted. */
const MAX_COUNTED = 200_000
const CHARACTERS_PER_TOKEN = 4

const LONG_RUN = new RegExp(`\\S{${MAX_RUN}}`, 'g')

/** Estimates by length until the encoding is loaded. */
export class LazyTokens implements Tokens {
  #encode: ((text: string) => number) | undefined

  /** Loads the encoding; call once, when there is time. */
  async load(): Promise<void> {
    const { countTokens } = await import('gpt-tokenizer/encoding/o200k_base')
    this.#encode = text => countTokens(text)
  }

  count(text: string): number {
    if (text === '') return 0
    if (!this.#encode) return Math.ceil(text.length / CHARACTERS_PER_TOKEN)
    const part = text.slice(0, MAX_COUNTED).replace(LONG_RUN, '$& ')
    const counted = this.#encode(part)
    return text.length <= MAX_COUNTED ? counted : Math.ceil((counted * text.length) / MAX_COUNTED)
  }
}
