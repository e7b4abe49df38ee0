// Writes neutral events as the chunks of an OpenAI stream.
import type { NeutralEvent, NeutralUsage } from '../../neutral.ts'
import type { EventEncoder } from '../format.ts'
import { idIn } from '../message-id.ts'
import { END_EVENT } from './end-marker.ts'
import { openaiFinish } from './finish-reason.ts'

type ChoiceEvent = Extract<NeutralEvent, { choice: number }>

/** One a stream. What has no place in a chunk (signatures, redacted thoughts) is left out. */
export class ChunkEncoder implements EventEncoder {
  readonly #wantsUsage: boolean
  /** Seconds since the epoch: stands in for the provider's, where it says none. */
  readonly #now: number
  #head: object | undefined
  /** Choices that have begun; true: a refusal was written. */
  readonly #choices = new Map<number, boolean>()
  #usage: NeutralUsage | undefined
  #ended = false

  constructor(wantsUsage: boolean, now: number) {
    this.#wantsUsage = wantsUsage
    this.#now = now
  }

  push(event: NeutralEvent): string {
    switch (event.kind) {
      case 'start':
        return this.#start(event)
      case 'usage':
        this.#usage = event.usage
        return ''
      case 'ping':
        return ': ping\n\n'
      case 'end':
        return this.end()
      default:
        return this.#choice(event)
    }
  }

  end(): string {
    if (this.#ended) return ''
    this.#ended = true
    const usage = this.#wantsUsage && this.#usage
    return (usage ? this.#chunk({ choices: [], usage: openaiUsage(usage) }) : '') + END_EVENT.toString()
  }

  #start({ id, model, created }: { id: string; model: string; created?: number }): string {
    this.#head = {
      id: idIn('chatcmpl-', id),
      object: 'chat.completion.chunk',
      created: created ?? this.#now,
      model,
    }
    return this.#begin(0)
  }

  #choice(event: ChoiceEvent): string {
    if (event.kind === 'finish') {
      const reason = openaiFinish(event.reason, this.#choices.get(event.choice) === true)
      return this.#begin(event.choice) + this.#delta(event.choice, {}, reason)
    }
    const delta = deltaOf(event)
    if (!delta) return ''
    const begin = this.#begin(event.choice)
    if (event.kind === 'refusal') this.#choices.set(event.choice, true)
    return begin + this.#delta(event.choice, delta, null)
  }

  #begin(choice: number): string {
    if (this.#choices.has(choice)) return ''
    this.#choices.set(choice, false)
    return this.#delta(choice, { role: 'assistant', content: '' }, null)
  }

  #delta(index: number, delta: object, finish: string | null): string {
    const choices = [{ index, delta, logprobs: null, finish_reason: finish }]
    return this.#chunk({ choices, ...(this.#wantsUsage ? { usage: null } : {}) })
  }

  #chunk(members: object): string {
    return `data: ${JSON.stringify({ ...this.#head, ...members })}\n\n`
  }
}

function deltaOf(event: ChoiceEvent): object | undefined {
  switch (event.kind) {
    case 'text':
      return { content: event.text }
    case 'refusal':
      return { refusal: event.text }
    case 'thinking':
      return { reasoning_content: event.text }
    case 'tool-start': {
      const { tool, id, name } = event
      return { tool_calls: [{ index: tool, id, type: 'function', function: { name, arguments: '' } }] }
    }
    case 'tool-args':
      return { tool_calls: [{ index: event.tool, function: { arguments: event.json } }] }
    default:
      return undefined
  }
}

function openaiUsage(usage: NeutralUsage): object {
  const { prompt, cachedPrompt, cacheWrite, completion, reasoning } = usage
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: {
      cached_tokens: cachedPrompt,
      ...(cacheWrite > 0 ? { cache_write_tokens: cacheWrite } : {}),
    },
    completion_tokens_details: { reasoning_tokens: reasoning },
  }
}
