// What an Anthropic message came to: usage, model, why it stopped; from a whole body, or from the events that passed.
import type { JsonObject } from '../../../exchange/json.ts'
import { Refusal } from '../../../exchange/refusal.ts'
import type { Meter, Reading } from '../../../exchange/reply.ts'
import type { Usage } from '../../../exchange/usage.ts'
import type { Count, FrameMeter, MeterOptions } from '../format.ts'
import { listIn, member, objectIn, parseObject, textIn } from '../members.ts'
import { eventData, eventsOf } from './event.ts'
import { MessageFold } from './fold.ts'
import { finishOf } from './stop-reason.ts'
import { type AnthropicUsage, laterUsage, neutralUsage, readUsage, saysPrompt } from './usage.ts'

/** Up to this many bytes of a stream are kept, for the cache and for counting a stream that was cut short. */
const MAX_KEPT_BYTES = 4 * 1024 * 1024
/** Larger last frames are decoded with the rest. */
const MAX_TAIL_BYTES = 64 * 1024

/** The meter of a whole body; of a stored one without options. Throws `upstream_invalid` when it is no message. */
export function wholeMeter(body: Buffer, options?: MeterOptions): Meter {
  const message = parseMessage(body, options?.provider)
  const content = listIn(message['content'])
  const usage = readUsage(message['usage'])
  const reading: Reading = {
    usage: saysPrompt(usage) && usage.output !== undefined ? reported(usage) : countedOf(content, usage, options),
    model: textIn(message['model']),
    finish: finishOf(message['stop_reason']),
    toolCalls: content.some(block => member(block, 'type') === 'tool_use'),
  }
  return { read: () => reading, whole: () => body }
}

/** The meter of a stream. */
export class StreamMeter implements FrameMeter {
  readonly #options: MeterOptions
  readonly #kept: Buffer[] = []
  #last: Buffer | undefined
  #beforeLast: Buffer | undefined
  #bytes = 0
  #reading: { readonly at: number; readonly value: Reading; readonly fold: MessageFold } | undefined

  constructor(options: MeterOptions) {
    this.#options = options
  }

  add(frame: Buffer): void {
    this.#bytes += frame.length
    this.#beforeLast = this.#last
    this.#last = frame
    if (this.#bytes <= MAX_KEPT_BYTES) this.#kept.push(frame)
  }

  read(): Reading {
    return this.#ends() ?? this.#fold().value
  }

  whole(): Buffer | undefined {
    if (this.#bytes > MAX_KEPT_BYTES) return undefined
    return this.#fold().fold.message()
  }

  /** A stream that ended in order says all in its first event and its last; decoding the rest would cost as much as the call. */
  #ends(): Reading | undefined {
    const [first] = this.#kept
    if (!first || first.length > MAX_TAIL_BYTES) return undefined
    const start = startIn(first)
    const end = endIn([this.#beforeLast, this.#last])
    if (!start || !end) return undefined
    const usage = laterUsage(readUsage(start['usage']), end.usage)
    if (!saysPrompt(usage)) return undefined
    return {
      usage: reported(usage),
      model: textIn(start['model']),
      finish: finishOf(end.stopReason),
      toolCalls: end.stopReason === 'tool_use',
    }
  }

  /** Decodes what passed, once per state: the cost is paid at the end of the stream, not per chunk. */
  #fold(): { readonly value: Reading; readonly fold: MessageFold } {
    if (this.#reading?.at === this.#bytes) return this.#reading
    const fold = new MessageFold()
    for (const frame of this.#kept) for (const event of eventsOf(frame)) fold.add(event)
    const overflow = this.#bytes > MAX_KEPT_BYTES
    if (overflow && this.#last) for (const event of eventsOf(this.#last)) fold.add(event)
    this.#reading = { at: this.#bytes, value: this.#readingOf(fold, overflow), fold }
    return this.#reading
  }

  #readingOf(fold: MessageFold, overflow: boolean): Reading {
    const { usage, endUsage } = fold
    return {
      usage: saysPrompt(usage) && endUsage ? reported(usage) : this.#counted(fold, overflow),
      model: fold.model,
      finish: finishOf(fold.stopReason),
      toolCalls: fold.toolCalls,
    }
  }

  /** A stream that was cut short said what its prompt came to, if it began at all; the answer is counted. */
  #counted(fold: MessageFold, overflow: boolean): Usage {
    const { promptTokens, count } = this.#options
    const seen = count(fold.text())
    const completion = overflow ? Math.ceil((seen * this.#bytes) / MAX_KEPT_BYTES) : seen
    return counted(fold.usage, promptTokens, fold.endUsage ? (fold.usage?.output ?? completion) : completion)
  }
}

function startIn(frame: Buffer): JsonObject | undefined {
  for (const event of eventsOf(frame)) {
    const data = eventData(event)
    if (data?.['type'] === 'message_start') return objectIn(data['message'])
    if (data?.['type'] !== 'ping') return undefined
  }
  return undefined
}

interface End {
  readonly usage: AnthropicUsage
  readonly stopReason: string
}

function endIn(frames: readonly (Buffer | undefined)[]): End | undefined {
  let end: End | undefined
  for (const frame of frames) {
    if (!frame || frame.length > MAX_TAIL_BYTES || !frame.includes('message_delta')) continue
    for (const event of eventsOf(frame)) {
      const data = eventData(event)
      const stopReason = textIn(member(data?.['delta'], 'stop_reason'))
      if (data?.['type'] !== 'message_delta' || stopReason === undefined) continue
      const usage = readUsage(data['usage'])
      if (usage.output !== undefined) end = { usage, stopReason }
    }
  }
  return end
}

function reported(usage: AnthropicUsage): Usage {
  return { ...neutralUsage(usage), source: 'reported' }
}

function counted(usage: AnthropicUsage | undefined, promptTokens: number, completion: number): Usage {
  const said = saysPrompt(usage) ? neutralUsage(usage) : undefined
  return {
    prompt: said?.prompt ?? promptTokens,
    cachedPrompt: said?.cachedPrompt ?? 0,
    cacheWrite: said?.cacheWrite ?? 0,
    completion,
    reasoning: 0,
    source: 'counted',
  }
}

/** The usage of a message that brings none: its words are counted, so that it is not free. */
function countedOf(content: readonly unknown[], usage: AnthropicUsage, options: MeterOptions | undefined): Usage {
  const count: Count = options?.count ?? (() => 0)
  const words = content.map(wordsOf).join('')
  return counted(usage, options?.promptTokens ?? 0, usage.output ?? count(words))
}

function wordsOf(block: unknown): string {
  const input = member(block, 'input')
  const words = ['name', 'text', 'thinking'].map(name => textIn(member(block, name)) ?? '')
  return words.join('') + (input === undefined ? '' : JSON.stringify(input))
}

function parseMessage(body: Buffer, provider: string | undefined): JsonObject {
  const who = provider === undefined ? 'The provider' : `The provider "${provider}"`
  const detail = provider === undefined ? {} : { provider }
  const message = parseObject(body.toString('utf8'))
  if (!message) {
    throw new Refusal(
      'upstream_invalid',
      `${who} answered with something that is no JSON object; the call was not charged.`,
      detail,
    )
  }
  const { content } = message
  if (!Array.isArray(content) || !content.every(block => typeof member(block, 'type') === 'string')) {
    const what = 'JSON that is no message (no "content" with blocks)'
    throw new Refusal('upstream_invalid', `${who} answered with ${what}; the call was not charged.`, detail)
  }
  return message
}
