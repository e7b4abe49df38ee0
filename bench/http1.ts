// A small HTTP/1.1 message parser for the mock upstream (requests) and the load generator (responses):
// content-length, chunked and read-until-close bodies, pipelining, bytes split anywhere.

/** Called as the parser finds the parts of a message; `onEnd` comes exactly once for each `onHead`. */
export type Http1Sink = {
  /** `start` is the first line without CRLF, `head` all of the head (that line too) without the blank one; latin1. */
  onHead(start: string, head: string): void
  /** A piece of the body with its framing taken off; only valid during the call unless it is copied. */
  onBody(bytes: Buffer): void
  onEnd(): void
}

/** The bytes are not HTTP/1.1, or over a limit (head 64 KiB, chunk line 1 KiB). The connection is of no more use. */
export class Http1Error extends Error {}

type State = 'head' | 'sized' | 'chunk-size' | 'chunk-data' | 'chunk-end' | 'trailer' | 'until-close'

const EMPTY = Buffer.alloc(0)
const CRLF = Buffer.from('\r\n')
const HEAD_END = Buffer.from('\r\n\r\n')
const MAX_HEAD = 64 * 1024
const MAX_LINE = 1024
const CONTENT_LENGTH = /\r\ncontent-length:[ \t]*([^\r]*)/i
const CHUNKED = /\r\ntransfer-encoding:[^\r]*chunked[ \t]*(?:\r|$)/i
const CLOSE = /\r\nconnection:[^\r]*close/i
const MORE = -1

/** Whether this head says that the connection ends with its message (HTTP/1.0 counts as such). */
export function saysClose(head: string): boolean {
  return CLOSE.test(head) || head.includes('HTTP/1.0')
}

/** Reads messages of one direction off one connection. Interim (1xx) responses are passed over. */
export class Http1Parser {
  #kind: 'request' | 'response'
  #sink: Http1Sink
  #state: State = 'head'
  #rest: Buffer = EMPTY
  #left = 0

  constructor(kind: 'request' | 'response', sink: Http1Sink) {
    this.#kind = kind
    this.#sink = sink
  }

  /** Takes the next bytes of the connection. Throws Http1Error when they cannot be read as HTTP/1.1. */
  push(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    let at = 0
    while (at < bytes.length) {
      const next = this.#step(bytes, at)
      if (next === MORE) break
      at = next
    }
    this.#rest = at === bytes.length ? EMPTY : bytes.subarray(at)
  }

  /** The peer sent its last byte. False when that cut a message short. */
  finish(): boolean {
    if (this.#state === 'until-close') {
      this.#end()
      return true
    }
    return this.#state === 'head' && this.#rest.length === 0
  }

  #step(bytes: Buffer, at: number): number {
    switch (this.#state) {
      case 'head':
        return this.#head(bytes, at)
      case 'sized':
      case 'chunk-data':
        return this.#data(bytes, at)
      case 'chunk-size':
        return this.#chunkSize(bytes, at)
      case 'chunk-end':
        return this.#chunkEnd(bytes, at)
      case 'trailer':
        return this.#trailer(bytes, at)
      case 'until-close':
        this.#sink.onBody(at === 0 ? bytes : bytes.subarray(at))
        return bytes.length
    }
  }

  #head(bytes: Buffer, at: number): number {
    const end = bytes.indexOf(HEAD_END, at)
    if ((end < 0 ? bytes.length : end) - at > MAX_HEAD) throw new Http1Error('head over 64 KiB')
    if (end < 0) return MORE
    const head = bytes.toString('latin1', at, end)
    const line = head.indexOf('\r\n')
    const start = line < 0 ? head : head.slice(0, line)
    this.#checkStart(start)
    if (this.#kind === 'response' && start[9] === '1') return end + 4
    this.#frame(start, head)
    this.#sink.onHead(start, head)
    if (this.#state === 'head') this.#end()
    return end + 4
  }

  #checkStart(start: string): void {
    const good =
      this.#kind === 'request' ? /^[A-Z]+ \S+ HTTP\/1\.[01]$/.test(start) : /^HTTP\/1\.[01] \d{3}/.test(start)
    if (!good) throw new Http1Error(`not a ${this.#kind} line: ${start.slice(0, 80)}`)
  }

  #frame(start: string, head: string): void {
    const length = CONTENT_LENGTH.exec(head)?.[1]
    if (CHUNKED.test(head)) {
      if (length !== undefined) throw new Http1Error('both content-length and transfer-encoding')
      this.#state = 'chunk-size'
    } else if (length !== undefined) {
      if (!/^\d{1,15}[ \t]*$/.test(length)) throw new Http1Error('content-length is not a number')
      this.#left = Number(length)
      this.#state = this.#left === 0 ? 'head' : 'sized'
    } else {
      const bodyless = this.#kind === 'request' || start.startsWith('204', 9) || start.startsWith('304', 9)
      this.#state = bodyless ? 'head' : 'until-close'
    }
  }

  #data(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.#left)
    this.#left -= end - at
    this.#sink.onBody(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end))
    if (this.#left > 0) return end
    if (this.#state === 'sized') this.#end()
    else this.#state = 'chunk-end'
    return end
  }

  #chunkSize(bytes: Buffer, at: number): number {
    const end = this.#lineEnd(bytes, at)
    if (end === MORE) return MORE
    const size = /^([0-9a-f]{1,12})[ \t]*(?:;.*)?$/i.exec(bytes.toString('latin1', at, end))?.[1]
    if (size === undefined) throw new Http1Error('chunk size is not a number')
    this.#left = Number.parseInt(size, 16)
    this.#state = this.#left === 0 ? 'trailer' : 'chunk-data'
    return end + 2
  }

  #chunkEnd(bytes: Buffer, at: number): number {
    if (bytes.length - at < 2) return MORE
    if (bytes[at] !== 13 || bytes[at + 1] !== 10) throw new Http1Error('chunk is longer than its size')
    this.#state = 'chunk-size'
    return at + 2
  }

  #trailer(bytes: Buffer, at: number): number {
    const end = this.#lineEnd(bytes, at)
    if (end === MORE) return MORE
    if (end === at) this.#end()
    return end + 2
  }

  #lineEnd(bytes: Buffer, at: number): number {
    const end = bytes.indexOf(CRLF, at)
    if ((end < 0 ? bytes.length : end) - at > MAX_LINE) throw new Http1Error('line over 1 KiB')
    return end < 0 ? MORE : end
  }

  #end(): void {
    this.#state = 'head'
    this.#sink.onEnd()
  }
}
