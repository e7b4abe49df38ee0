// The demo upstream's chat completions: whole, streamed, with a forced tool.
import type { EgressReply } from '../ports/egress.ts'
import { answerTo, digest, json, lastSaid, type Pause, promptTokens, type Said, stream } from './reply.ts'

const CREATED = 1_735_689_600

interface Ask {
  readonly model: string
  readonly messages: readonly Said[]
  readonly stream: boolean
  readonly usage: boolean
  readonly forcedTool: string | undefined
  readonly maxTokens: number
}

/** Answers `POST …/chat/completions`. */
export function chatCompletion(body: Record<string, unknown>, pause: Pause): EgressReply {
  const ask = read(body)
  if (!ask.stream) return json(200, completion(ask))
  const events = chunksOf(ask).map(chunk => `data: ${JSON.stringify(chunk)}\n\n`)
  return stream([...events, 'data: [DONE]\n\n'], pause)
}

function read(value: Record<string, unknown>): Ask {
  const {
    model,
    messages,
    stream: streams,
    stream_options: options,
    tool_choice: choice,
    max_tokens: limit,
    max_completion_tokens: newLimit,
  } = value
  const bound = newLimit ?? limit
  return {
    model: String(model),
    messages: Array.isArray(messages) ? messages : [],
    stream: streams === true,
    usage:
      typeof options === 'object' && options !== null && 'include_usage' in options && options.include_usage === true,
    forcedTool: forcedTool(choice, value['tools']),
    maxTokens: typeof bound === 'number' ? bound : Infinity,
  }
}

function forcedTool(choice: unknown, tools: unknown): string | undefined {
  const named: unknown =
    typeof choice === 'object' && choice !== null
      ? Reflect.get(Object(Reflect.get(choice, 'function')), 'name')
      : undefined
  if (typeof named === 'string') return named
  const [first]: unknown[] = choice === 'required' && Array.isArray(tools) ? tools : []
  const name: unknown =
    first === undefined ? undefined : Reflect.get(Object(Reflect.get(Object(first), 'function')), 'name')
  return typeof name === 'string' ? name : undefined
}

function words({ model, messages, maxTokens }: Ask): string[] {
  return answerTo(lastSaid(messages), model, maxTokens)
}

function usageOf({ messages }: Ask, completionTokens: number): object {
  const prompt = promptTokens(messages)
  return { prompt_tokens: prompt, completion_tokens: completionTokens, total_tokens: prompt + completionTokens }
}

function idOf(ask: Ask): string {
  return `chatcmpl-demo-${digest(ask.model, ask.messages)}`
}

function toolCall(ask: Ask, name: string): object {
  return { id: `call_${idOf(ask).slice(-16)}`, type: 'function', function: { name, arguments: '{}' } }
}

function completion(ask: Ask): object {
  const said = words(ask)
  const tool = ask.forcedTool
  const message =
    tool === undefined
      ? { role: 'assistant', content: said.join(''), refusal: null }
      : { role: 'assistant', content: null, refusal: null, tool_calls: [toolCall(ask, tool)] }
  return {
    id: idOf(ask),
    object: 'chat.completion',
    created: CREATED,
    model: ask.model,
    choices: [{ index: 0, message, logprobs: null, finish_reason: finishOf(ask, said) }],
    usage: usageOf(ask, said.length),
    system_fingerprint: 'fp_demo',
  }
}

function finishOf({ forcedTool: tool, maxTokens }: Ask, said: readonly string[]): string {
  if (tool !== undefined) return 'tool_calls'
  return said.length >= maxTokens ? 'length' : 'stop'
}

function chunksOf(ask: Ask): object[] {
  const head = {
    id: idOf(ask),
    object: 'chat.completion.chunk',
    created: CREATED,
    model: ask.model,
    system_fingerprint: 'fp_demo',
  }
  const nothing = ask.usage ? { usage: null } : {}
  const chunk = (delta: object, finish: string | null): object => ({
    ...head,
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
    ...nothing,
  })
  const said = words(ask)
  const tool = ask.forcedTool
  const deltas =
    tool === undefined ? said.map(content => ({ content })) : [{ tool_calls: [{ index: 0, ...toolCall(ask, tool) }] }]
  return [
    chunk({ role: 'assistant', content: tool === undefined ? '' : null }, null),
    ...deltas.map(delta => chunk(delta, null)),
    chunk({}, finishOf(ask, said)),
    ...(ask.usage ? [{ ...head, choices: [], usage: usageOf(ask, said.length) }] : []),
  ]
}
