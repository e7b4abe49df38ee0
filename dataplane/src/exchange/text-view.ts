// A text as those read it who look for things in it, and the way back to where it really stands. Texts may come in pieces.
// Of a JSON text the view has the escapes undone and numbers written out, so that nothing hides behind its spelling.
import { plainNumber } from './json-texts.ts'

/** A part of the raw text to be replaced: offsets count from the beginning of the channel. */
export interface Cut {
  readonly start: number
  readonly end: number
  readonly text: string
}

/** A running text, read from the left; what was looked at can be dropped. Indexes are those of `text`. */
export interface TextView {
  readonly text: string
  /** Raw units that came and do not show in `text` yet. */
  readonly pending: number
  push(raw: string): void
  /** Nothing more comes: what came half counts as it stands. */
  end(): void
  /** More comes, but nobody waits for it: what came half is shown, and a number is no longer replaced whole. */
  spill(): void
  /** Raw offset in front of the unit at `index`. */
  rawAt(index: number): number
  /** The first index behind everything that stands before the raw offset. */
  indexAt(raw: number): number
  /** `index`, or the beginning (end) of the unit in whose middle it is: a number is replaced whole. */
  floor(index: number): number
  ceil(index: number): number
  /** Cuts that put `[NAME]` in place of [start, end): more than one when structure stands between. */
  cuts(start: number, end: number, name: string): readonly Cut[]
  drop(count: number): void
}

/** A view of a text in the given form. */
export function viewOf(form: 'string' | 'json'): TextView {
  return form === 'json' ? new JsonView() : new PlainView()
}

/** The raw text with cuts made; those that begin before it only take. `at`: the raw offset of its beginning. */
export function cutText(raw: string, at: number, cuts: readonly Cut[]): string {
  let out = ''
  let from = at
  const end = at + raw.length
  for (const cut of cuts) {
    if (cut.end <= from || cut.start >= end) continue
    if (cut.start >= from) out += raw.slice(from - at, cut.start - at) + cut.text
    from = Math.min(cut.end, end)
  }
  return out + raw.slice(from - at)
}

class PlainView implements TextView {
  text = ''
  readonly pending = 0
  #base = 0

  push(raw: string): void {
    this.text += raw
  }

  end(): void {}

  spill(): void {}

  rawAt(index: number): number {
    return this.#base + index
  }

  indexAt(raw: number): number {
    return raw - this.#base
  }

  floor(index: number): number {
    return index
  }

  ceil(index: number): number {
    return index
  }

  cuts(start: number, end: number, name: string): readonly Cut[] {
    return [{ start: this.#base + start, end: this.#base + end, text: `[${name}]` }]
  }

  drop(count: number): void {
    this.text = this.text.slice(count)
    this.#base += count
  }
}

/** What a unit of a JSON text is; in a `tail` (of a number that was not kept together) digits become 1. */
type Kind = 'structure' | 'string' | 'number' | 'tail'

/** Longer numbers are not kept together. */
const MAX_NUMBER = 64
const STRUCTURE = /[\s"[\]{},:]/
const NUMBER_PART = /[-+.\deE]/
const ESCAPES: Readonly<Record<string, string>> = {
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  '"': '"',
  '\\': '\\',
  '/': '/',
}

class JsonView implements TextView {
  text = ''
  /** Per unit of `text`: where it stands and what it is. All units of a number stand where the number does. */
  #from: number[] = []
  #to: number[] = []
  #kinds: Kind[] = []
  #half = ''
  #state: 'structure' | 'string' | 'number' | 'tail' = 'structure'
  /** Raw offset behind everything in `text`. */
  #at = 0

  get pending(): number {
    return this.#half.length
  }

  push(raw: string): void {
    for (let at = 0; at < raw.length; at++) this.#unit(raw.charAt(at))
  }

  end(): void {
    if (this.#state === 'number') {
      this.#endNumber()
      this.#state = 'structure'
    } else this.spill()
  }

  spill(): void {
    const half = this.#half
    this.#half = ''
    if (this.#state === 'number') {
      this.#each(half, 'tail')
      this.#state = 'tail'
    } else if (half !== '') this.#each(half, 'string')
  }

  rawAt(index: number): number {
    return this.#from[index] ?? this.#at
  }

  indexAt(raw: number): number {
    let low = 0
    let high = this.#to.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#to[middle] ?? 0) <= raw) low = middle + 1
      else high = middle
    }
    return this.rawAt(low) < raw ? this.ceil(low + 1) : low
  }

  floor(index: number): number {
    let at = index
    while (at > 0 && at < this.#from.length && this.#from[at] === this.#from[at - 1]) at--
    return at
  }

  ceil(index: number): number {
    let at = index
    while (at > 0 && at < this.#from.length && this.#from[at] === this.#from[at - 1]) at++
    return at
  }

  cuts(start: number, end: number, name: string): readonly Cut[] {
    const cuts: Cut[] = []
    for (let at = start; at < end; at++) {
      const kind = this.#kinds[at]
      if (kind === undefined || kind === 'structure') continue
      const unit = { start: this.rawAt(at), end: this.#to[at] ?? this.#at }
      const last = cuts.at(-1)
      if (kind === 'tail') cuts.push({ ...unit, text: /\d/.test(this.text[at] ?? '') ? '1' : (this.text[at] ?? '') })
      else if (last && last.start === unit.start) continue
      else if (last && kind === 'string' && last.end === unit.start) cuts[cuts.length - 1] = { ...last, end: unit.end }
      else cuts.push({ ...unit, text: kind === 'number' ? `"[${name}]"` : `[${name}]` })
    }
    return cuts
  }

  drop(count: number): void {
    this.text = this.text.slice(count)
    this.#from = this.#from.slice(count)
    this.#to = this.#to.slice(count)
    this.#kinds = this.#kinds.slice(count)
  }

  #unit(unit: string): void {
    if (this.#state === 'string') return this.#inString(unit)
    if (NUMBER_PART.test(unit) && (this.#state !== 'structure' || /[-\d]/.test(unit))) return this.#inNumber(unit)
    if (this.#state === 'number') this.#endNumber()
    this.#state = unit === '"' ? 'string' : 'structure'
    // Words outside of strings are no JSON; nothing to keep valid then, and nothing may hide there.
    this.#add(unit, 1, STRUCTURE.test(unit) ? 'structure' : 'string')
  }

  #inString(unit: string): void {
    if (this.#half === '' && unit !== '\\') {
      if (unit === '"') this.#state = 'structure'
      this.#add(unit, 1, unit === '"' ? 'structure' : 'string')
      return
    }
    this.#half += unit
    if (this.#half.length === 1 || (this.#half[1] === 'u' && this.#half.length < 6)) return
    const escape = this.#half
    this.#half = ''
    const code = /^\\u[\da-fA-F]{4}$/.test(escape)
      ? String.fromCharCode(Number.parseInt(escape.slice(2), 16))
      : undefined
    const text = code ?? ESCAPES[escape[1] ?? '']
    if (text === undefined) this.#each(escape, 'string')
    else this.#add(text, escape.length, 'string')
  }

  #inNumber(unit: string): void {
    if (this.#state === 'tail') return this.#add(unit, 1, 'tail')
    this.#state = 'number'
    this.#half += unit
    if (this.#half.length > MAX_NUMBER) this.spill()
  }

  #endNumber(): void {
    const raw = this.#half
    this.#half = ''
    this.#add(plainNumber(raw), raw.length, 'number')
  }

  #each(raw: string, kind: Kind): void {
    for (let at = 0; at < raw.length; at++) this.#add(raw.charAt(at), 1, kind)
  }

  /** `text` stands on the next `width` raw units. */
  #add(text: string, width: number, kind: Kind): void {
    this.text += text
    for (let at = 0; at < text.length; at++) {
      this.#from.push(this.#at)
      this.#to.push(this.#at + width)
      this.#kinds.push(kind)
    }
    this.#at += width
  }
}
