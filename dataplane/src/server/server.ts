// The HTTP server: bytes → Call, Reply → bytes, aborts, limits, drain. The only folder that knows node:http.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ListenerName, Route } from '../exchange/route.ts'
import { Refusal } from '../exchange/refusal.ts'
import { type Door, answerRequest } from './answer.ts'
import { plainDialect } from './plain-dialect.ts'
import { Router } from './router.ts'
import { LINGER_MS } from './send.ts'

/** Bytes of headers beyond which a request is refused with 431. */
const MAX_HEADER_BYTES = 32 * 1024
/** Between two looks for idle connections while draining. */
const IDLE_MS = 100

/** One port and what is served there. */
export interface ListenerOptions {
  readonly host: string
  readonly port: number
  readonly names: ReadonlySet<ListenerName>
}

/** A running listener. */
export interface Listener {
  readonly port: number
  /** From now on every answer is the last one on its connection, so that callers turn to another process. */
  leave(): void
  /** Stops accepting; resolves when the last call ended, at most after `graceMs`, then the rest is cut off. */
  drain(graceMs: number): Promise<void>
}

/** Listens. Rejects when the port is taken, naming it. */
export async function listen(routes: readonly Route[], door: Door, options: ListenerOptions): Promise<Listener> {
  const router = new Router(routes, options.names)
  const server = createServer({
    maxHeaderSize: MAX_HEADER_BYTES,
    requestTimeout: 0,
    headersTimeout: door.patienceMs,
    connectionsCheckingInterval: Math.ceil(door.patienceMs / 4),
    requireHostHeader: false, // Node's own answer to that is no JSON; answerRequest looks
    keepAliveTimeout: 75_000,
  })
  let leaving = false
  const newest = new WeakMap<Duplex, ServerResponse>()
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    newest.set(request.socket, response)
    if (leaving) response.shouldKeepAlive = false
    // The answer before it on the same connection has set a timeout of its own.
    if (!response.socket) response.once('socket', socket => socket.setTimeout(0))
    // A reader that takes nothing of a finished answer this long is cut off: what waits for it is memory of ours.
    response.on('prefinish', () => {
      if (response.writableLength > 0) response.setTimeout(door.patienceMs)
    })
    void answerRequest(router, door, request, response)
  }
  server.on('request', handle)
  server.on('checkContinue', handle) // the go-ahead is given where the body is read
  server.on('checkExpectation', handle)
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) =>
    refuseBroken(error, socket, newest.get(socket)),
  )
  // Offers of an upgrade are not taken up and the request is served: Node does so when nobody listens for 'upgrade'.
  server.on('connect', (_request: IncomingMessage, socket: Duplex) =>
    endSocket(socket, new Refusal('method_not_allowed', 'CONNECT is not allowed; this gateway is no forward proxy.')),
  )
  await started(server, options)
  const leave = (): void => void (leaving = true)
  return {
    port: (server.address() as AddressInfo).port,
    leave,
    drain(graceMs) {
      leave()
      return drain(server, graceMs)
    },
  }
}

function started(server: Server, { host, port }: ListenerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const advice =
        error.code === 'EADDRINUSE' ? 'another program listens there; stop it or set another port' : error.message
      reject(new Error(`cannot listen on ${host}:${port}: ${advice}`))
    })
    server.listen(port, host, 4_096, resolve)
  })
}

async function drain(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>(resolve => server.close(() => resolve()))
  // Again and again: a connection whose call began before is kept alive by its caller after the answer.
  const idle = setInterval(() => server.closeIdleConnections(), IDLE_MS)
  server.closeIdleConnections()
  const timer = setTimeout(() => server.closeAllConnections(), graceMs)
  await closed
  clearInterval(idle)
  clearTimeout(timer)
}

/** What the HTTP parser refuses, in JSON all the same: clients parse first and ask later. `newest`: the socket's last answer. */
function refuseBroken(error: NodeJS.ErrnoException, socket: Duplex, newest: ServerResponse | undefined): void {
  if (socket.writableEnded && !socket.destroyed) return // it has its answer and is still sending
  if (error.code === 'ECONNRESET' || !socket.writable || !mayAnswer(newest, socket)) return void socket.destroy()
  endSocket(socket, refusalOfParser(error.code))
}

/** An answer in the middle of another one would be read as its part. One to the very request that is broken is in order. */
function mayAnswer(newest: ServerResponse | undefined, socket: Duplex): boolean {
  if (!newest || newest.writableFinished) return true
  return newest.socket === socket && !newest.headersSent && !newest.req.complete
}

function refusalOfParser(code: string | undefined): Refusal {
  if (code === 'HPE_HEADER_OVERFLOW')
    return new Refusal('headers_too_large', `The request headers are larger than ${MAX_HEADER_BYTES} bytes together.`)
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new Refusal('request_timeout', 'The request headers came too slowly.')
  return new Refusal('request_invalid', `This is not a valid HTTP request (${code ?? 'unreadable'}).`)
}

/** Answers past node:http, throws away what still comes, and closes. */
function endSocket(socket: Duplex, refusal: Refusal): void {
  const body = plainDialect.refuse(refusal, '')
  const timer = setTimeout(() => socket.destroy(), LINGER_MS)
  socket
    .on('close', () => clearTimeout(timer))
    .on('error', () => socket.destroy())
    .resume()
  const head = `HTTP/1.1 ${refusal.status} Refused\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n`
  socket.end(Buffer.concat([Buffer.from(head), body]))
}
