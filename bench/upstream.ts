// The mock provider behind every target of the bench: `node bench/upstream.ts --port N` (0: any free port).
// Raw sockets and a minimal parser, so that it takes as little as possible of the cores it shares with the target.
import { STATUS_CODES } from 'node:http'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { parseArgs } from 'node:util'
import { Http1Error, Http1Parser, saysClose, type Http1Sink } from './http1.ts'
import { AskError, errorBody, readAsk, streamText, wholeBody, type ChatAsk } from './mock.ts'

/** What the upstream counted since its start or the last POST /reset; `active` and `connections` are of now. */
export type UpstreamStats = {
  /** Chat calls, whatever became of them. */
  requests: number
  /** Whole replies sent with 200. */
  whole: number
  /** Streams begun, and those sent to their last byte. */
  streams: number
  streamsDone: number
  /** Refused because they were wrong (400, 404, 405), and errors that a directive asked for. */
  refused: number
  failed: number
  /** Calls whose caller left before the end of the reply, and connections cut by a directive. */
  clientGone: number
  cut: number
  /** Text pieces of streams sent. */
  chunks: number
  /** Tokens reported in usage, by replies that went out with 200. */
  promptTokens: number
  completionTokens: number
  active: number
  connections: number
}

type Request = { method: string; path: string; body: string; close: boolean }

const MAX_BODY = 64 * 1024 * 1024
const MAX_QUEUED = 64
const BATCH = 32 * 1024

function zeroStats(): UpstreamStats {
  return {
    requests: 0,
    whole: 0,
    streams: 0,
    streamsDone: 0,
    refused: 0,
    failed: 0,
    clientGone: 0,
    cut: 0,
    chunks: 0,
    promptTokens: 0,
    completionTokens: 0,
    active: 0,
    connections: 0,
  }
}

function framed(text: string): string {
  return `${text.length.toString(16)}\r\n${text}\r\n`
}

/** One client connection: replies leave in the order in which requests came, also when they were pipelined. */
class Connection implements Http1Sink {
  #socket: Socket
  #stats: UpstreamStats
  #parser = new Http1Parser('request', this)
  #queue: Request[] = []
  #current: Request | undefined
  #reading: Request | undefined
  #parts: Buffer[] = []
  #size = 0
  #timer: NodeJS.Timeout | undefined
  /** How many pieces the running stream sent, for the count when it ends early. */
  #sent: (() => number) | undefined

  constructor(socket: Socket, stats: UpstreamStats) {
    this.#socket = socket
    this.#stats = stats
    stats.connections++
    socket.on('data', bytes => typeof bytes === 'string' || this.#read(bytes))
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#closed())
  }

  onHead(start: string, head: string): void {
    const [method = '', target = ''] = start.split(' ')
    const query = target.indexOf('?')
    this.#reading = { method, path: query < 0 ? target : target.slice(0, query), body: '', close: saysClose(head) }
    this.#parts.length = 0
    this.#size = 0
    if (/\r\nexpect:[ \t]*100-continue/i.test(head)) this.#socket.write('HTTP/1.1 100 Continue\r\n\r\n', 'latin1')
  }

  onBody(bytes: Buffer): void {
    this.#size += bytes.length
    if (this.#size > MAX_BODY) throw new Http1Error('body over 64 MiB')
    this.#parts.push(bytes)
  }

  onEnd(): void {
    const request = this.#reading
    if (request === undefined) return
    const [first] = this.#parts
    if (first !== undefined) request.body = (this.#parts.length === 1 ? first : Buffer.concat(this.#parts)).toString()
    this.#parts.length = 0
    this.#queue.push(request)
    if (this.#queue.length > MAX_QUEUED) this.#socket.pause()
    this.#next()
  }

  #read(bytes: Buffer): void {
    try {
      this.#parser.push(bytes)
    } catch (error) {
      if (!(error instanceof Http1Error)) throw error
      this.#stats.refused++
      this.#socket.removeAllListeners('data')
      if (this.#current !== undefined) this.#socket.destroy()
      else this.#refuse(error.message)
    }
  }

  #refuse(message: string): void {
    this.#current = { method: '', path: '', body: '', close: true }
    this.#reply(400, errorBody(400, message), 'Connection: close\r\n')
  }

  #next(): void {
    if (this.#current !== undefined) return
    const request = this.#queue.shift()
    if (request === undefined) return
    if (this.#socket.isPaused()) this.#socket.resume()
    this.#current = request
    try {
      this.#route(request)
    } catch (error) {
      if (!(error instanceof AskError)) throw error
      this.#stats.refused++
      this.#reply(error.status, errorBody(error.status, error.message))
    }
  }

  #route({ method, path, body }: Request): void {
    const stats = this.#stats
    if (path === '/v1/chat/completions') {
      if (method !== 'POST') throw new AskError(405, 'only POST is allowed here')
      stats.requests++
      stats.active++
      this.#chat(readAskCounted(body, stats))
    } else if (method === 'GET' && path === '/stats') {
      this.#reply(200, JSON.stringify(stats))
    } else if (method === 'POST' && path === '/reset') {
      const { active, connections } = stats
      this.#reply(200, JSON.stringify(Object.assign(stats, zeroStats(), { active, connections })))
    } else if (method === 'GET' && path === '/health') {
      this.#reply(200, '{"status":"ok"}')
    } else {
      throw new AskError(404, `no such endpoint: ${method} ${path.slice(0, 100)}`)
    }
  }

  #chat(ask: ChatAsk): void {
    const { latency } = ask.directives
    if (latency > 0) this.#timer = setTimeout(() => this.#answer(ask), latency)
    else this.#answer(ask)
  }

  #answer(ask: ChatAsk): void {
    const stats = this.#stats
    const { status, retry, cut } = ask.directives
    if (cut === 0 || (cut > 0 && !ask.stream)) {
      this.#cutNow()
    } else if (status !== 200) {
      stats.failed++
      stats.active--
      this.#reply(status, errorBody(status, 'asked for'), retry > 0 ? `Retry-After: ${retry}\r\n` : '')
    } else if (ask.stream) {
      stats.streams++
      this.#stream(ask)
    } else {
      stats.whole++
      stats.active--
      stats.promptTokens += ask.promptTokens
      stats.completionTokens += ask.directives.chunks
      this.#reply(200, wholeBody(ask, stats.requests))
    }
  }

  #stream(ask: ChatAsk): void {
    const text = streamText(ask, this.#stats.requests)
    const head =
      `HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n` +
      `x-request-id: req_mock${this.#stats.requests}\r\nTransfer-Encoding: chunked\r\n\r\n`
    this.#socket.write(head + framed(text.opening), 'latin1')
    const { delay, chunks, cut } = ask.directives
    const start = performance.now()
    let seq = 0
    const step = (): void => {
      do {
        if (seq === cut) return this.#cutNow()
        if (seq === chunks) return this.#finishStream(ask, text.ending)
        let out = framed(text.piece(seq++))
        if (delay === 0) while (seq < chunks && seq !== cut && out.length < BATCH) out += framed(text.piece(seq++))
        if (!this.#socket.write(out, 'latin1')) return void this.#socket.once('drain', again)
      } while (delay === 0 || seq === chunks)
      again()
    }
    const again = (): void => {
      if (delay === 0 || seq === chunks) step()
      else this.#timer = setTimeout(step, Math.max(0, start + (seq + 1) * delay - performance.now()))
    }
    this.#sent = () => seq
    again()
  }

  #cutNow(): void {
    this.#stats.cut++
    this.#stats.active--
    this.#current = undefined
    this.#socket.resetAndDestroy()
  }

  #finishStream(ask: ChatAsk, ending: string): void {
    const stats = this.#stats
    stats.streamsDone++
    stats.active--
    stats.chunks += ask.directives.chunks
    stats.promptTokens += ask.promptTokens
    stats.completionTokens += ask.directives.chunks
    this.#sent = undefined
    this.#socket.write(`${framed(ending)}0\r\n\r\n`, 'latin1')
    this.#done()
  }

  #reply(status: number, body: string, headers = ''): void {
    this.#socket.write(
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Status'}\r\nContent-Type: application/json\r\n${headers}` +
        `x-request-id: req_mock${this.#stats.requests}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      'latin1',
    )
    this.#done()
  }

  #done(): void {
    const request = this.#current
    this.#current = undefined
    if (request?.close === true) this.#socket.end()
    else if (this.#queue.length > 0) setImmediate(() => this.#next())
  }

  #closed(): void {
    clearTimeout(this.#timer)
    this.#stats.connections--
    this.#stats.chunks += this.#sent?.() ?? 0
    if (this.#current === undefined) return
    this.#stats.active--
    this.#stats.clientGone++
  }
}

function readAskCounted(body: string, stats: UpstreamStats): ChatAsk {
  try {
    return readAsk(body)
  } catch (error) {
    stats.active--
    throw error
  }
}

/** A running mock upstream; `url` has no path (add /v1/chat/completions), `stats` is live. */
export type Upstream = { url: string; stats: UpstreamStats; stop(): Promise<void> }

/** Starts the mock upstream in this process, on the loopback address unless told otherwise; port 0 takes any free one. */
export async function startUpstream(port = 0, host = '127.0.0.1'): Promise<Upstream> {
  const stats = zeroStats()
  const sockets = new Set<Socket>()
  const server: Server = createServer({ noDelay: true }, socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    new Connection(socket, stats)
  })
  const listening = Promise.withResolvers<void>()
  server.once('error', listening.reject)
  server.listen({ port, host, backlog: 4096 }, () => listening.resolve())
  await listening.promise
  const { port: taken } = server.address() as AddressInfo
  const stop = (): Promise<void> =>
    new Promise(resolve => {
      server.close(() => resolve())
      for (const socket of sockets) socket.destroy()
    })
  return { url: `http://${host}:${taken}`, stats, stop }
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { port: { type: 'string', default: '9100' } } })
  const upstream = await startUpstream(Number(values.port))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(0))
  console.log(`listening on ${upstream.url}`)
}
