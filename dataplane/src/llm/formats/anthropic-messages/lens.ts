// Where the texts of Anthropic messages stand: what policies read and may replace.
import type { JsonBody } from '../../../exchange/json.ts'
import { type JsonNode, readNodes } from '../../../exchange/json-texts.ts'
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

/** Members of a request that say nothing to a model, or would not work when changed. */
const NOT_FOR_THE_MODEL = new Set(['model', 'service_tier', 'container', 'mcp_servers', 'tool_choice'])
const SCHEMAS = new Set(['tools', 'output_config', 'output_format'])

/** See Dialect.textsOfRequest. Schemas give their descriptions and the caller's data, not their keywords. */
export function textsOfRequest({ text }: JsonBody): readonly TextSlot[] {
  const root = readNodes(text)
  const texts = new TextSlots(text, mannersIn(text))
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
  if (!root) throw unreadable()
  const texts = new TextSlots(body, mannersIn(body))
  texts.prose(root, '')
  return texts.slots
}

/** See Dialect.textsOfEvent. Channels are `<block>/<member>`; the end of a block closes its channels. */
export function textsOfEvent({ data }: SseEvent): EventTexts | undefined {
  const root = readReplied(data)
  if (root?.kind !== 'record') return undefined
  const texts = new TextSlots(data, mannersIn(data))
  const block = String(numberOf(data, root, 'index') ?? 0)
  switch (stringOf(data, root, 'type')) {
    case 'content_block_start':
      for (const started of valuesOf(root, 'content_block')) texts.prose(started, block)
      // Texts that may stand here and go on later are `text` and `thinking`; citations and the like are whole.
      return eventTexts(texts, channelsOf(texts, block))
    case 'content_block_delta':
      for (const delta of valuesOf(root, 'delta')) texts.prose(delta, block)
      return eventTexts(texts, channelsOf(texts, block))
    case 'content_block_stop':
      return eventTexts(texts, [block])
    case 'message_start':
      for (const [at, started] of startedBlocks(root)) texts.prose(started, String(at))
      return eventTexts(texts, [])
    case 'message_delta':
    case 'message_stop':
      texts.prose(root, 'message')
      return eventTexts(texts, 'all')
    default:
      texts.prose(root, 'message')
      return eventTexts(texts, ['message'])
  }
}

/** Members whose text goes on in the block's next event. */
const RUNNING = ['text', 'thinking', 'partial_json']

/** The channels of an event whose texts are whole. */
function channelsOf({ slots }: TextSlots, block: string): string[] {
  return slots.map(({ path }) => path).filter(path => !RUNNING.some(name => path === `${block}/${name}`))
}

function startedBlocks(root: JsonNode): Iterable<[number, JsonNode]> {
  return valuesOf(root, 'message')
    .flatMap(message => valuesOf(message, 'content'))
    .flatMap(itemsOf)
    .entries()
}

/** Tool inputs are any JSON, pieces of them JSON text; thoughts are signed; a document's data is text when it says so. */
function mannersIn(document: string): Manners {
  return ({ name, value }, around) => {
    switch (name) {
      case 'thinking':
        return value.kind === 'string' ? 'signed' : undefined
      case 'partial_json':
        return 'json'
      case 'input':
        return value.kind === 'string' ? 'prose' : 'free'
      case 'data':
        return stringOf(document, around, 'type') === 'text' ? 'prose' : 'skip'
      case 'source':
        return value.kind === 'string' ? 'skip' : undefined
      default:
        return undefined
    }
  }
}
