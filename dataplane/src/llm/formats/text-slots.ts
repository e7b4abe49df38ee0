// Collects texts out of JSON bodies and events: what all wire formats have in common about what is text and what is not.
import {
  type JsonLeaf,
  type JsonMember,
  type JsonNode,
  type JsonRecord,
  leafText,
  readNodes,
  TooDeep,
} from '../../exchange/json-texts.ts'
import { Refusal } from '../../exchange/refusal.ts'
import type { EventTexts, Span, TextSlot } from '../../exchange/texts.ts'

/** Members that are no prose wherever they stand: what they hold is an id, a name, an address, a key or media. */
const NO_PROSE = new Set([
  'id',
  'role',
  'type',
  'name',
  'model',
  'object',
  'url',
  'uri',
  'data',
  'b64_json',
  'file_data',
  'image_url',
  'media_type',
  'mime_type',
  'signature',
  'thought_signature',
  'cache_control',
  'authorization_token',
  'finish_reason',
  'stop_reason',
  'system_fingerprint',
])

/** Of a JSON Schema (and of the tool around it): what is told to the model in words, and what is data of the caller's. */
const SCHEMA_WORDS = new Set(['description', 'title', '$comment', 'definition'])
const SCHEMA_DATA = new Set(['default', 'examples', 'example', 'enum', 'const', 'input_examples'])

/** How a member of prose is read, beside the common way. */
export type Reading = 'skip' | 'json' | 'free' | 'schema' | 'signed' | 'prose'

/** A text and where it was met: names and positions from the value that was given. */
export interface Placed extends TextSlot {
  readonly path: string
}

/** What is special about members of a format; undefined: as everywhere. `around` is the object that has the member. */
export type Manners = (member: JsonMember, around: JsonRecord) => Reading | undefined

/** See the file's head. `slots` has what was collected, in the order of visits. */
export class TextSlots {
  readonly slots: Placed[] = []
  readonly document: string
  readonly #manners: Manners
  #echo: Span | undefined

  constructor(document: string, manners: Manners) {
    this.document = document
    this.#manners = manners
  }

  /** Every string that is not known to be no prose; numbers are none. */
  prose(node: JsonNode, path: string): void {
    if (node.kind === 'string') this.#add(node, path, 'string')
    else if (node.kind === 'list') this.#items(node.items, path, (item, at) => this.prose(item, at))
    else if (node.kind === 'record') for (const member of node.members) this.#member(member, node, path)
  }

  /** The prose of a record, but for members that are read in another way. */
  proseBeside(record: JsonRecord, apart: ReadonlySet<string>, path: string): void {
    for (const member of record.members) if (!apart.has(member.name)) this.#member(member, record, path)
  }

  /** Any JSON: all strings, numbers and names are somebody's words. */
  free(node: JsonNode, path: string): void {
    if (node.kind === 'string' || node.kind === 'number') this.#add(node, path, node.kind)
    else if (node.kind === 'list') this.#items(node.items, path, (item, at) => this.free(item, at))
    else if (node.kind === 'record') {
      for (const [index, { nameSpan, value }] of node.members.entries()) {
        this.#add({ ...nameSpan, kind: 'string' }, `${path}/${index}/name`, 'string')
        this.free(value, `${path}/${index}`)
      }
    }
  }

  /** A schema, or what holds some: descriptions and the caller's data, no keywords. */
  schema(node: JsonNode, path: string): void {
    if (node.kind === 'list') this.#items(node.items, path, (item, at) => this.schema(item, at))
    if (node.kind !== 'record') return
    for (const { name, value } of node.members) {
      const at = `${path}/${name}`
      if (SCHEMA_DATA.has(name)) this.free(value, at)
      else if (value.kind !== 'string') this.schema(value, at)
      else if (SCHEMA_WORDS.has(name)) this.#add(value, at, 'string')
    }
  }

  /** Texts collected inside of `collect` stand a second time in `echo`, if that is set. */
  echoed(echo: Span | undefined, collect: () => void): void {
    this.#echo = echo
    collect()
    this.#echo = undefined
  }

  #member(member: JsonMember, around: JsonRecord, path: string): void {
    const { name, value } = member
    // Most members of a reply are words and numbers: those say nothing, unless a format reads everything there.
    if (value.kind === 'word') return
    const reading = this.#manners(member, around) ?? (value.kind !== 'number' && isProse(name) ? 'prose' : 'skip')
    if (reading === 'skip') return
    const at = `${path}/${name}`
    if (reading === 'free') this.free(value, at)
    else if (reading === 'schema') this.schema(value, at)
    else if (value.kind === 'string' && reading !== 'prose')
      this.#add(value, at, reading === 'json' ? 'json' : 'string', reading === 'signed')
    else if (reading === 'json') this.free(value, at)
    else this.prose(value, at)
  }

  #items(items: readonly JsonNode[], path: string, visit: (item: JsonNode, path: string) => void): void {
    for (const [index, item] of items.entries())
      visit(item, `${path}/${numberOf(this.document, item, 'index') ?? index}`)
  }

  #add(node: JsonLeaf, path: string, form: TextSlot['form'], signed = false): void {
    const { start, end } = node
    const text = leafText(this.document, node)
    if (text === '') return
    this.slots.push({ text, span: { start, end }, form, path, echo: this.#echo, signed })
  }
}

/** What an event's texts are: channels are where they stand. */
export function eventTexts({ document, slots }: TextSlots, closes: EventTexts['closes']): EventTexts {
  return { data: document, texts: slots.map(({ path, ...slot }) => ({ ...slot, channel: path })), closes }
}

/** A provider's document; undefined when it is no JSON. Throws an `upstream_invalid` Refusal for one too deep to be read. */
export function readReplied(document: string): JsonNode | undefined {
  try {
    return readNodes(document)
  } catch (error) {
    if (error instanceof TooDeep) throw unreadable(error)
    throw error
  }
}

/** For a reply that has to be looked at and cannot be: a guardrail cannot say that it is harmless. */
export function unreadable(cause?: unknown): Refusal {
  const message = 'The provider answered with something that a policy has to read and cannot; try again.'
  return new Refusal('upstream_invalid', message, { cause })
}

function isProse(name: string): boolean {
  return !NO_PROSE.has(name) && !name.endsWith('_id') && !name.endsWith('_ids') && !name.startsWith('encrypted_')
}

/** The values of an object's members of that name (a name may stand twice). */
export function valuesOf(node: JsonNode | undefined, name: string): readonly JsonNode[] {
  if (node?.kind !== 'record') return []
  return node.members.filter(member => member.name === name).map(({ value }) => value)
}

/** What stands in a list; nothing for what is none. */
export function itemsOf(node: JsonNode | undefined): readonly JsonNode[] {
  return node?.kind === 'list' ? node.items : []
}

/** A string member, or undefined. */
export function stringOf(document: string, node: JsonNode, name: string): string | undefined {
  const value = valuesOf(node, name).at(-1)
  return value?.kind === 'string' ? leafText(document, value) : undefined
}

/** A number member, or undefined. */
export function numberOf(document: string, node: JsonNode, name: string): number | undefined {
  const value = valuesOf(node, name).at(-1)
  return value?.kind === 'number' ? Number(leafText(document, value)) : undefined
}
