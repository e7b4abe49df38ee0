// A text as the detectors read it: spaces, dashes and digits of other scripts made plain, invisible characters taken out,
// and every position known in the original. Nearly all texts are their own view.

const UNUSUAL =
  /[\u00A0\u00AD\u2007\u2009\u200B-\u200D\u2010-\u2015\u202F\u2060\u2212\u3000\uFEFF\uFF0B\uFF0D\uFF0E\uFF10-\uFF19\uFF20]/
const EACH_UNUSUAL = new RegExp(`[\\u200B-\\u200D\\u2060\\uFEFF\\u00AD]+|${UNUSUAL.source}`, 'g')
/** More invisible characters in a row than this (fewer than a reader in pieces keeps) part what is around them. */
const MOST_INVISIBLE = 63
const BREAK = '\uFFFF'
const FULLWIDTH_SHIFT = 0xfee0

/** The plain character for an unusual one; '' when it is invisible. */
function plain(code: number): string {
  if (code === 0xa0 || code === 0x2007 || code === 0x2009 || code === 0x202f || code === 0x3000) return ' '
  if ((code >= 0x2010 && code <= 0x2015) || code === 0x2212) return '-'
  return code >= 0xff0b && code <= 0xff20 ? String.fromCharCode(code - FULLWIDTH_SHIFT) : ''
}

/** ASCII letters, digits and the underscore. */
export function isWord(code: number): boolean {
  return (code >= 48 && code <= 57) || (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || code === 95
}

/** ASCII digits. */
export function isDigit(code: number): boolean {
  return code >= 48 && code <= 57
}

/** Indexes of a view count its own characters; `start` and `end` give places in the original text. */
export class View {
  readonly text: string
  /** Length of the original. */
  readonly rawLength: number
  readonly #places: Uint32Array | undefined

  constructor(raw: string) {
    this.rawLength = raw.length
    if (!UNUSUAL.test(raw)) {
      this.text = raw
      this.#places = undefined
      return
    }
    const places = new Uint32Array(raw.length)
    let size = 0
    let from = 0
    const keep = (to: number) => {
      for (let i = from; i < to; i++) places[size++] = i
    }
    const text = raw.replaceAll(EACH_UNUSUAL, (found, at: number) => {
      const seen = found.length > MOST_INVISIBLE ? BREAK : plain(found.charCodeAt(0))
      keep(at + seen.length)
      from = at + found.length
      return seen
    })
    keep(raw.length)
    this.text = text
    this.#places = places.subarray(0, size)
  }

  /** Where the character stands in the original; behind the last one, the original's length. */
  start(index: number): number {
    return this.#places === undefined ? index : (this.#places[index] ?? this.rawLength)
  }

  /** Where what ends before `index` ends in the original. */
  end(index: number): number {
    return index === 0 ? 0 : this.start(index - 1) + 1
  }

  /** The first index that stands at or behind a place in the original. */
  index(place: number): number {
    if (this.#places === undefined) return Math.min(Math.max(place, 0), this.text.length)
    let low = 0
    let high = this.text.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.start(middle) < place) low = middle + 1
      else high = middle
    }
    return low
  }

  /** How many characters of the original [from, to) takes. */
  span(from: number, to: number): number {
    return this.end(to) - this.start(from)
  }

  /** True where a value may begin: no letter or digit directly before; the letter of an escape such as \n is none. */
  opens(index: number): boolean {
    if (index === 0 || this.#gap(index)) return true
    if (!isWord(this.text.charCodeAt(index - 1))) return true
    return index > 1 && this.text.charAt(index - 2) === '\\' && 'nrtbf'.includes(this.text.charAt(index - 1))
  }

  /** True where a value may end: no letter or digit directly behind. */
  closes(index: number): boolean {
    return index >= this.text.length || this.#gap(index) || !isWord(this.text.charCodeAt(index))
  }

  #gap(index: number): boolean {
    return this.start(index) > this.end(index)
  }
}
