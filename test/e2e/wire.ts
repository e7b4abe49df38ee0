// A bare HTTP/1.1 client for tests: sends exactly the bytes it is given, reads what comes back, reply by reply.
import { connect, type Socket } from 'node:net'

/** One reply as it came. `head` is the status line and the headers, with their line ends. */
export interface WireReply {
  readonly status: number
  readonly head: string
  /** By lower-case name; a name that came twice is joined by ", ". */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  /** The body as JSON; undefined when it is none. */
  readonly json: unknown
}

/** How long a reply may take. */
const PATIENCE_MS = 20_000
const LINE_END = '\r\n'
const BLANK_LINE = '\r\n\r\n'

/** One connection. */
export class Wire {
  readonly socket: Socket
  /** Resolves when the connection is closed on both sides. */
  readonly closed: Promise<void>
  #bytes: Buffer = Buffer.alloc(0)
  #ended = false
  #wake: () => void = () => {}

  constructor(socket: Socket) {
    this.socket = socket
    const end = (): void => {
      this.#ended = true
      this.#wake()
    }
    socket.on('data', (part: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, part])
      this.#wake()
    })
    socket.on('end', end).on('error', end)
    this.closed = new Promise(resolve =>
      socket.once('close', () => {
        end()
        resolve()
      }),
    )
  }

  /** Writes without waiting; what the other side does not take is lost silently. */
  send(...parts: readonly (string | Buffer)[]): this {
    for (const part of parts) this.socket.write(part)
    return this
  }

  /** Writes `bytes` of filling in pieces, each with a head and a tail of its own, at the reader's pace. Gives how many were taken. */
  async flood(
    bytes: number,
    frame: (piece: Buffer) => readonly (string | Buffer)[] = piece => [piece],
  ): Promise<number> {
    const piece = Buffer.alloc(1024 * 1024, 'x')
    let taken = 0
    while (taken < bytes && !this.socket.destroyed) {
      await new Promise<void>(resolve => {
        const go = (): void => {
          this.socket.off('close', go)
          resolve()
        }
        this.socket.once('close', go)
        this.socket.write(Buffer.concat(frame(piece).map(part => Buffer.from(part))), go)
      })
      taken += piece.length
    }
    return taken
  }

  /** The next reply; `toHead` when the request was HEAD. Rejects when the connection ends before it is complete. */
  async next(toHead = false): Promise<WireReply> {
    const end = Date.now() + PATIENCE_MS
    for (;;) {
      const found = parse(this.#bytes, { ended: this.#ended, toHead })
      if (found) {
        this.#bytes = found.rest
        return found.reply
      }
      if (this.#ended)
        throw new Error(
          `the connection ended before a reply was complete; it said: ${this.#bytes.toString('latin1').slice(0, 500)}`,
        )
      if (Date.now() > end)
        throw new Error(
          `no complete reply within ${PATIENCE_MS} ms; so far: ${this.#bytes.toString('latin1').slice(0, 500)}`,
        )
      await this.#more(end)
    }
  }

  /** What came and was not taken by `next`. */
  get rest(): string {
    return this.#bytes.toString('latin1')
  }

  destroy(): void {
    this.socket.destroy()
  }

  #more(end: number): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(resolve, Math.max(1, end - Date.now()))
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

/** Connects. `halfOpen`: this side goes on when the other has ended. */
export function openWire(address: string, { halfOpen = false } = {}): Promise<Wire> {
  const { hostname, port } = new URL(address)
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: halfOpen, noDelay: true })
    socket.once('connect', () => resolve(new Wire(socket))).once('error', reject)
  })
}

/** Sends bytes on a connection of their own and gives the one reply. */
export async function exchange(address: string, ...parts: readonly (string | Buffer)[]): Promise<WireReply> {
  const wire = await openWire(address)
  try {
    return await wire.send(...parts).next()
  } finally {
    wire.destroy()
  }
}

/** A request as bytes. `content-length` is set for a body unless it (or a transfer-encoding) is among the headers. */
export function request(line: string, headers: readonly string[] = [], body: string | Buffer = ''): Buffer {
  const bytes = Buffer.from(body)
  const framed = headers.some(header => /^(content-length|transfer-encoding)/i.test(header))
  const length = bytes.length > 0 && !framed ? [`content-length: ${bytes.length}`] : []
  const head = [`${line} HTTP/1.1`, 'host: gateway.test', ...headers, ...length].join(LINE_END)
  return Buffer.concat([Buffer.from(head + BLANK_LINE, 'latin1'), bytes])
}

/** A piece of a body with `transfer-encoding: chunked`. */
export function chunked(piece: Buffer): readonly (string | Buffer)[] {
  return [piece.length.toString(16) + LINE_END, piece, LINE_END]
}

interface Parsed {
  readonly reply: WireReply
  readonly rest: Buffer
}

function parse(bytes: Buffer, how: { readonly ended: boolean; readonly toHead: boolean }): Parsed | undefined {
  const headEnd = bytes.indexOf(BLANK_LINE)
  if (headEnd < 0) return undefined
  const head = bytes.toString('latin1', 0, headEnd + LINE_END.length)
  const [statusLine = '', ...lines] = head.trimEnd().split(LINE_END)
  const status = Number(/^HTTP\/1\.1 (\d{3})( |$)/.exec(statusLine)?.[1])
  if (Number.isNaN(status)) throw new Error(`not a reply: ${statusLine}`)
  const headers = headersOf(lines)
  const taken = bodyOf(bytes.subarray(headEnd + BLANK_LINE.length), {
    ...how,
    headers,
    bodiless: how.toHead || status < 200,
  })
  return taken && { reply: { status, head, headers, body: taken.body, json: readJson(taken.body) }, rest: taken.rest }
}

function headersOf(lines: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).trim()
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`
  }
  return headers
}

interface Framing {
  readonly headers: Readonly<Record<string, string>>
  readonly ended: boolean
  readonly bodiless: boolean
}

function bodyOf(bytes: Buffer, { headers, ended, bodiless }: Framing): { body: Buffer; rest: Buffer } | undefined {
  if (bodiless) return { body: Buffer.alloc(0), rest: bytes }
  if (headers['transfer-encoding'] === 'chunked') return unchunk(bytes)
  const length = headers['content-length']
  if (length === undefined) return ended ? { body: bytes, rest: Buffer.alloc(0) } : undefined
  return bytes.length < Number(length)
    ? undefined
    : { body: bytes.subarray(0, Number(length)), rest: bytes.subarray(Number(length)) }
}

function unchunk(bytes: Buffer): { body: Buffer; rest: Buffer } | undefined {
  const parts: Buffer[] = []
  let at = 0
  for (;;) {
    const lineEnd = bytes.indexOf(LINE_END, at)
    if (lineEnd < 0) return undefined
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16)
    const end = lineEnd + LINE_END.length + size + LINE_END.length
    if (bytes.length < end) return undefined
    if (size === 0) return { body: Buffer.concat(parts), rest: bytes.subarray(end) }
    parts.push(bytes.subarray(lineEnd + LINE_END.length, end - LINE_END.length))
    at = end
  }
}

function readJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}
