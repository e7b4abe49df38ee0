// Writes neutral events as the events of a Messages stream. A message has one content block open at a time, so what
// belongs to another waits: parallel tool calls may come in mixed.
import { Refusal } from '../../../exchange/refusal.ts'
import { MAX_EVENT_BYTES } from '../../../exchange/sse.ts'
import type { NeutralEvent, NeutralFinish, NeutralUsage } from '../../neutral.ts'
import type { EventEncoder } from '../format.ts'
import { parseObject } from '../members.ts'
import { idIn } from '../message-id.ts'
import { textTokens } from '../prompt-estimate.ts'
import { eventText, STOP_EVENT } from './event.ts'
import { stopReasonOf } from './stop-reason.ts'
import { anthropicUsage } from './usage.ts'

/** What the encoder depends on beside the events. */
export interface EncoderOptions {
  /** The caller asked for thoughts. One who did not may read only the first block, and expects it to be the answer. */
  readonly showsThinking: boolean
  /** Stands in for the provider's figure, if it gives none. */
  readonly promptTokens: number
}

interface Segment {
  readonly kind: 'text' | 'thinking' | 'tool' | 'redacted'
  readonly start: object
  /** Undefined: not a tool. */
  readonly tool: number | undefined
  /** Deltas that wait. */
  waiting: string
  signature: string
  /** All of a tool's arguments so far. */
  args: string
}

const NO_USAGE: NeutralUsage = { prompt: 0, cachedPrompt: 0, cacheWrite: 0, completion: 0, reasoning: 0 }

/** One a stream. Only the first choice is written: a message has no more. */
export class MessageEncoder implements EventEncoder {
  readonly #options: EncoderOptions
  #index = 0
  #open: Segment | undefined
  readonly #queue: Segment[] = []
  #held = 0
  #finish: { readonly reason: NeutralFinish; readonly stopSequence?: string } | undefined
  #usage: NeutralUsage | undefined
  #estimate = 0
  #ended = false

  constructor(options: EncoderOptions) {
    this.#options = options
  }

  push(event: NeutralEvent): string {
    if ('choice' in event && event.choice !== 0) return ''
    switch (event.kind) {
      case 'start':
        return startText(event.id, event.model)
      case 'ping':
        return eventText({ type: 'ping' })
      case 'usage':
        this.#usage = event.usage
        return ''
      case 'finish':
        this.#finish = event
        return this.#flush()
      case 'end':
        return this.end()
      case 'tool-start':
        return this.#append(
          segment('tool', { type: 'tool_use', id: event.id, name: event.name, input: {} }, event.tool),
        )
      case 'tool-args':
        return this.#args(event.tool, event.json)
      default:
        return this.#words(event)
    }
  }

  end(): string {
    if (this.#ended) return ''
    this.#ended = true
    const { reason, stopSequence } = this.#finish ?? { reason: 'stop' }
    const usage = this.#usage ?? { ...NO_USAGE, prompt: this.#options.promptTokens, completion: this.#estimate }
    const delta = { stop_reason: stopReasonOf(reason), stop_sequence: stopSequence ?? null }
    const last = eventText({ type: 'message_delta', delta, usage: anthropicUsage(usage) })
    return this.#flush() + last + STOP_EVENT.toString()
  }

  #words(event: Exclude<NeutralEvent, { kind: 'tool-start' | 'tool-args' | 'finish' }>): string {
    switch (event.kind) {
      case 'text':
      case 'refusal':
        return this.#add('text', event.text)
      case 'thinking':
        return this.#options.showsThinking ? this.#add('thinking', event.text) : ''
      case 'thinking-signature':
        return this.#options.showsThinking ? this.#sign(event.signature) : ''
      case 'redacted-thinking':
        if (!this.#options.showsThinking) return ''
        return this.#append(segment('redacted', { type: 'redacted_thinking', data: event.data }))
      default:
        return ''
    }
  }

  #add(kind: 'text' | 'thinking', text: string): string {
    const last = this.#queue.at(-1) ?? this.#open
    // A signature ends a thought: what follows is another.
    if (last?.kind === kind && last.signature === '') return this.#write(last, text)
    const next = segment(kind, kind === 'text' ? { type: kind, text: '' } : { type: kind, thinking: '', signature: '' })
    return this.#append(next) + this.#write(next, text)
  }

  #sign(signature: string): string {
    const last = this.#queue.at(-1) ?? this.#open
    const thought =
      last?.kind === 'thinking' ? last : segment('thinking', { type: 'thinking', thinking: '', signature: '' })
    const begun = thought === last ? '' : this.#append(thought)
    thought.signature += signature
    return begun + (thought === this.#open ? this.#deltaText({ type: 'signature_delta', signature }) : '')
  }

  #args(tool: number, json: string): string {
    if (this.#open?.tool === tool) return this.#write(this.#open, json) + this.#advance()
    const waiting = this.#queue.find(candidate => candidate.tool === tool)
    return waiting ? this.#write(waiting, json) : ''
  }

  /** Adds to a segment: at once when it is open, else for later. */
  #write(to: Segment, text: string): string {
    this.#estimate += textTokens(text)
    if (to.kind === 'tool') this.#hold(to, 'args', text)
    if (to === this.#open) return this.#deltaText(deltaOf(to.kind, text))
    this.#hold(to, 'waiting', text)
    return ''
  }

  #hold(to: Segment, member: 'args' | 'waiting', text: string): void {
    to[member] += text
    this.#held += text.length
    if (this.#held > MAX_EVENT_BYTES) {
      throw new Refusal('upstream_invalid', 'The provider sent more tool arguments than the gateway can put in order.')
    }
  }

  #append(next: Segment): string {
    this.#queue.push(next)
    return this.#advance()
  }

  /** Moves on to what waits, as far as nothing more can come for what is open. */
  #advance(): string {
    let text = ''
    while (this.#queue.length > 0 && (this.#open === undefined || isWhole(this.#open))) text += this.#next()
    return text
  }

  #flush(): string {
    let text = ''
    while (this.#queue.length > 0) text += this.#next()
    return text + this.#close()
  }

  #next(): string {
    const closed = this.#close()
    const next = this.#queue.shift()
    this.#open = next
    if (!next) return closed
    let text = eventText({ type: 'content_block_start', index: this.#index, content_block: next.start })
    if (next.waiting !== '') text += this.#deltaText(deltaOf(next.kind, next.waiting))
    if (next.signature !== '') text += this.#deltaText({ type: 'signature_delta', signature: next.signature })
    return closed + text
  }

  #close(): string {
    if (!this.#open) return ''
    this.#held -= this.#open.waiting.length + this.#open.args.length
    this.#open = undefined
    return eventText({ type: 'content_block_stop', index: this.#index++ })
  }

  #deltaText(delta: object): string {
    return eventText({ type: 'content_block_delta', index: this.#index, delta })
  }
}

function segment(kind: Segment['kind'], start: object, tool?: number): Segment {
  return { kind, start, tool, waiting: '', signature: '', args: '' }
}

/** Nothing more comes for it: a tool's arguments are one JSON object. */
function isWhole({ kind, args }: Segment): boolean {
  return kind !== 'tool' || (args.trimEnd().endsWith('}') && parseObject(args) !== undefined)
}

function deltaOf(kind: Segment['kind'], text: string): object {
  if (kind === 'tool') return { type: 'input_json_delta', partial_json: text }
  return kind === 'thinking' ? { type: 'thinking_delta', thinking: text } : { type: 'text_delta', text }
}

/** The prompt's tokens are not known yet: message_delta says them. */
function startText(id: string, model: string): string {
  return eventText({
    type: 'message_start',
    message: {
      id: idIn('msg_', id),
      type: 'message',
      role: 'assistant',
      model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: anthropicUsage(NO_USAGE),
    },
  })
}
