// Where the texts of an OpenAI chat stand: what policies read and may replace.
import type { JsonBody } from '../../../exchange/json.ts'
import { type JsonNode, type JsonRecord, readNodes } from '../../../exchange/json-texts.ts'
import type { SseEvent } from '../../../exchange/sse.ts'
import type { EventTexts, TextSlot } from '../../../exchange/texts.ts'
import {
  eventTexts,
  itemsOf,
  type Manners,
  numberOf,
  readReplied,
  stringOf,
  TextSlots,
  unreadable,
  valuesOf,
} from '../text-slots.ts'

/** Members of a request that say nothing to a model; all others do, also those that nobody here knows. */
const NOT_FOR_THE_MODEL = new Set([
  'model',
  'user',
  'tool_choice',
  'function_call',
  'service_tier',
  'safety_identifier',
  'prompt_cache_key',
  'logit_bias',
  'modalities',
  'audio',
  'stream_options',
])
const SCHEMAS = new Set(['tools', 'functions', 'response_format'])

/** Tool arguments are JSON inside a string. */
const manners: Manners = ({ name }) => {
  if (name === 'arguments') return 'json'
  return name === 'logprobs' ? 'skip' : undefined
}

/** See Dialect.textsOfRequest. Schemas give their descriptions and the caller's data, not their keywords. */
export function textsOfRequest({ text }: JsonBody): readonly TextSlot[] {
  const root = readNodes(text)
  const texts = new TextSlots(text, manners)
  if (root?.kind !== 'record') return texts.slots
  for (const { name, value } of root.members) {
    if (SCHEMAS.has(name)) texts.schema(value, name)
    else if (!NOT_FOR_THE_MODEL.has(name)) texts.prose(value, name)
  }
  return texts.slots
}

/** See Dialect.textsOfReply. Throws an `upstream_invalid` Refusal for what is no JSON. */
export function textsOfReply(body: string): readonly TextSlot[] {
  const root = readReplied(body)
  if (root?.kind !== 'record') throw unreadable()
  const texts = new TextSlots(body, manners)
  choicesOf(texts, root, 'message')
  beside(texts, root)
  return texts.slots
}

/**
 * See Dialect.textsOfEvent. Channels are `<choice>/<member>`, of tools by their index. Only the end marker closes all: a
 * chunk without choices may come in the middle.
 */
export function textsOfEvent({ data }: SseEvent): EventTexts | undefined {
  if (data.trim() === '[DONE]') return { data, texts: [], closes: 'all' }
  const root = readReplied(data)
  if (root?.kind !== 'record') return undefined
  const texts = new TextSlots(data, manners)
  const finished = choicesOf(texts, root, 'delta')
  beside(texts, root)
  return eventTexts(texts, [...finished, BESIDE])
}

/** Where texts outside of the choices are placed: none of them goes on in the next event. */
const BESIDE = 'beside'

const CHOICES = new Set(['choices'])

function beside(texts: TextSlots, root: JsonRecord): void {
  texts.proseBeside(root, CHOICES, BESIDE)
}

/** Members of a choice that are read apart from the rest. */
const APART = { delta: new Set(['delta', 'logprobs']), message: new Set(['message', 'logprobs']) }

/** Texts of the choices, each changed together with its log probabilities; gives the choices that are finished. */
function choicesOf(texts: TextSlots, root: JsonRecord, where: 'delta' | 'message'): string[] {
  const finished: string[] = []
  for (const [position, choice] of valuesOf(root, 'choices').flatMap(itemsOf).entries()) {
    const index = String(numberOf(texts.document, choice, 'index') ?? position)
    texts.echoed(valuesOf(choice, 'logprobs').find(isSomething), () => {
      for (const message of valuesOf(choice, where)) texts.prose(message, index)
    })
    // What stands beside it is read by some client too: the text of older formats, a message beside a delta.
    if (choice.kind === 'record') texts.proseBeside(choice, APART[where], `${index}/beside`)
    if (stringOf(texts.document, choice, 'finish_reason')) finished.push(index)
  }
  return finished
}

function isSomething({ kind }: JsonNode): boolean {
  return kind !== 'word'
}
