// Folds the chunks of a chat stream into one chat completion: what the cache stores and an interrupted stream is counted by.
import { z } from 'zod'

const ToolCallDelta = z.looseObject({
  index: z.number().optional(),
  id: z.string().optional(),
  type: z.string().optional(),
  function: z.looseObject({ name: z.string().optional(), arguments: z.string().optional() }).optional(),
})

const Chunk = z.looseObject({
  id: z.string().optional(),
  created: z.number().optional(),
  model: z.string().optional(),
  system_fingerprint: z.string().nullish(),
  usage: z.unknown().optional(),
  error: z.unknown().optional(),
  choices: z
    .array(
      z.looseObject({
        index: z.number().optional(),
        delta: z
          .looseObject({
            role: z.string().optional(),
            content: z.string().nullish(),
            refusal: z.string().nullish(),
            reasoning_content: z.string().nullish(),
            tool_calls: z.array(ToolCallDelta).nullish(),
          })
          .optional(),
        finish_reason: z.string().nullish(),
      }),
    )
    .optional(),
})

interface ToolCall {
  id: string
  type: string
  name: string
  arguments: string
}

interface Choice {
  content: string
  refusal: string
  reasoning: string
  tools: Map<number, ToolCall>
  /** Where the call of an index stands in `tools`. */
  at: Map<number, number>
  finish: string | undefined
}

/** Members of a delta that the fold understands; a stream with others is not stored, so that nothing is lost in a replay. */
const UNDERSTOOD = new Set(['role', 'content', 'refusal', 'reasoning_content', 'tool_calls'])

/** Add the data of each event in order, then ask. */
export class ChunkFold {
  usage: unknown
  model: string | undefined
  toolCalls = false
  #id = ''
  #created = 0
  #fingerprint: string | undefined
  #done = false
  #lossy = false
  readonly #choices = new Map<number, Choice>()

  /** Takes an event's data; what cannot be read makes the fold lossy, never throws. */
  add(data: string): void {
    if (data === '') return
    if (data === '[DONE]') {
      this.#done = true
      return
    }
    const chunk = Chunk.safeParse(parse(data))
    if (!chunk.success || chunk.data.error !== undefined) {
      this.#lossy = true
      return
    }
    this.#head(chunk.data)
    for (const choice of chunk.data.choices ?? []) this.#choice(choice)
  }

  /** Finish reason of the first choice. */
  get finish(): string | undefined {
    return this.#choices.get(0)?.finish
  }

  /** All text that was generated: thoughts, content, refusals, tool names and arguments. */
  text(): string {
    let text = ''
    for (const choice of this.#choices.values()) {
      text += choice.reasoning + choice.content + choice.refusal
      for (const tool of choice.tools.values()) text += tool.name + tool.arguments
    }
    return text
  }

  /** The chat completion, or undefined when the stream is incomplete or holds what a whole reply would lose. */
  completion(): Buffer | undefined {
    const complete = this.#done && !this.#lossy && this.#choices.size > 0
    if (!complete || [...this.#choices.values()].some(choice => choice.finish === undefined)) return undefined
    const choices = [...this.#choices.entries()].sort(([a], [b]) => a - b)
    return Buffer.from(
      JSON.stringify({
        id: this.#id,
        object: 'chat.completion',
        created: this.#created,
        model: this.model ?? '',
        choices: choices.map(([index, choice]) => ({
          index,
          message: messageOf(choice),
          logprobs: null,
          finish_reason: choice.finish,
        })),
        usage: this.usage ?? { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 },
        ...(this.#fingerprint === undefined ? {} : { system_fingerprint: this.#fingerprint }),
      }),
    )
  }

  #head(chunk: z.infer<typeof Chunk>): void {
    if (this.#id === '') this.#id = chunk.id ?? ''
    if (this.#created === 0) this.#created = chunk.created ?? 0
    this.model ??= chunk.model
    this.#fingerprint ??= chunk.system_fingerprint ?? undefined
    if (chunk.usage !== undefined && chunk.usage !== null) this.usage = chunk.usage
  }

  #choice({
    index = 0,
    delta,
    finish_reason: finish,
    logprobs,
  }: NonNullable<z.infer<typeof Chunk>['choices']>[number]): void {
    const choice = this.#choices.get(index) ?? emptyChoice()
    this.#choices.set(index, choice)
    if (finish !== undefined && finish !== null) choice.finish = finish
    if (logprobs !== undefined && logprobs !== null) this.#lossy = true
    if (!delta) return
    if (Object.keys(delta).some(name => !UNDERSTOOD.has(name))) this.#lossy = true
    choice.content += delta.content ?? ''
    choice.refusal += delta.refusal ?? ''
    choice.reasoning += delta.reasoning_content ?? ''
    for (const tool of delta.tool_calls ?? []) this.#tool(choice, tool)
  }

  #tool(choice: Choice, delta: z.infer<typeof ToolCallDelta>): void {
    this.toolCalls = true
    const tool = toolAt(choice, delta.index ?? 0, delta.id ?? '')
    if (delta.id) tool.id = delta.id
    if (delta.type !== undefined) tool.type = delta.type
    tool.name += delta.function?.name ?? ''
    tool.arguments += delta.function?.arguments ?? ''
  }
}

/** A new id is a new call, whatever the index says: some providers send none, or always 0. */
function toolAt({ tools, at }: Choice, index: number, id: string): ToolCall {
  const place = at.get(index)
  const known = place === undefined ? undefined : tools.get(place)
  if (known && (id === '' || known.id === '' || id === known.id)) return known
  const tool = { id: '', type: 'function', name: '', arguments: '' }
  const next = known || tools.has(index) ? Math.max(...tools.keys()) + 1 : index
  at.set(index, next)
  tools.set(next, tool)
  return tool
}

function emptyChoice(): Choice {
  return { content: '', refusal: '', reasoning: '', tools: new Map(), at: new Map(), finish: undefined }
}

function messageOf(choice: Choice): object {
  const tools = [...choice.tools.entries()].sort(([a], [b]) => a - b)
  return {
    role: 'assistant',
    content: choice.content === '' && tools.length > 0 ? null : choice.content,
    refusal: choice.refusal === '' ? null : choice.refusal,
    ...(choice.reasoning === '' ? {} : { reasoning_content: choice.reasoning }),
    ...(tools.length === 0
      ? {}
      : {
          tool_calls: tools.map(([, tool]) => ({
            id: tool.id,
            type: tool.type,
            function: { name: tool.name, arguments: tool.arguments },
          })),
        }),
  }
}

function parse(data: string): unknown {
  try {
    return JSON.parse(data)
  } catch {
    return undefined // no chunk then: the schema refuses it and the fold becomes lossy
  }
}
