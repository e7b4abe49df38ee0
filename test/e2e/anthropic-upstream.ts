// Anthropic's Messages API for tests: strict by anthropic-rules.ts, scripted in what it answers.
import { messagesDoor, signatureOf } from './anthropic-rules.ts'
import { raw, type Script, type Seen, startUpstream, type Upstream } from './upstream.ts'

/** A block of an answer. */
export type Block =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'thinking'; readonly thinking: string; readonly signature: string }
  | { readonly type: 'redacted_thinking'; readonly data: string }
  | { readonly type: 'tool_use'; readonly id: string; readonly name: string; readonly input: object }

/** What an answer says beside its blocks. */
export interface Ending {
  readonly reason?: string
  readonly sequence?: string
  readonly usage?: object
}

/** Starts one whose thoughts only it knows to be its own; see `signed`. */
export function startAnthropic(answer: Script = message([text('Hello!')]), secret = 'one'): Promise<Upstream> {
  return startUpstream(answer, messagesDoor(secret))
}

export function text(words: string): Block {
  return { type: 'text', text: words }
}

/** A thought with the signature of the provider with this secret. */
export function signed(thinking: string, secret = 'one'): Block {
  return { type: 'thinking', thinking, signature: signatureOf(thinking, secret) }
}

export function toolUse(name: string, input: object, id = `toolu_${name}_1`): Block {
  return { type: 'tool_use', id, name, input }
}

/** A usage object; `prompt` counts cached and written tokens too. */
export function usage(prompt: number, output: number, { read = 0, written = 0 } = {}): object {
  return {
    input_tokens: prompt - read - written,
    cache_creation_input_tokens: written,
    cache_read_input_tokens: read,
    output_tokens: output,
  }
}

/** A whole message, or the same as a stream when that was asked for. */
export function message(blocks: readonly Block[], ending: Ending = {}): Script {
  return (seen, response) => {
    if (seen.body['stream'] === true) {
      response.writeHead(200, streamHeaders()).end(events(seen, blocks, ending).join(''))
      return
    }
    const body = { ...head(seen, ending), content: blocks, ...lastWords(blocks, ending) }
    response.writeHead(200, { 'content-type': 'application/json', 'request-id': 'req_test' }).end(JSON.stringify(body))
  }
}

/** The head of a stream. */
export function streamHeaders(): Record<string, string> {
  return { 'content-type': 'text/event-stream; charset=utf-8', 'request-id': 'req_test' }
}

/** One event of a stream. */
export function event(data: { readonly type: string; readonly [member: string]: unknown }): string {
  return `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`
}

/** The events that tell a message, in small pieces, with a ping among them. */
export function events(seen: Seen, blocks: readonly Block[], ending: Ending = {}): string[] {
  const { usage: said, ...start } = head(seen, ending)
  const { stop_reason, stop_sequence } = lastWords(blocks, ending)
  return [
    event({ type: 'message_start', message: { ...start, usage: { ...said, output_tokens: 1 } } }),
    event({ type: 'ping' }),
    ...blocks.flatMap((block, index) => blockEvents(block, index)),
    event({ type: 'message_delta', delta: { stop_reason, stop_sequence }, usage: said }),
    event({ type: 'message_stop' }),
  ]
}

/** Begins a stream and says `words`; what then happens is the caller's. */
export function begin(seen: Seen, words: string): string {
  return events(seen, [text(words)])
    .slice(0, -3)
    .join('')
}

/** An error as the API words it. */
export function failure(type: string, words: string): string {
  return JSON.stringify({ type: 'error', error: { type, message: words }, request_id: 'req_test' })
}

/** A status with such an error. */
export function failing(status: number, type: string, words: string, headers: Record<string, string> = {}): Script {
  return raw(status, failure(type, words), { 'content-type': 'application/json', 'request-id': 'req_test', ...headers })
}

/** An answer of count_tokens. */
export function count(tokens: number): Script {
  return raw(200, JSON.stringify({ input_tokens: tokens }))
}

function head({ body }: Seen, { usage: said = usage(10, 5) }: Ending): Record<string, unknown> & { usage: object } {
  const id = 'msg_01Test'
  const empty = { content: [], stop_reason: null, stop_sequence: null }
  return { id, type: 'message', role: 'assistant', model: `${String(body['model'])}`, ...empty, usage: said }
}

function lastWords(blocks: readonly Block[], { reason, sequence }: Ending): Record<string, unknown> {
  const called = blocks.some(({ type }) => type === 'tool_use')
  return { stop_reason: reason ?? (called ? 'tool_use' : 'end_turn'), stop_sequence: sequence ?? null }
}

function blockEvents(block: Block, index: number): string[] {
  const { start, deltas } = told(block)
  return [
    event({ type: 'content_block_start', index, content_block: start }),
    ...deltas.map(delta => event({ type: 'content_block_delta', index, delta })),
    event({ type: 'content_block_stop', index }),
  ]
}

function told(block: Block): { start: object; deltas: readonly object[] } {
  switch (block.type) {
    case 'text': {
      const deltas = (block.text.match(/\s*\S+/g) ?? []).map(piece => ({ type: 'text_delta', text: piece }))
      return { start: { ...block, text: '' }, deltas }
    }
    case 'thinking': {
      const pieces = (block.thinking.match(/\s*\S+/g) ?? []).map(thinking => ({ type: 'thinking_delta', thinking }))
      const deltas = [...pieces, { type: 'signature_delta', signature: block.signature }]
      return { start: { type: 'thinking', thinking: '', signature: '' }, deltas }
    }
    case 'tool_use': {
      const json = JSON.stringify(block.input)
      const pieces = ['', ...(json.match(/.{1,5}/gs) ?? [])]
      const deltas = pieces.map(partial => ({ type: 'input_json_delta', partial_json: partial }))
      return { start: { ...block, input: {} }, deltas }
    }
    case 'redacted_thinking':
      return { start: block, deltas: [] }
  }
}
