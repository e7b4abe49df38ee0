// One keep-alive connection of the load generator: raw socket, one request at a time, the reply handed on as it comes.
import { connect, type Socket } from 'node:net'
import { Http1Parser, saysClose } from './http1.ts'

/** Hears of one reply. `onDone` comes exactly once and last; `failure` says why there is no whole reply. */
export type ReplySink = {
  /** `head` is the whole head, latin1. */
  onHead(status: number, head: string): void
  /** A piece of the body, only valid during the call. */
  onBody(bytes: Buffer): void
  onDone(failure?: string): void
}

/** Opens when first used, and again after the server closed it. Not for more than one request at a time. */
export class RawConnection {
  #host: string
  #port: number
  #socket: Socket | undefined
  #sink: ReplySink | undefined
  #close = false

  constructor(url: URL) {
    this.#host = url.hostname.replace(/^\[|\]$/g, '')
    this.#port = Number(url.port || 80)
  }

  /** Sends an HTTP/1.1 request whose text is latin1, framing included. Throws when a request is under way. */
  send(request: string, sink: ReplySink): void {
    if (this.#sink !== undefined) throw new Error('this connection waits for a reply')
    this.#sink = sink
    const socket = this.#socket ?? this.#open()
    socket.write(request, 'latin1')
  }

  /** Closes the connection; a request that was under way ends with `reason` as its failure. */
  destroy(reason = 'closed by the load generator'): void {
    const socket = this.#socket
    this.#socket = undefined
    socket?.destroy()
    this.#finish(reason)
  }

  #open(): Socket {
    const socket = connect({ host: this.#host, port: this.#port, noDelay: true })
    this.#socket = socket
    const parser = new Http1Parser('response', {
      onHead: (start, head) => {
        this.#close = saysClose(head)
        this.#sink?.onHead(Number(start.slice(9, 12)), head)
      },
      onBody: bytes => this.#sink?.onBody(bytes),
      onEnd: () => this.#replied(socket),
    })
    socket.on('data', bytes => {
      try {
        if (typeof bytes !== 'string') parser.push(bytes)
      } catch (error) {
        this.#lost(socket, `not HTTP: ${String(error)}`)
      }
    })
    socket.on('end', () => {
      parser.finish()
      this.#lost(socket, 'connection ended before the reply did')
    })
    socket.on('error', (error: NodeJS.ErrnoException) => this.#lost(socket, error.code ?? error.message))
    socket.on('close', () => this.#lost(socket, 'connection closed before the reply ended'))
    return socket
  }

  #replied(socket: Socket): void {
    if (this.#close && this.#socket === socket) {
      this.#socket = undefined
      socket.end()
    }
    this.#finish()
  }

  #lost(socket: Socket, failure: string): void {
    if (this.#socket !== socket) return
    this.#socket = undefined
    socket.destroy()
    this.#finish(failure)
  }

  #finish(failure?: string): void {
    const sink = this.#sink
    this.#sink = undefined
    sink?.onDone(failure)
  }
}
