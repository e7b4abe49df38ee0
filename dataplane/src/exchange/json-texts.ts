// JSON text read with the place of everything in it, and changed in places: what nobody changes stays byte for byte.
import type { Span } from './texts.ts'

/** A value and where it stands, quotes and brackets included. */
export type JsonNode = JsonLeaf | JsonWord | JsonList | JsonRecord

/** What has a text. */
export type JsonLeaf = (Span & { readonly kind: 'string' }) | (Span & { readonly kind: 'number' })

/** true, false, null. */
export interface JsonWord extends Span {
  readonly kind: 'word'
}

export interface JsonList extends Span {
  readonly kind: 'list'
  readonly items: readonly JsonNode[]
}

/** Members as they stand, repeated names too: readers differ in which of them they take. */
export interface JsonRecord extends Span {
  readonly kind: 'record'
  readonly members: readonly JsonMember[]
}

export interface JsonMember {
  readonly name: string
  readonly nameSpan: Span
  readonly value: JsonNode
}

/** Deeper documents are refused: no model API needs them, and those who walk them do it by recursion. */
export const MAX_NESTING = 256

/** Thrown for what nests deeper than MAX_NESTING. */
export class TooDeep extends Error {}

/** Reads a document; undefined when it is no JSON. Throws TooDeep. Costs no copy of the text. */
export function readNodes(document: string): JsonNode | undefined {
  try {
    return new NodeReader(document).read()
  } catch (error) {
    if (error instanceof NotJson) return undefined
    throw error
  }
}

/** What a string or number says: escapes undone; a number's digits, written out when it has an exponent. */
export function leafText(document: string, { start, end, kind }: Pick<JsonLeaf, 'start' | 'end' | 'kind'>): string {
  const raw = document.slice(start, end)
  if (kind === 'number') return plainNumber(raw)
  return raw.includes('\\') ? decoded(raw) : raw.slice(1, -1)
}

/** A number without its exponent, so that 4.1e15 shows its digits; as it stands when it is no safe whole number. */
export function plainNumber(raw: string): string {
  if (!/[eE]/.test(raw)) return raw
  const value = Number(raw)
  return Number.isSafeInteger(value) ? String(value) : raw
}

/** The document with values replaced (raw JSON); the places do not overlap. Everything else stays as it is. */
export function splice(
  document: string,
  replacements: readonly { readonly span: Span; readonly text: string }[],
): string {
  let out = ''
  let from = 0
  for (const { span, text } of replacements.toSorted((a, b) => a.span.start - b.span.start)) {
    out += document.slice(from, span.start) + text
    from = span.end
  }
  return out + document.slice(from)
}

class NotJson extends Error {}

const SPACE = 0x20
const QUOTE = 0x22
const COMMA = 0x2c
const MINUS = 0x2d
const DOT = 0x2e
const ZERO = 0x30
const NINE = 0x39
const COLON = 0x3a
const OPEN_BRACKET = 0x5b
const BACKSLASH = 0x5c
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?/y
const WORD = /true|false|null/y

/** An open list or record. */
interface Open {
  readonly start: number
  readonly items: JsonNode[] | undefined
  readonly members: JsonMember[]
  /** The member whose value comes next. */
  name: string
  nameSpan: Span
}

const NOWHERE: Span = { start: 0, end: 0 }

/** Strict about structure, iterative: depth costs no stack. */
class NodeReader {
  readonly #text: string
  readonly #around: Open[] = []
  /** The innermost of what is open. */
  #open: Open | undefined
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  read(): JsonNode {
    let node = this.#value()
    while (this.#open !== undefined) {
      if (node === undefined) {
        node = this.#value()
        continue
      }
      const { items, members, name, nameSpan } = this.#open
      if (items === undefined) members.push({ name, nameSpan, value: node })
      else items.push(node)
      node = this.#afterValue(this.#open)
    }
    if (node === undefined || this.#skipSpace() < this.#text.length) throw new NotJson()
    return node
  }

  /** A leaf or an empty container; undefined when a container was opened that goes on. */
  #value(): JsonNode | undefined {
    const start = this.#skipSpace()
    const code = this.#text.charCodeAt(start)
    if (code === QUOTE) return { kind: 'string', start, end: this.#string(start) }
    if (code === OPEN_BRACE)
      return this.#push({ start, items: undefined, members: [], name: '', nameSpan: NOWHERE }, CLOSE_BRACE)
    if (code === OPEN_BRACKET)
      return this.#push({ start, items: [], members: [], name: '', nameSpan: NOWHERE }, CLOSE_BRACKET)
    if (code === MINUS || (code >= ZERO && code <= NINE)) return { kind: 'number', start, end: this.#number(start) }
    return { kind: 'word', start, end: this.#match(WORD, start) }
  }

  #push(open: Open, close: number): JsonNode | undefined {
    if (this.#around.length >= MAX_NESTING) throw new TooDeep(`JSON nests deeper than ${MAX_NESTING} levels`)
    this.#at = open.start + 1
    if (this.#text.charCodeAt(this.#skipSpace()) === close) {
      this.#at++
      return closed(open, this.#at)
    }
    this.#around.push(open)
    this.#open = open
    if (open.items === undefined) this.#name(open)
    return undefined
  }

  /** Behind a value: a comma, and the next one comes; or the end of what is open, which is then a value itself. */
  #afterValue(open: Open): JsonNode | undefined {
    const sign = this.#text.charCodeAt(this.#skipSpace())
    this.#at++
    if (sign === COMMA) {
      if (open.items === undefined) this.#name(open)
      return undefined
    }
    if (sign !== (open.items === undefined ? CLOSE_BRACE : CLOSE_BRACKET)) throw new NotJson()
    this.#around.pop()
    this.#open = this.#around[this.#around.length - 1]
    return closed(open, this.#at)
  }

  #name(open: Open): void {
    const start = this.#skipSpace()
    if (this.#text.charCodeAt(start) !== QUOTE) throw new NotJson()
    const end = this.#string(start)
    if (this.#text.charCodeAt(this.#skipSpace()) !== COLON) throw new NotJson()
    this.#at++
    open.name = leafText(this.#text, { start, end, kind: 'string' })
    open.nameSpan = { start, end }
  }

  /** Index behind the closing quote. */
  #string(start: number): number {
    let end = this.#text.indexOf('"', start + 1)
    while (end > 0 && this.#text.charCodeAt(end - 1) === BACKSLASH && this.#escaped(end))
      end = this.#text.indexOf('"', end + 1)
    if (end < 0) throw new NotJson()
    return (this.#at = end + 1)
  }

  #escaped(at: number): boolean {
    let before = at - 1
    while (this.#text.charCodeAt(before) === BACKSLASH) before--
    return (at - before) % 2 === 0
  }

  /** Index behind a number; most are a few digits. */
  #number(start: number): number {
    let end = start
    let code = this.#text.charCodeAt(end)
    if (code === ZERO || code === MINUS) return this.#match(NUMBER, start)
    while (code >= ZERO && code <= NINE) code = this.#text.charCodeAt(++end)
    if (code === DOT || code === 0x65 || code === 0x45) return this.#match(NUMBER, start)
    return (this.#at = end)
  }

  #match(pattern: RegExp, start: number): number {
    pattern.lastIndex = start
    if (!pattern.test(this.#text)) throw new NotJson()
    return (this.#at = pattern.lastIndex)
  }

  #skipSpace(): number {
    let code = this.#text.charCodeAt(this.#at)
    if (code > SPACE) return this.#at
    while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) code = this.#text.charCodeAt(++this.#at)
    return this.#at
  }
}

function closed({ start, items, members }: Open, end: number): JsonNode {
  return items === undefined ? { kind: 'record', start, end, members } : { kind: 'list', start, end, items }
}

/** Escapes undone; what JSON does not know as an escape stays as it is. */
function decoded(raw: string): string {
  try {
    return String(JSON.parse(raw))
  } catch {
    return raw.slice(1, -1)
  }
}
