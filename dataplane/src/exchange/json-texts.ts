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

const BACKSLASH = 0x5c
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?/y
const WORD = /true|false|null/y

/** An open list or record. */
interface Open {
  readonly start: number
  readonly items: JsonNode[] | undefined
  readonly members: JsonMember[]
  /** The member whose value comes next. */
  name: Omit<JsonMember, 'value'> | undefined
}

/** Strict about structure, iterative: depth costs no stack. */
class NodeReader {
  readonly #text: string
  readonly #open: Open[] = []
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  read(): JsonNode {
    let node: JsonNode | undefined
    for (;;) {
      const around = this.#open.at(-1)
      if (!node) node = this.#value()
      else if (!around) break
      else {
        this.#keep(around, node)
        node = this.#afterValue(around)
      }
    }
    if (this.#skipSpace() < this.#text.length) throw new NotJson()
    return node
  }

  /** A leaf or an empty container; undefined when a container was opened that goes on. */
  #value(): JsonNode | undefined {
    const start = this.#skipSpace()
    switch (this.#text[start]) {
      case '{':
        return this.#push({ start, items: undefined, members: [], name: undefined }, '}')
      case '[':
        return this.#push({ start, items: [], members: [], name: undefined }, ']')
      case '"':
        return { kind: 'string', start, end: this.#string(start) }
      default:
    }
    const number = this.#match(NUMBER, start)
    if (number > start) return { kind: 'number', start, end: number }
    const word = this.#match(WORD, start)
    if (word > start) return { kind: 'word', start, end: word }
    throw new NotJson()
  }

  #push(open: Open, close: string): JsonNode | undefined {
    if (this.#open.length >= MAX_NESTING) throw new TooDeep(`JSON nests deeper than ${MAX_NESTING} levels`)
    this.#at = open.start + 1
    if (this.#text[this.#skipSpace()] === close) {
      this.#at++
      return this.#closed(open)
    }
    this.#open.push(open)
    if (!open.items) open.name = this.#name()
    return undefined
  }

  #keep({ items, members, name }: Open, value: JsonNode): void {
    if (items) items.push(value)
    else if (name) members.push({ name: name.name, nameSpan: name.nameSpan, value })
  }

  /** Behind a value: a comma, and the next one comes; or the end of what is open, which is then a value itself. */
  #afterValue(around: Open): JsonNode | undefined {
    const sign = this.#text[this.#skipSpace()]
    this.#at++
    if (sign === ',') {
      if (!around.items) around.name = this.#name()
      return undefined
    }
    if (sign !== (around.items ? ']' : '}')) throw new NotJson()
    this.#open.pop()
    return this.#closed(around)
  }

  #closed({ start, items, members }: Open): JsonNode {
    const end = this.#at
    return items ? { kind: 'list', start, end, items } : { kind: 'record', start, end, members }
  }

  #name(): Omit<JsonMember, 'value'> {
    const start = this.#skipSpace()
    if (this.#text[start] !== '"') throw new NotJson()
    const end = this.#string(start)
    if (this.#text[this.#skipSpace()] !== ':') throw new NotJson()
    this.#at++
    return { name: leafText(this.#text, { start, end, kind: 'string' }), nameSpan: { start, end } }
  }

  /** Index behind the closing quote. */
  #string(start: number): number {
    let end = this.#text.indexOf('"', start + 1)
    while (end > 0 && this.#escaped(end)) end = this.#text.indexOf('"', end + 1)
    if (end < 0) throw new NotJson()
    return (this.#at = end + 1)
  }

  #escaped(at: number): boolean {
    let before = at - 1
    while (this.#text.charCodeAt(before) === BACKSLASH) before--
    return (at - before) % 2 === 0
  }

  #match(pattern: RegExp, start: number): number {
    pattern.lastIndex = start
    if (!pattern.test(this.#text)) return start
    return (this.#at = pattern.lastIndex)
  }

  #skipSpace(): number {
    let code = this.#text.charCodeAt(this.#at)
    while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) code = this.#text.charCodeAt(++this.#at)
    return this.#at
  }
}

/** Escapes undone; what JSON does not know as an escape stays as it is. */
function decoded(raw: string): string {
  try {
    return String(JSON.parse(raw))
  } catch {
    return raw.slice(1, -1)
  }
}
