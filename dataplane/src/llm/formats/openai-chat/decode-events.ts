// Reads the chunks of an OpenAI-like stream into neutral events; forgiving, as such providers differ in small things.
import type { JsonObject } from '../../../exchange/json.ts'
import type { SseEvent } from '../../../exchange/sse.ts'
import type { NeutralEvent } from '../../neutral.ts'
import type { EventDecoder } from '../format.ts'
import { listIn, member, parseObject, textIn } from '../members.ts'
import { neutralFinish } from './finish-reason.ts'
import { usageOf } from './meter.ts'

interface Tool {
  readonly number: number
  readonly id: string
  started: boolean
  /** Arguments that came before the name. */
  early: string
}

interface Choice {
  /** By the index of its deltas. */
  readonly tools: Map<unknown, Tool>
  toolCount: number
  refusal: boolean
}

/** One a stream. */
export class ChunkDecoder implements EventDecoder {
  #started = false
  readonly #choices = new Map<number, Choice>()

  push({ data }: SseEvent): readonly NeutralEvent[] {
    if (data === '') return [{ kind: 'ping' }]
    if (data === '[DONE]') return [{ kind: 'end' }]
    const chunk = parseObject(data)
    if (!chunk) return []
    const events: NeutralEvent[] = []
    this.#start(chunk, events)
    for (const choice of listIn(chunk['choices'])) this.#choice(choice, events)
    const usage = usageOf(chunk['usage'])
    // A prompt has tokens: nothing at all is how some say that they do not know.
    if (usage && usage.prompt + usage.completion > 0) {
      const { source: _, ...figures } = usage
      events.push({ kind: 'usage', usage: figures })
    }
    return events
  }

  /** Some begin with a chunk that has neither an id nor choices. */
  #start(chunk: JsonObject, events: NeutralEvent[]): void {
    const id = textIn(chunk['id']) ?? ''
    if (this.#started || (id === '' && listIn(chunk['choices']).length === 0)) return
    this.#started = true
    const { created } = chunk
    events.push({
      kind: 'start',
      id,
      model: textIn(chunk['model']) ?? '',
      ...(typeof created === 'number' ? { created } : {}),
    })
  }

  #choice(value: unknown, events: NeutralEvent[]): void {
    const index = member(value, 'index')
    const choice = typeof index === 'number' ? index : 0
    const state = this.#choices.get(choice) ?? { tools: new Map<unknown, Tool>(), toolCount: 0, refusal: false }
    this.#choices.set(choice, state)
    const delta = member(value, 'delta')
    this.#words(choice, delta, events)
    for (const call of listIn(member(delta, 'tool_calls'))) this.#tool(choice, call, events)
    const reason = textIn(member(value, 'finish_reason'))
    if (reason === undefined || reason === '') return
    const seen = { tools: state.toolCount > 0, refusal: state.refusal }
    events.push({ kind: 'finish', choice, reason: neutralFinish(reason, seen) })
  }

  #words(choice: number, delta: unknown, events: NeutralEvent[]): void {
    const thinking = textIn(member(delta, 'reasoning_content')) ?? textIn(member(delta, 'reasoning'))
    const text = textIn(member(delta, 'content'))
    const refusal = textIn(member(delta, 'refusal'))
    if (thinking) events.push({ kind: 'thinking', choice, text: thinking })
    if (text) events.push({ kind: 'text', choice, text })
    if (!refusal) return
    const state = this.#choices.get(choice)
    if (state) state.refusal = true
    events.push({ kind: 'refusal', choice, text: refusal })
  }

  #tool(choice: number, call: unknown, events: NeutralEvent[]): void {
    const tool = this.#toolOf(choice, call)
    if (!tool) return
    const name = textIn(member(member(call, 'function'), 'name'))
    const args = textIn(member(member(call, 'function'), 'arguments')) ?? ''
    if (tool.started) {
      if (args !== '') events.push({ kind: 'tool-args', choice, tool: tool.number, json: args })
      return
    }
    tool.early += args
    if (!name) return
    tool.started = true
    events.push({ kind: 'tool-start', choice, tool: tool.number, id: tool.id, name })
    if (tool.early !== '') events.push({ kind: 'tool-args', choice, tool: tool.number, json: tool.early })
  }

  /** The call that a delta belongs to. A new id is a new call, whatever the index says: some send none, or always 0. */
  #toolOf(choice: number, call: unknown): Tool | undefined {
    const state = this.#choices.get(choice)
    if (!state) return undefined
    const index = member(call, 'index') ?? 0
    const id = textIn(member(call, 'id')) ?? ''
    const known = state.tools.get(index)
    if (known && (id === '' || id === known.id)) return known
    const number = state.toolCount++
    const tool = { number, id: id === '' ? `call_${choice}_${number}` : id, started: false, early: '' }
    state.tools.set(index, tool)
    return tool
  }
}
