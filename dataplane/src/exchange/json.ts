// A JSON body, read once and strictly: what two parsers could read differently is refused, and the places of the
// top-level members are kept, so that one member can be changed without writing the rest again.
import { isUtf8 } from 'node:buffer'
import { Refusal } from './refusal.ts'

/** Any parsed JSON object. */
export type JsonObject = { readonly [name: string]: unknown }

/** Where a top-level member's value stands in the text: [start, end). */
interface Span {
  readonly start: number
  readonly end: number
}

/** A body that is one JSON object. `members` gives the place of each top-level value in `text`. */
export interface JsonBody {
  readonly bytes: Buffer
  readonly text: string
  readonly value: JsonObject
  readonly members: ReadonlyMap<string, Span>
}

/** Nesting beyond this is refused: no model API needs it, and recursive readers downstream would overflow. */
export const MAX_DEPTH = 128

/** More values than this are refused: a body of nothing but values holds up every other call for seconds. */
export const MAX_VALUES = 500_000

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const COMMA = 0x2c
const LONE_SURROGATE = /\\u[dD][89a-fA-F]/

/** Reads a body as one JSON object. Throws a `body_invalid` Refusal that says what is wrong and where. */
export function readJson(bytes: Buffer): JsonBody {
  if (bytes.length === 0) throw invalid('The request body is empty; send a JSON object.')
  if (!isUtf8(bytes)) throw invalid('The request body is not valid UTF-8; encode the JSON as UTF-8.')
  const text = bytes.toString('utf8')
  // Before the parser: what is too deep would cost it a hundred times its length.
  const members = new Scanner(text).scan()
  const value = parse(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid('The request body must be a JSON object.')
  }
  if (LONE_SURROGATE.test(text)) refuseLoneSurrogates(value, '')
  return { bytes, text, value: value as JsonObject, members }
}

/** The body with top-level members replaced or added (raw JSON text by name); everything else stays byte for byte. */
export function withMembers(body: JsonBody, changes: ReadonlyMap<string, string>): Buffer {
  if (changes.size === 0) return body.bytes
  const cuts: { start: number; end: number; text: string }[] = []
  let added = ''
  for (const [name, json] of changes) {
    const span = body.members.get(name)
    if (span) cuts.push({ start: span.start, end: span.end, text: json })
    else added += `,${JSON.stringify(name)}:${json}`
  }
  cuts.sort((a, b) => a.start - b.start)
  let out = ''
  let from = 0
  for (const cut of cuts) {
    out += body.text.slice(from, cut.start) + cut.text
    from = cut.end
  }
  const close = body.text.lastIndexOf('}')
  out += body.text.slice(from, close) + (body.members.size === 0 ? added.slice(1) : added) + body.text.slice(close)
  return Buffer.from(out)
}

/** The raw text of a top-level member, or undefined. */
export function rawMember(body: JsonBody, name: string): string | undefined {
  const span = body.members.get(name)
  return span && body.text.slice(span.start, span.end)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/, ".*$/s, '').slice(0, 120) : 'unreadable'
    throw invalid(`The request body is not JSON: ${reason}.`)
  }
}

function invalid(message: string): Refusal {
  return new Refusal('body_invalid', message)
}

function refuseLoneSurrogates(value: unknown, path: string): void {
  if (typeof value === 'string') {
    if (!value.isWellFormed())
      throw invalid(`${path || 'The body'} holds half of a surrogate pair, which is no Unicode text.`)
  } else if (Array.isArray(value)) {
    for (const [index, member] of value.entries()) refuseLoneSurrogates(member, `${path}.${index}`)
  } else if (typeof value === 'object' && value !== null) {
    for (const name of Object.keys(value)) {
      if (!name.isWellFormed()) throw invalid(`A member name below "${path}" holds half of a surrogate pair.`)
      refuseLoneSurrogates(Reflect.get(value, name), path === '' ? name : `${path}.${name}`)
    }
  }
}

/**
 * One pass over the text: finds repeated member names, `__proto__`, too deep nesting, and the places of the top-level
 * values. Iterative, so that depth costs no stack. Text that is no JSON gives places without a meaning, and ends as well:
 * JSON.parse says what is wrong with it.
 */
class Scanner {
  readonly #text: string
  readonly #members = new Map<string, Span>()
  /** Names seen per open object, undefined before the first; null for an open array. */
  readonly #open: (Names | undefined | null)[] = []
  #values = 0
  #at = 0
  #expectName = false
  #topName = ''
  #topStart = 0

  constructor(text: string) {
    this.#text = text
  }

  scan(): ReadonlyMap<string, Span> {
    const { length } = this.#text
    while (this.#at < length) this.#step(this.#text.charCodeAt(this.#at))
    return this.#members
  }

  #step(code: number): void {
    switch (code) {
      case QUOTE:
        this.#string()
        return
      case OPEN_BRACE:
        this.#push(undefined)
        break
      case OPEN_BRACKET:
        this.#push(null)
        break
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        this.#pop()
        break
      case COMMA:
        if (++this.#values >= MAX_VALUES) throw invalid(`The request body holds more than ${MAX_VALUES} values.`)
        if (this.#open.length === 1) this.#closeTop()
        this.#expectName = this.#open[this.#open.length - 1] !== null
        break
      default:
    }
    this.#at++
  }

  #push(names: undefined | null): void {
    this.#open.push(names)
    if (this.#open.length > MAX_DEPTH) throw invalid(`The request body nests deeper than ${MAX_DEPTH} levels.`)
    this.#expectName = names !== null
  }

  #pop(): void {
    if (this.#open.length === 1) this.#closeTop()
    this.#open.pop()
    this.#expectName = false
  }

  #string(): void {
    const start = this.#at
    const end = this.#stringEnd(start)
    this.#at = end
    if (!this.#expectName) return
    this.#expectName = false
    const raw = this.#text.slice(start + 1, end - 1)
    this.#name(raw.includes('\\') ? String(parse(`"${raw}"`)) : raw)
  }

  #stringEnd(start: number): number {
    let end = this.#text.indexOf('"', start + 1)
    while (this.#text.charCodeAt(end - 1) === BACKSLASH && this.#escaped(end)) end = this.#text.indexOf('"', end + 1)
    return end < 0 ? this.#text.length : end + 1
  }

  /** True when an odd run of backslashes stands before `at`. */
  #escaped(at: number): boolean {
    let before = at - 1
    while (this.#text.charCodeAt(before) === BACKSLASH) before--
    return (at - before) % 2 === 0
  }

  #name(name: string): void {
    if (this.#open.length === 0) return // no JSON
    const names = this.#open[this.#open.length - 1] ?? new Names()
    if (name === '__proto__')
      throw invalid('The request body has a member "__proto__", which no model API knows; remove it.')
    if (!names.add(name)) {
      throw invalid(`The request body has the member "${name.slice(0, 80)}" twice in one object; send it once.`)
    }
    this.#open[this.#open.length - 1] = names
    if (this.#open.length !== 1) return
    const colon = this.#text.indexOf(':', this.#at)
    this.#at = colon < 0 ? this.#text.length : colon
    this.#topName = name
    this.#topStart = this.#at + 1
  }

  #closeTop(): void {
    if (this.#topStart === 0) return
    this.#members.set(this.#topName, trimmed(this.#text, this.#topStart, this.#at))
    this.#topStart = 0
  }
}

/** Names that are compared one by one: a set of so few costs more than it saves. */
const FEW = 12

/** The names of one object. */
class Names {
  readonly #few: string[] = []
  #many: Set<string> | undefined

  /** False for a name that is there already. */
  add(name: string): boolean {
    if (this.#many === undefined) {
      if (this.#few.includes(name)) return false
      this.#few.push(name)
      if (this.#few.length > FEW) this.#many = new Set(this.#few)
      return true
    }
    const { size } = this.#many
    return this.#many.add(name).size > size
  }
}

function trimmed(text: string, start: number, end: number): Span {
  let from = start
  let to = end
  while (isSpace(text.charCodeAt(from))) from++
  while (to > from && isSpace(text.charCodeAt(to - 1))) to--
  return { start: from, end: to }
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
}
