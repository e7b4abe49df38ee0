// What an OpenAI chat reply came to: usage, model, finish reason; from a whole body, or from the chunks that passed.
import { Refusal } from '../../../exchange/refusal.ts'
import type { Meter, Reading } from '../../../exchange/reply.ts'
import { readEvent, splitEvents } from '../../../exchange/sse.ts'
import type { Usage } from '../../../exchange/usage.ts'
import type { Count, FrameMeter, MeterOptions } from '../format.ts'
import { member, objectIn, textIn, tokensIn } from '../members.ts'
import { ChunkFold } from './fold.ts'

/** Up to this many bytes of a stream are kept, for the cache and for counting a stream that was cut short. */
const MAX_KEPT_BYTES = 4 * 1024 * 1024

/** Larger last frames are decoded with the rest. */
const MAX_TAIL_BYTES = 64 * 1024

/** The meter of a whole body; of a stored one without options. Throws `upstream_invalid` when it is no chat completion. */
export function wholeMeter(body: Buffer, options?: MeterOptions): Meter {
  const reply = parseCompletion(body, options?.provider)
  const first: unknown = reply.choices[0]
  const message = member(first, 'message')
  const reading: Reading = {
    usage: usageOf(reply.usage) ?? countedOf(reply.choices, options),
    model: typeof reply.model === 'string' ? reply.model : undefined,
    finish: textIn(member(first, 'finish_reason')),
    toolCalls: Array.isArray(member(message, 'tool_calls')) || member(message, 'function_call') !== undefined,
  }
  return { read: () => reading, whole: () => body }
}

/** The meter of a stream; give it each frame as it passes (frames end on event boundaries). */
export class StreamMeter implements FrameMeter {
  readonly #promptTokens: number
  readonly #count: Count
  readonly #kept: Buffer[] = []
  #last: Buffer | undefined
  #beforeLast: Buffer | undefined
  #bytes = 0
  #reading: { readonly at: number; readonly value: Reading; readonly fold: ChunkFold } | undefined

  /** `promptTokens` stands in for the provider's figure when the stream brings none. */
  constructor(promptTokens: number, count: Count) {
    this.#promptTokens = promptTokens
    this.#count = count
  }

  add(frame: Buffer): void {
    this.#bytes += frame.length
    this.#beforeLast = this.#last
    this.#last = frame
    if (this.#bytes <= MAX_KEPT_BYTES) this.#kept.push(frame)
  }

  read(): Reading {
    return this.#tail() ?? this.#fold().value
  }

  whole(): Buffer | undefined {
    if (this.#bytes > MAX_KEPT_BYTES) return undefined
    return this.#fold().fold.completion()
  }

  /** A stream that ended in order says all in its last events; decoding the rest would cost as much as the call. */
  #tail(): Reading | undefined {
    const seen: { usage?: Usage; model?: string; finish?: string } = {}
    for (const frame of [this.#beforeLast, this.#last]) {
      if (frame && frame.length <= MAX_TAIL_BYTES) for (const event of splitEvents(frame)) readTail(event, seen)
    }
    const { usage, model, finish } = seen
    if (usage === undefined || finish === undefined) return undefined
    return { usage, model, finish, toolCalls: finish === 'tool_calls' || finish === 'function_call' }
  }

  /** Decodes what passed, once per state: the cost is paid at the end of the stream, not per chunk. */
  #fold(): { readonly value: Reading; readonly fold: ChunkFold } {
    if (this.#reading?.at === this.#bytes) return this.#reading
    const fold = new ChunkFold()
    for (const frame of this.#kept) for (const event of splitEvents(frame)) fold.add(readEvent(event).data)
    const overflow = this.#bytes > MAX_KEPT_BYTES
    if (overflow && this.#last) for (const event of splitEvents(this.#last)) fold.add(readEvent(event).data)
    this.#reading = { at: this.#bytes, value: this.#readingOf(fold, overflow), fold }
    return this.#reading
  }

  #readingOf(fold: ChunkFold, overflow: boolean): Reading {
    const reported = usageOf(fold.usage)
    return {
      usage: reported ?? this.#counted(fold, overflow),
      model: fold.model,
      finish: fold.finish,
      toolCalls: fold.toolCalls,
    }
  }

  #counted(fold: ChunkFold, overflow: boolean): Usage {
    const seen = this.#count(fold.text())
    const completion = overflow ? Math.ceil((seen * this.#bytes) / MAX_KEPT_BYTES) : seen
    return { prompt: this.#promptTokens, cachedPrompt: 0, cacheWrite: 0, completion, reasoning: 0, source: 'counted' }
  }
}

/** OpenAI's usage object in our terms; undefined when there is none or it is no usage. */
export function usageOf(usage: unknown): Usage | undefined {
  const prompt = tokensIn(member(usage, 'prompt_tokens'))
  const completion = tokensIn(member(usage, 'completion_tokens'))
  // Half a usage is none: the other half would be free.
  if (prompt === undefined || completion === undefined) return undefined
  const details = member(usage, 'prompt_tokens_details')
  const cached = Math.min(tokensIn(member(details, 'cached_tokens')) ?? 0, prompt)
  const written = tokensIn(member(details, 'cache_write_tokens')) ?? 0
  return {
    prompt,
    cachedPrompt: cached,
    cacheWrite: Math.min(written, prompt - cached),
    completion,
    reasoning: tokensIn(member(member(usage, 'completion_tokens_details'), 'reasoning_tokens')) ?? 0,
    source: 'reported',
  }
}

function readTail(event: Buffer, seen: { usage?: Usage; model?: string; finish?: string }): void {
  const { data } = readEvent(event)
  if (!data.startsWith('{')) return
  let chunk: unknown
  try {
    chunk = JSON.parse(data)
  } catch {
    return // not ours to judge here: the fold will find the stream unreadable
  }
  const usage = usageOf(member(chunk, 'usage'))
  const model = textIn(member(chunk, 'model'))
  const choices = member(chunk, 'choices')
  const finish = textIn(member(Array.isArray(choices) ? choices[0] : undefined, 'finish_reason'))
  if (usage) seen.usage = usage
  if (model !== undefined) seen.model = model
  if (finish !== undefined) seen.finish = finish
}

interface Completion {
  readonly choices: readonly unknown[]
  readonly usage: unknown
  readonly model: unknown
}

function parseCompletion(body: Buffer, provider: string | undefined): Completion {
  const who = provider === undefined ? 'The provider' : `The provider "${provider}"`
  const detail = provider === undefined ? {} : { provider }
  let parsed: unknown
  try {
    parsed = JSON.parse(body.toString('utf8'))
  } catch (cause) {
    const message = `${who} answered with something that is not JSON; the call was not charged.`
    throw new Refusal('upstream_invalid', message, { ...detail, cause })
  }
  const choices = member(parsed, 'choices')
  if (!Array.isArray(choices) || !choices.every(isChoice)) {
    const message = `${who} answered with JSON that is no chat completion (no "choices" with messages); the call was not charged.`
    throw new Refusal('upstream_invalid', message, detail)
  }
  return { choices, usage: member(parsed, 'usage'), model: member(parsed, 'model') }
}

/** What a client, a replay and the cache rely on: a message, and tool calls that are objects. */
function isChoice(choice: unknown): boolean {
  const message = objectIn(member(choice, 'message'))
  if (!message) return false
  const calls = message['tool_calls'] ?? []
  return Array.isArray(calls) && calls.every(call => objectIn(call) !== undefined)
}

/** The usage of a reply that brings none: its words are counted, so that it is not free. */
function countedOf(choices: readonly unknown[], options: MeterOptions | undefined): Usage {
  const words = choices.map(choice => wordsOf(member(choice, 'message'))).join('')
  const prompt = options?.promptTokens ?? 0
  return {
    prompt,
    cachedPrompt: 0,
    cacheWrite: 0,
    completion: options?.count(words) ?? 0,
    reasoning: 0,
    source: 'counted',
  }
}

function wordsOf(message: unknown): string {
  const calls = member(message, 'tool_calls')
  const called = Array.isArray(calls) ? calls.map(call => JSON.stringify(member(call, 'function') ?? '')) : []
  const words = ['reasoning_content', 'content', 'refusal'].map(name => textIn(member(message, name)))
  return [...words, ...called].join('')
}
