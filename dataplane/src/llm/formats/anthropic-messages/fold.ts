// Folds the events of a Messages stream into one message: what the cache stores and an interrupted stream is counted by.
import type { JsonObject } from '../../../exchange/json.ts'
import type { SseEvent } from '../../../exchange/sse.ts'
import { listIn, member, objectIn, textIn } from '../members.ts'
import { eventData } from './event.ts'
import { type AnthropicUsage, laterUsage, readUsage } from './usage.ts'

interface Block {
  /** As its start gave it. */
  readonly start: JsonObject
  /** What was added to a member, by name. */
  readonly added: Map<string, string>
  readonly citations: unknown[]
  /** JSON text of a tool's input. */
  input: string
}

/** Deltas that add a text to a member of the same name. */
const TEXT_DELTAS: ReadonlyMap<unknown, string> = new Map([
  ['text_delta', 'text'],
  ['thinking_delta', 'thinking'],
  ['signature_delta', 'signature'],
])

/** Add the events in order, then ask. */
export class MessageFold {
  usage: AnthropicUsage | undefined
  /** The stream said its usage at the end; until then the output is unknown. */
  endUsage = false
  toolCalls = false
  #message: JsonObject | undefined
  #last: JsonObject = {}
  #usage: JsonObject = {}
  #done = false
  #lossy = false
  readonly #blocks = new Map<number, Block>()

  /** Takes an event; what is not understood makes the fold lossy, never throws. */
  add(event: SseEvent): void {
    if (event.data === '') return
    const data = eventData(event)
    switch (data?.['type']) {
      case 'message_start':
        this.#start(objectIn(data['message']))
        break
      case 'content_block_start':
        this.#open(data)
        break
      case 'content_block_delta':
        this.#delta(data)
        break
      case 'message_delta':
        this.#end(data)
        break
      case 'message_stop':
        this.#done = true
        break
      case 'content_block_stop':
      case 'ping':
        break
      default:
        this.#lossy = true
    }
  }

  get model(): string | undefined {
    return textIn(this.#message?.['model'])
  }

  get stopReason(): string | undefined {
    return textIn(this.#last['stop_reason']) ?? textIn(this.#message?.['stop_reason'])
  }

  /** All text that was generated: answers, thoughts, tool names and inputs. */
  text(): string {
    let text = ''
    for (const { start, added, input } of this.#blocks.values()) {
      text += (textIn(start['name']) ?? '') + (added.get('text') ?? '') + (added.get('thinking') ?? '') + input
    }
    return text
  }

  /** The message, or undefined when the stream is incomplete or holds what a whole message would lose. */
  message(): Buffer | undefined {
    if (!this.#done || !this.#message || this.stopReason === undefined) return undefined
    const content = [...this.#blocks.entries()].sort(([a], [b]) => a - b).map(([, block]) => this.#blockOf(block))
    if (this.#lossy) return undefined
    return Buffer.from(JSON.stringify({ ...this.#message, content, ...this.#last, usage: this.#usage }))
  }

  #start(message: JsonObject | undefined): void {
    if (!message) {
      this.#lossy = true
      return
    }
    this.#message = message
    this.#mergeUsage(message['usage'])
    for (const [index, block] of listIn(message['content']).entries()) this.#open({ index, content_block: block })
  }

  #open({ index, content_block: block }: JsonObject): void {
    const start = objectIn(block)
    if (typeof index !== 'number' || !start) {
      this.#lossy = true
      return
    }
    if (start['type'] === 'tool_use') this.toolCalls = true
    this.#blocks.set(index, { start, added: new Map(), citations: [], input: '' })
  }

  #delta({ index, delta }: JsonObject): void {
    const block = typeof index === 'number' ? this.#blocks.get(index) : undefined
    const type = member(delta, 'type')
    const name = TEXT_DELTAS.get(type)
    const added = textIn(member(delta, name ?? 'partial_json'))
    const citation = member(delta, 'citation')
    if (block && name !== undefined && added !== undefined) block.added.set(name, (block.added.get(name) ?? '') + added)
    else if (block && type === 'input_json_delta' && added !== undefined) block.input += added
    else if (block && type === 'citations_delta' && citation !== undefined) block.citations.push(citation)
    else this.#lossy = true
  }

  #end({ delta, usage, type: _, ...more }: JsonObject): void {
    const kept = Object.entries({ ...objectIn(delta), ...more })
    this.#last = { ...this.#last, ...Object.fromEntries(kept) }
    if (readUsage(usage).output !== undefined) this.endUsage = true
    this.#mergeUsage(usage)
  }

  #mergeUsage(usage: unknown): void {
    const said = Object.entries(objectIn(usage) ?? {}).filter(([, value]) => value !== null)
    this.#usage = { ...this.#usage, ...Object.fromEntries(said) }
    this.usage = laterUsage(this.usage, readUsage(usage))
  }

  #blockOf({ start, added, citations, input }: Block): JsonObject {
    const block: Record<string, unknown> = { ...start }
    for (const [name, text] of added) block[name] = (textIn(start[name]) ?? '') + text
    if (citations.length > 0) block['citations'] = [...listIn(start['citations']), ...citations]
    if (input !== '') block['input'] = this.#inputOf(input)
    return block
  }

  /** A tool's input; one that the end of the tokens cut short says nothing that could be used. */
  #inputOf(text: string): unknown {
    try {
      return JSON.parse(text)
    } catch {
      if (this.stopReason !== 'max_tokens') this.#lossy = true
      return {}
    }
  }
}
