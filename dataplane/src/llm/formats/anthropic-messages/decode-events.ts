// Reads the events of a Messages stream into neutral ones. Events and blocks that are not known are left out.
import type { JsonObject } from '../../../exchange/json.ts'
import type { SseEvent } from '../../../exchange/sse.ts'
import type { NeutralEvent } from '../../neutral.ts'
import type { EventDecoder } from '../format.ts'
import { member, objectIn, textIn } from '../members.ts'
import { eventData } from './event.ts'
import { neutralFinish } from './stop-reason.ts'
import { type AnthropicUsage, laterUsage, neutralUsage, readUsage } from './usage.ts'

interface Block {
  /** Undefined: not a tool. */
  readonly tool: number | undefined
  /** A tool's input as its start gave it. */
  readonly input: unknown
  sawInput: boolean
}

/** One a stream. A message has one choice: 0. */
export class MessageDecoder implements EventDecoder {
  readonly #blocks = new Map<unknown, Block>()
  #tools = 0
  #usage: AnthropicUsage | undefined

  push(event: SseEvent): readonly NeutralEvent[] {
    if (event.data === '') return [{ kind: 'ping' }]
    const data = eventData(event)
    switch (data?.['type']) {
      case 'message_start':
        return this.#start(data['message'])
      case 'content_block_start':
        return this.#open(data)
      case 'content_block_delta':
        return this.#delta(data)
      case 'content_block_stop':
        return this.#close(data['index'])
      case 'message_delta':
        return this.#end(data)
      case 'message_stop':
        return [{ kind: 'end' }]
      case 'ping':
        return [{ kind: 'ping' }]
      default:
        return []
    }
  }

  #start(message: unknown): readonly NeutralEvent[] {
    const id = textIn(member(message, 'id')) ?? ''
    return [
      { kind: 'start', id, model: textIn(member(message, 'model')) ?? '' },
      ...this.#usageEvents(member(message, 'usage')),
    ]
  }

  #open({ index, content_block: block }: JsonObject): readonly NeutralEvent[] {
    const type = member(block, 'type')
    const tool = type === 'tool_use' ? this.#tools++ : undefined
    this.#blocks.set(index, { tool, input: member(block, 'input'), sawInput: false })
    const data = textIn(member(block, 'data'))
    if (type === 'redacted_thinking' && data !== undefined) return [{ kind: 'redacted-thinking', choice: 0, data }]
    if (tool === undefined) return wordsOf(type, block)
    const id = textIn(member(block, 'id')) ?? `toolu_${tool}`
    return [{ kind: 'tool-start', choice: 0, tool, id, name: textIn(member(block, 'name')) ?? '' }]
  }

  #delta({ index, delta }: JsonObject): readonly NeutralEvent[] {
    const type = member(delta, 'type')
    if (type === 'text_delta') return wordsOf('text', delta)
    if (type === 'thinking_delta') return wordsOf('thinking', delta)
    if (type === 'signature_delta') return signatureOf(delta)
    const block = this.#blocks.get(index)
    const json = textIn(member(delta, 'partial_json'))
    if (type !== 'input_json_delta' || block?.tool === undefined || !json) return []
    block.sawInput = true
    return [{ kind: 'tool-args', choice: 0, tool: block.tool, json }]
  }

  /** A tool whose input came whole, or that has none, still has arguments in other formats: `{}` at least. */
  #close(index: unknown): readonly NeutralEvent[] {
    const block = this.#blocks.get(index)
    if (block?.tool === undefined || block.sawInput) return []
    block.sawInput = true
    return [{ kind: 'tool-args', choice: 0, tool: block.tool, json: JSON.stringify(block.input ?? {}) }]
  }

  #end({ delta, usage }: JsonObject): readonly NeutralEvent[] {
    const events: NeutralEvent[] = []
    const reason = textIn(member(delta, 'stop_reason'))
    if (reason !== undefined) {
      const stopSequence = textIn(member(delta, 'stop_sequence'))
      events.push({
        kind: 'finish',
        choice: 0,
        reason: neutralFinish(reason),
        ...(stopSequence === undefined ? {} : { stopSequence }),
      })
    }
    return [...events, ...this.#usageEvents(usage)]
  }

  #usageEvents(usage: unknown): readonly NeutralEvent[] {
    if (!objectIn(usage)) return []
    this.#usage = laterUsage(this.#usage, readUsage(usage))
    return [{ kind: 'usage', usage: neutralUsage(this.#usage) }]
  }
}

/** What a text or thinking block says, in its start or in a delta. */
function wordsOf(type: unknown, source: unknown): readonly NeutralEvent[] {
  if (type !== 'text' && type !== 'thinking') return []
  const text = textIn(member(source, type))
  const words: readonly NeutralEvent[] = text ? [{ kind: type, choice: 0, text }] : []
  return [...words, ...(type === 'thinking' ? signatureOf(source) : [])]
}

function signatureOf(source: unknown): readonly NeutralEvent[] {
  const signature = textIn(member(source, 'signature'))
  return signature ? [{ kind: 'thinking-signature', choice: 0, signature }] : []
}
