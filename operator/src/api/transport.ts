// One HTTP call to the API server: credentials, the pool, a deadline, one more attempt after a 401, bounded bodies.
import type { Dispatcher, Pool } from 'undici'
import { errorOfAnswer, errorOfFailure } from './api-error.ts'
import { type Clock, systemClock } from './clock.ts'
import { ConnectionPool } from './connection-pool.ts'
import type { ClusterAccess, Credentials } from './kube-config.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

export interface ApiRequest {
  readonly method: Method
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>
  readonly body?: unknown
  readonly contentType?: string
  /** Until the whole answer is there; for `open` until its head is. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

/** Told of each answer: the HTTP status, or "<error>" where none came. */
export type RequestObserver = (method: Method, code: string) => void

/** A page of a list is the largest body there is; anything beyond is refused. */
const MAX_BODY_BYTES = 64 * 1024 * 1024
const MAX_ERROR_BYTES = 64 * 1024

type Answer = Dispatcher.ResponseData

/** An answer of success whose body is still to be read. */
export interface OpenAnswer {
  readonly body: AsyncIterable<Buffer>
  /** Ends the call. */
  cancel(): void
}

export class Transport {
  readonly #access: ClusterAccess
  readonly #pool: ConnectionPool
  readonly #prefix: string
  readonly #onRequest: RequestObserver | undefined
  readonly #closed = new AbortController()

  constructor({ access, onRequest, clock = systemClock }: TransportOptions) {
    const { origin, pathname } = access.server
    this.#access = access
    this.#prefix = pathname.replace(/\/$/, '')
    this.#pool = new ConnectionPool(origin, clock)
    this.#onRequest = onRequest
  }

  /** The whole answer, parsed. Rejects with ApiError. */
  async json(request: ApiRequest): Promise<unknown> {
    const deadline = signalIn(request.timeoutMs)
    const what = describe(request)
    try {
      const { answer, pool } = await this.#ask(request, this.#signals(deadline, request.signal))
      const text = await readText(answer.body, MAX_BODY_BYTES)
      this.#pool.report(pool, true)
      return JSON.parse(text)
    } catch (error) {
      throw errorOfFailure(error, what)
    }
  }

  /** An answer that goes on. Rejects with ApiError when its head is no success or does not come in time. */
  async open(request: ApiRequest): Promise<OpenAnswer> {
    const ended = new AbortController()
    const timer = setTimeout(
      () => ended.abort(new DOMException('no head in time', 'TimeoutError')),
      request.timeoutMs,
    ).unref()
    try {
      const { answer } = await this.#ask(request, this.#signals(ended.signal, request.signal))
      return { body: answer.body, cancel: () => ended.abort() }
    } catch (error) {
      throw errorOfFailure(error, describe(request))
    } finally {
      clearTimeout(timer)
    }
  }

  /** Ends every call and connection. */
  async close(): Promise<void> {
    this.#closed.abort(new Error('the client was closed'))
    await this.#pool.close()
  }

  #signals(own: AbortSignal, callers: AbortSignal | undefined): AbortSignal {
    return AbortSignal.any([own, this.#closed.signal, ...(callers ? [callers] : [])])
  }

  async #ask(request: ApiRequest, signal: AbortSignal): Promise<{ answer: Answer; pool: Pool }> {
    const first = await this.#send(request, signal)
    if (first.answer.statusCode !== 401) return accepted(first)
    // A token or certificate that was replaced after we read it.
    await first.answer.body.dump()
    this.#access.refresh()
    return accepted(await this.#send(request, signal))
  }

  async #send(request: ApiRequest, signal: AbortSignal): Promise<{ answer: Answer; pool: Pool }> {
    const credentials = await this.#access.credentials()
    const pool = this.#pool.take(credentials.tls)
    try {
      const answer = await pool.request({
        method: request.method,
        path: this.#prefix + request.path + queryOf(request),
        headers: headersOf(request, credentials),
        body: request.body === undefined ? null : JSON.stringify(request.body),
        signal,
      })
      this.#pool.report(pool, true)
      this.#onRequest?.(request.method, String(answer.statusCode))
      return { answer, pool }
    } catch (error) {
      if (errorOfFailure(error, '').reason === 'Timeout') this.#pool.report(pool, false)
      this.#onRequest?.(request.method, '<error>')
      throw error
    }
  }
}

export interface TransportOptions {
  readonly access: ClusterAccess
  readonly onRequest?: RequestObserver | undefined
  readonly clock?: Clock
}

async function accepted<T extends { answer: Answer }>(sent: T): Promise<T> {
  const { statusCode, headers, body } = sent.answer
  if (statusCode >= 200 && statusCode < 300) return sent
  const retryAfter = headers['retry-after']
  throw errorOfAnswer(statusCode, await readErrorText(body), typeof retryAfter === 'string' ? retryAfter : undefined)
}

async function readText(body: AsyncIterable<Buffer>, limit: number): Promise<string> {
  const pieces: Buffer[] = []
  let size = 0
  for await (const piece of body) {
    size += piece.length
    if (size > limit) throw new Error(`the answer is larger than ${limit} bytes`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString('utf8')
}

/** An error's body may be cut short, or too long to be one: its status is enough then. */
async function readErrorText(body: AsyncIterable<Buffer>): Promise<string> {
  return readText(body, MAX_ERROR_BYTES).catch(() => '')
}

function headersOf(request: ApiRequest, credentials: Credentials): Record<string, string> {
  return {
    ...credentials.headers,
    accept: 'application/json',
    'user-agent': 'smartflow-operator',
    ...(request.body !== undefined && { 'content-type': request.contentType ?? 'application/json' }),
  }
}

function queryOf({ query = {} }: ApiRequest): string {
  const given = Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]))
  return given.length === 0 ? '' : `?${new URLSearchParams(given).toString()}`
}

function describe({ method, path }: ApiRequest): string {
  return `${method} ${path}`
}

/** Of whole milliseconds: what is left of a time that this process measured is none. Nothing is asked when none is left. */
function signalIn(ms: number): AbortSignal {
  if (ms < 1) return AbortSignal.abort(new DOMException('no time is left for it', 'TimeoutError'))
  return AbortSignal.timeout(Math.floor(ms))
}
