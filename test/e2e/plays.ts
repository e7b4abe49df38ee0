// The same answers in the words of either format, and what either provider was asked, in words of our own: so that one test
// can be run over both.
import type { FormatName } from '@smartflow/core/providers'
import * as anthropic from './anthropic-upstream.ts'
import { strictCompletions } from './openai-rules.ts'
import { chunk, raw, type Script, type Seen, startUpstream, type Upstream, usage } from './upstream.ts'

/** A tool call as a test scripts it. */
export interface ToolCall {
  readonly id: string
  readonly name: string
  readonly input: Readonly<Record<string, unknown>>
}

/** Tokens of an answer; `prompt` counts cached ones too. */
export interface Tokens {
  readonly prompt: number
  readonly cached: number
  readonly completion: number
}

/** What a provider of one format can be made to do. Answers are whole or streams, as they are asked for. */
export interface Plays {
  /** A strict provider of the format. */
  start(): Promise<Upstream>
  says(text: string, tokens?: Tokens, finish?: 'stop' | 'length'): Script
  calls(...calls: readonly ToolCall[]): Script
  /** An error of the provider with its own status. */
  fails(status: number, type: string, message: string, headers?: Record<string, string>): Script
  /** Says something and then breaks the connection, or goes on in silence. */
  dies(text: string): Script
  lingers(text: string): Script
  /** An event of a stream that says that the provider is overloaded, as the first or behind a text. */
  overloadedInStream(text?: string): Script
}

/** What a provider was asked. */
export interface Asked {
  readonly system: string
  /** Texts and results of tools of the last user turn. */
  readonly text: string
  readonly images: readonly string[]
  readonly tools: readonly string[]
  readonly results: readonly { readonly id: string; readonly text: string }[]
  readonly calls: readonly ToolCall[]
  readonly maxTokens: unknown
  readonly stop: unknown
}

export const TOKENS: Tokens = { prompt: 100, cached: 60, completion: 7 }

export const PLAYS: Readonly<Record<FormatName, Plays>> = {
  'openai-chat': {
    start: () => startUpstream(undefined, strictCompletions),
    says: (text, tokens = TOKENS, finish = 'stop') =>
      completion({ content: text }, { deltas: pieces(text).map(content => ({ content })), finish, tokens }),
    calls: (...calls) =>
      completion(
        { content: null, tool_calls: calls.map(openaiCall) },
        { deltas: calls.flatMap(callDeltas), finish: 'tool_calls', tokens: TOKENS },
      ),
    fails: (status, type, message, headers = {}) =>
      raw(status, JSON.stringify({ error: { message, type, param: null, code: null } }), json(headers)),
    dies: text => beginning(text, response => response.destroy()),
    lingers: text => beginning(text, () => {}),
    overloadedInStream: text => (seen, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      if (text !== undefined) response.write(chunk(String(seen.body['model']), { role: 'assistant', content: text }))
      response.end(`data: ${JSON.stringify({ error: { message: 'Overloaded', type: 'server_error' } })}\n\n`)
    },
  },
  'anthropic-messages': {
    start: () => anthropic.startAnthropic(),
    says: (text, { prompt, cached, completion: output } = TOKENS, finish = 'stop') =>
      anthropic.message([anthropic.text(text)], {
        usage: anthropic.usage(prompt, output, { read: cached, written: 10 }),
        reason: finish === 'stop' ? 'end_turn' : 'max_tokens',
      }),
    calls: (...calls) => anthropic.message(calls.map(({ id, name, input }) => anthropic.toolUse(name, input, id))),
    fails: anthropic.failing,
    dies: text => (seen, response) => {
      response.writeHead(200, anthropic.streamHeaders()).write(anthropic.begin(seen, text), () => response.destroy())
    },
    lingers: text => async (seen, response) => {
      response.writeHead(200, anthropic.streamHeaders()).write(anthropic.begin(seen, text))
      await seen.gone
    },
    overloadedInStream: text => (seen, response) => {
      response.writeHead(200, anthropic.streamHeaders())
      if (text !== undefined) response.write(anthropic.begin(seen, text))
      response.end(`event: error\ndata: ${anthropic.failure('overloaded_error', 'Overloaded')}\n\n`)
    },
  },
}

/** What the provider of this format was asked. */
export function askedOf(format: FormatName, { body }: Seen): Asked {
  return format === 'openai-chat' ? askedOfOpenai(body) : askedOfAnthropic(body)
}

type Body = Readonly<Record<string, unknown>>

function askedOfOpenai(body: Body): Asked {
  const messages = body['messages'] as Body[]
  const parts = list(messages.at(-1)?.['role'] === 'user' ? messages.at(-1)?.['content'] : '')
  return {
    system: messages.flatMap(({ role, content }) => (role === 'system' ? [textOf(content)] : [])).join('\n'),
    text: textOf(parts),
    images: parts.flatMap(({ image_url: image }) => (image ? [String((image as Body)['url'])] : [])),
    tools: list(body['tools']).map(tool => String((tool['function'] as Body)['name'])),
    results: messages.flatMap(({ role, tool_call_id: id, content }) =>
      role === 'tool' ? [{ id: String(id), text: textOf(content) }] : [],
    ),
    calls: messages.flatMap(({ tool_calls: calls }) =>
      list(calls).map(({ id, function: { name, arguments: input } = {} as Body }: Body & { function?: Body }) => ({
        id: String(id),
        name: String(name),
        input: JSON.parse(String(input)),
      })),
    ),
    maxTokens: body['max_tokens'] ?? body['max_completion_tokens'],
    stop: body['stop'],
  }
}

function askedOfAnthropic(body: Body): Asked {
  const messages = body['messages'] as Body[]
  const blocks = messages.flatMap(({ content }) => list(content))
  const last = list(messages.at(-1)?.['content'])
  return {
    system: textOf(body['system'] ?? ''),
    text: textOf(last),
    images: last.flatMap(({ type, source }) => (type === 'image' ? [imageUrl(source as Body)] : [])),
    tools: list(body['tools']).map(({ name }) => String(name)),
    results: blocks.flatMap(({ type, tool_use_id: id, content }) =>
      type === 'tool_result' ? [{ id: String(id), text: textOf(content) }] : [],
    ),
    calls: blocks.flatMap(({ type, id, name, input }) =>
      type === 'tool_use' ? [{ id: String(id), name: String(name), input: input as ToolCall['input'] }] : [],
    ),
    maxTokens: body['max_tokens'],
    stop: body['stop_sequences'],
  }
}

function imageUrl({ type, media_type: media, data, url }: Body): string {
  return type === 'url' ? String(url) : `data:${String(media)};base64,${String(data)}`
}

function list(content: unknown): Body[] {
  if (content === undefined || content === null) return []
  return typeof content === 'string' ? [{ type: 'text', text: content }] : (content as Body[])
}

function textOf(content: unknown): string {
  return list(content)
    .flatMap(({ type, text }) => (type === 'text' ? [String(text)] : []))
    .join('\n')
}

interface Told {
  readonly deltas: readonly object[]
  readonly finish: string
  readonly tokens: Tokens
}

function completion(said: object, { deltas, finish, tokens }: Told): Script {
  const used = { ...usage(tokens.prompt, tokens.completion), prompt_tokens_details: { cached_tokens: tokens.cached } }
  return ({ body }, response) => {
    const model = String(body['model'])
    const head = { id: 'chatcmpl-test', created: 1_700_000_000, model }
    if (body['stream'] !== true) {
      const message = { role: 'assistant', refusal: null, ...said }
      const choices = [{ index: 0, message, logprobs: null, finish_reason: finish }]
      const whole = JSON.stringify({ ...head, object: 'chat.completion', choices, usage: used })
      response.writeHead(200, json()).end(whole)
      return
    }
    const events = [
      chunk(model, { role: 'assistant', content: null }),
      ...deltas.map(delta => chunk(model, delta)),
      chunk(model, {}, finish),
    ]
    const options = body['stream_options'] as { include_usage?: boolean } | undefined
    if (options?.include_usage === true) {
      const last = { ...head, object: 'chat.completion.chunk', choices: [], usage: used }
      events.push(`data: ${JSON.stringify(last)}\n\n`)
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' }).end(`${events.join('')}data: [DONE]\n\n`)
  }
}

function openaiCall({ id, name, input }: ToolCall): object {
  return { id, type: 'function', function: { name, arguments: JSON.stringify(input) } }
}

function callDeltas({ id, name, input }: ToolCall, index: number): object[] {
  const start = { tool_calls: [{ index, id, type: 'function', function: { name, arguments: '' } }] }
  const json = JSON.stringify(input).match(/.{1,5}/gs) ?? []
  return [start, ...json.map(piece => ({ tool_calls: [{ index, function: { arguments: piece } }] }))]
}

function beginning(text: string, then: (response: Parameters<Script>[1]) => void): Script {
  return async (seen, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(chunk(String(seen.body['model']), { role: 'assistant', content: text }), () => then(response))
    await seen.gone
  }
}

function pieces(text: string): string[] {
  return text.match(/\s*\S+/g) ?? []
}

function json(headers: Record<string, string> = {}): Record<string, string> {
  return { 'content-type': 'application/json', ...headers }
}
