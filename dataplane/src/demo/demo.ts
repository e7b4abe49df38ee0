// The demo upstream: stands in for every provider row without a credential, so that a fresh machine answers. Deterministic.
// Never in a cluster.
import { hash } from 'node:crypto'
import type { Egress, EgressReply, EgressRequest } from '../ports/egress.ts'
import { of } from '../exchange/streams.ts'

const CREATED = 1_735_689_600
const HEADERS = { 'x-smartflow-demo': 'true' }
/** Pause between two stream events, so that a stream looks like one. */
const PAUSE_MS = 10

interface Ask {
  readonly model: string
  readonly messages: readonly { readonly role?: unknown; readonly content?: unknown }[]
  readonly stream: boolean
  readonly usage: boolean
  readonly forcedTool: string | undefined
  readonly maxTokens: number
}

/** An Egress that answers chat completions itself. `pause` waits between stream events. */
export function demoEgress(pause: (ms: number) => Promise<void>): Egress {
  return {
    async send(request) {
      if (!new URL(request.url).pathname.endsWith('/chat/completions'))
        return json(404, {
          error: {
            message: 'The demo upstream serves chat completions only.',
            type: 'invalid_request_error',
            code: 'not_found',
          },
        })
      const ask = read(request)
      return ask.stream ? streamed(ask, pause) : json(200, completion(ask))
    },
    async close() {},
  }
}

function read({ body }: EgressRequest): Ask {
  const value: Record<string, unknown> = JSON.parse((body ?? Buffer.from('{}')).toString('utf8'))
  const {
    model,
    messages,
    stream,
    stream_options: options,
    tool_choice: choice,
    max_tokens: limit,
    max_completion_tokens: newLimit,
  } = value
  const bound = newLimit ?? limit
  return {
    model: String(model),
    messages: Array.isArray(messages) ? messages : [],
    stream: stream === true,
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

/** Words of the answer, each with its space: one is one token. */
function words({ model, messages, maxTokens }: Ask): string[] {
  const last = textOf(messages.findLast(({ role }) => role === 'user')?.content)
  const text = `[demo] This is ${model} in demo mode. You said: ${last === '' ? '(nothing)' : last.slice(0, 500)}`
  return (text.match(/\s*\S+/g) ?? []).slice(0, maxTokens)
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  return content
    .map(part => (typeof part?.text === 'string' ? part.text : ''))
    .join(' ')
    .trim()
}

function usageOf({ messages }: Ask, completionTokens: number): object {
  const characters = messages.reduce((sum, { content }) => sum + textOf(content).length, 0)
  const prompt = Math.ceil(characters / 4) + 4 * messages.length
  return { prompt_tokens: prompt, completion_tokens: completionTokens, total_tokens: prompt + completionTokens }
}

function idOf(ask: Ask): string {
  return `chatcmpl-demo-${hash('sha256', JSON.stringify([ask.model, ask.messages]), 'hex').slice(0, 24)}`
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

function streamed(ask: Ask, pause: (ms: number) => Promise<void>): EgressReply {
  const events = chunksOf(ask).map(chunk => Buffer.from(`data: ${JSON.stringify(chunk)}\n\n`))
  events.push(Buffer.from('data: [DONE]\n\n'))
  const source = of(...events)
  return {
    status: 200,
    headers: { ...HEADERS, 'content-type': 'text/event-stream' },
    chunks: {
      async next() {
        await pause(PAUSE_MS)
        return source.next()
      },
      async return() {
        await source.return?.()
        return { done: true, value: undefined }
      },
    },
  }
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

function json(status: number, body: object): EgressReply {
  return {
    status,
    headers: { ...HEADERS, 'content-type': 'application/json' },
    chunks: of(Buffer.from(JSON.stringify(body))),
  }
}
