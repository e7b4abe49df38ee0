// A provider for tests: strict in what it accepts, scripted in what it answers. Stands only for paid outside services.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

/** A request as the provider got it. */
export interface Seen {
  /** With its query. */
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly bytes: Buffer
  readonly text: string
  readonly body: Record<string, unknown>
  /** Resolves when the caller of the provider (the gateway) went away before the answer was complete. */
  readonly gone: Promise<void>
}

/** Answers one request. */
export type Script = (seen: Seen, response: ServerResponse) => void | Promise<void>

/** What a provider does not take: its answer in place of a script's. */
export interface Refused {
  readonly status: number
  readonly body: object
}

/** Looks at a request before any script does. `body` is undefined when it is no JSON object. */
export type Door = (
  request: IncomingMessage,
  text: string,
  body: Record<string, unknown> | undefined,
) => Refused | undefined

/** A running provider. */
export interface Upstream {
  /** With `/v1`. */
  readonly url: string
  readonly seen: Seen[]
  /** Answers from now on. */
  answer: Script
  close(): Promise<void>
}

/**
 * Starts a provider that answers `hello` with the usage of `usageOf` unless told otherwise. `host`: an address of this
 * machine, for gateways that do not call the loopback one.
 */
export async function startUpstream(
  answer: Script = whole('Hello!'),
  door: Door = completionsDoor,
  host = '127.0.0.1',
): Promise<Upstream> {
  const seen: Seen[] = []
  const server = createServer((request, response) => void handle(upstream, door, request, response))
  server.keepAliveTimeout = 60_000
  await new Promise<void>(resolve => server.listen(0, host, resolve))
  const { port } = server.address() as AddressInfo
  const upstream: Upstream = { url: `http://${host}:${port}/v1`, seen, answer, close: () => close(server) }
  return upstream
}

async function handle(
  upstream: Upstream,
  door: Door,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  const bytes = Buffer.concat(parts)
  const text = bytes.toString()
  const gone = new Promise<void>(resolve => response.on('close', () => !response.writableFinished && resolve()))
  const body = objectIn(text)
  const refused = door(request, text, body)
  if (refused || !body) {
    const { status, body: said } = refused ?? { status: 400, body: { error: { message: 'not JSON' } } }
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(said))
    return
  }
  const one: Seen = { path: request.url ?? '', headers: request.headers, bytes, text, body, gone }
  upstream.seen.push(one)
  await upstream.answer(one, response)
}

function objectIn(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

/** What any OpenAI-like provider asks of a request. */
export const completionsDoor: Door = (request, text, body) => {
  const refuse = (status: number, message: string): Refused => ({
    status,
    body: { error: { message, type: 'invalid_request_error', code: null } },
  })
  if (request.method !== 'POST' || request.url !== '/v1/chat/completions')
    return refuse(404, `no such endpoint: ${request.method} ${request.url}`)
  if (request.headers.authorization !== 'Bearer upstream-secret')
    return refuse(401, 'the provider does not know this key')
  if (request.headers['accept-encoding'] !== 'identity') return refuse(400, 'accept-encoding must be identity')
  if (Number(request.headers['content-length']) !== Buffer.byteLength(text))
    return refuse(400, 'content-length is wrong')
  if (!body) return refuse(400, 'not JSON')
  if (typeof body['model'] !== 'string' || !Array.isArray(body['messages']))
    return refuse(400, 'model and messages are needed')
  return undefined
}

function close(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise(resolve => server.close(() => resolve()))
}

/** A usage object. */
export function usage(prompt: number, completion: number): object {
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: 0 },
  }
}

/** A whole completion, or the same as a stream when that was asked for. */
export function whole(content: string, used: object = usage(10, 5), more: object = {}): Script {
  return (seen, response) => {
    if (seen.body['stream'] === true) return stream(content.match(/\s*\S+/g) ?? [], used)(seen, response)
    response.writeHead(200, { 'content-type': 'application/json' }).end(
      JSON.stringify({
        id: 'chatcmpl-test',
        object: 'chat.completion',
        created: 1_700_000_000,
        model: `${String(seen.body['model'])}-2026`,
        choices: [
          {
            index: 0,
            message: { role: 'assistant', content, refusal: null, ...more },
            logprobs: null,
            finish_reason: 'stop',
          },
        ],
        usage: used,
      }),
    )
  }
}

/** One chunk of a stream as an event. */
export function chunk(model: string, delta: object, finish: string | null = null): string {
  return `data: ${JSON.stringify({ id: 'chatcmpl-test', object: 'chat.completion.chunk', created: 1_700_000_000, model, choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
}

/** A stream of text pieces, with the usage event only when it was asked for. */
export function stream(pieces: readonly string[], used: object = usage(10, pieces.length)): Script {
  return (seen, response) => {
    const model = `${String(seen.body['model'])}-2026`
    const options = seen.body['stream_options'] as { include_usage?: boolean } | undefined
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(chunk(model, { role: 'assistant', content: '' }))
    for (const piece of pieces) response.write(chunk(model, { content: piece }))
    response.write(chunk(model, {}, 'stop'))
    if (options?.include_usage === true) {
      response.write(
        `data: ${JSON.stringify({ id: 'chatcmpl-test', object: 'chat.completion.chunk', created: 1_700_000_000, model, choices: [], usage: used })}\n\n`,
      )
    }
    response.end('data: [DONE]\n\n')
  }
}

/** Any status with any body. */
export function raw(
  status: number,
  body: string | Buffer,
  headers: Record<string, string> = { 'content-type': 'application/json' },
): Script {
  return (_seen, response) => void response.writeHead(status, headers).end(body)
}

/** Closes the connection without a word. */
export const reset: Script = (_seen, response) => {
  const socket = response.socket as Socket
  socket.resetAndDestroy()
}

/** Never answers. */
export const hang: Script = seen => seen.gone

/** Resolves when the reader took what waits, or went away. */
export function taken(response: ServerResponse): Promise<void> {
  return new Promise(resolve => {
    const go = (): void => {
      response.off('drain', go).off('close', go)
      resolve()
    }
    response.on('drain', go).on('close', go)
  })
}
