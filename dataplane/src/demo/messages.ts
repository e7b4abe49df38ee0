// The demo upstream's messages: whole, streamed, with a forced tool, and their tokens counted.
import type { EgressReply } from '../ports/egress.ts'
import { answerTo, digest, json, lastSaid, type Pause, promptTokens, type Said, stream, textOf } from './reply.ts'

interface Ask {
  readonly model: string
  readonly messages: readonly Said[]
  readonly system: unknown
  readonly stream: boolean
  readonly forcedTool: string | undefined
  readonly maxTokens: number
}

/** Answers `POST …/messages`. */
export function message(body: Record<string, unknown>, pause: Pause): EgressReply {
  const ask = read(body)
  return ask.stream ? stream(eventsOf(ask), pause) : json(200, whole(ask))
}

/** Answers `POST …/messages/count_tokens`. */
export function tokenCount(body: Record<string, unknown>): EgressReply {
  return json(200, { input_tokens: inputTokens(read(body)) })
}

function read(body: Record<string, unknown>): Ask {
  const { model, messages, system, max_tokens: limit, tool_choice: choice, tools } = body
  return {
    model: String(model),
    messages: Array.isArray(messages) ? messages : [],
    system,
    stream: body['stream'] === true,
    forcedTool: forcedTool(choice, tools),
    maxTokens: typeof limit === 'number' ? limit : Infinity,
  }
}

function forcedTool(choice: unknown, tools: unknown): string | undefined {
  const type = memberOf(choice, 'type')
  const first: unknown = Array.isArray(tools) ? tools[0] : undefined
  const name = type === 'tool' ? memberOf(choice, 'name') : type === 'any' ? memberOf(first, 'name') : undefined
  return typeof name === 'string' ? name : undefined
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}

function inputTokens({ messages, system }: Ask): number {
  return promptTokens(messages) + Math.ceil(textOf(system).length / 4)
}

interface Answer {
  readonly content: readonly object[]
  /** Pieces of the block's delta. */
  readonly deltas: readonly object[]
  readonly start: object
  readonly stopReason: string
  readonly outputTokens: number
}

function answer(ask: Ask): Answer {
  if (ask.forcedTool !== undefined) {
    const tool = {
      type: 'tool_use',
      id: `toolu_demo_${digest(ask.model, ask.messages)}`,
      name: ask.forcedTool,
      input: {},
    }
    const deltas = [{ type: 'input_json_delta', partial_json: '{}' }]
    return { content: [tool], deltas, start: tool, stopReason: 'tool_use', outputTokens: 1 }
  }
  const said = answerTo(lastSaid(ask.messages), ask.model, ask.maxTokens)
  return {
    content: said.length === 0 ? [] : [{ type: 'text', text: said.join('') }],
    deltas: said.map(text => ({ type: 'text_delta', text })),
    start: { type: 'text', text: '' },
    stopReason: said.length >= ask.maxTokens ? 'max_tokens' : 'end_turn',
    outputTokens: said.length,
  }
}

function head(ask: Ask, outputTokens: number): object {
  return {
    id: `msg_demo_${digest(ask.model, ask.messages)}`,
    type: 'message',
    role: 'assistant',
    model: ask.model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: {
      input_tokens: inputTokens(ask),
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
      output_tokens: outputTokens,
    },
  }
}

function whole(ask: Ask): object {
  const { content, stopReason, outputTokens } = answer(ask)
  return { ...head(ask, outputTokens), content, stop_reason: stopReason }
}

function eventsOf(ask: Ask): string[] {
  const { start, deltas, stopReason, outputTokens } = answer(ask)
  return [
    { type: 'message_start', message: head(ask, 1) },
    { type: 'content_block_start', index: 0, content_block: start },
    { type: 'ping' },
    ...deltas.map(delta => ({ type: 'content_block_delta', index: 0, delta })),
    { type: 'content_block_stop', index: 0 },
    {
      type: 'message_delta',
      delta: { stop_reason: stopReason, stop_sequence: null },
      usage: { output_tokens: outputTokens },
    },
    { type: 'message_stop' },
  ].map(data => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`)
}
