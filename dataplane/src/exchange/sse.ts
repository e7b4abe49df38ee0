// The byte-exact SSE splitter. Fuzzed: whatever way the bytes were cut, the frames joined are the bytes that came.
import { Pieces } from './pieces.ts'

const LF = 0x0a
const CR = 0x0d

/** An SSE event as its fields say; unknown fields and comments are left out. */
export interface SseEvent {
  readonly event: string | undefined
  readonly data: string
}

/** The longest boundary is CR LF CR LF: three bytes of it may stand in the chunk before. */
const SEAM_BYTES = 3
const NOTHING = Buffer.alloc(0)

/** An event that never ends is cut off beyond this many bytes (an image in one chunk is ~10 MB). */
export const MAX_EVENT_BYTES = 32 * 1024 * 1024

/**
 * Cuts a byte stream at event boundaries (a blank line: LF LF, CR LF CR LF, or CR CR). `push` gives the longest run of
 * whole events, unsplit and without copying when the chunk already ends on a boundary; `rest` what is left at the end.
 */
export class SseAligner {
  /** An event that is not whole; joined only then: a long one would be copied again with each of its chunks. */
  readonly #held = new Pieces()
  /** The last bytes that are held: a boundary may begin in them and end in the next chunk. */
  #seam: Buffer = NOTHING

  /** Whole events out of what came so far, or undefined. Throws a RangeError when one event exceeds MAX_EVENT_BYTES. */
  push(chunk: Buffer): Buffer | undefined {
    const end = lastBoundary(chunk, 0) || this.#acrossSeam(chunk)
    if (end === 0) {
      this.#hold(chunk)
      return undefined
    }
    const whole = end === chunk.length ? chunk : chunk.subarray(0, end)
    this.#held.add(whole)
    const events = this.#held.all()
    this.#held.clear()
    this.#seam = NOTHING
    if (end < chunk.length) this.#hold(chunk.subarray(end))
    return events
  }

  /** Bytes after the last boundary: empty when the stream ended in order. */
  rest(): Buffer {
    return this.#held.all()
  }

  /** Index in `chunk` after a boundary that began in what is held; 0 when there is none. */
  #acrossSeam(chunk: Buffer): number {
    if (this.#seam.length === 0) return 0
    const bytes = Buffer.concat([this.#seam, chunk.subarray(0, SEAM_BYTES)])
    return Math.max(0, lastBoundary(bytes, this.#seam.length - 1) - this.#seam.length)
  }

  #hold(rest: Buffer): void {
    this.#held.add(rest)
    if (this.#held.bytes > MAX_EVENT_BYTES) throw new RangeError(`an SSE event exceeds ${MAX_EVENT_BYTES} bytes`)
    this.#seam = (rest.length < SEAM_BYTES ? Buffer.concat([this.#seam, rest]) : rest).subarray(-SEAM_BYTES)
  }
}

/** Index after the last blank line at or behind `from`; 0 when there is none. */
function lastBoundary(bytes: Buffer, from: number): number {
  for (let at = bytes.length - 1; at > from; at--) {
    const code = bytes[at]
    if (code === LF && (bytes[at - 1] === LF || endsCrLfLine(bytes, at))) return at + 1
    if (code === CR && bytes[at - 1] === CR && bytes[at + 1] !== LF) return at + 1
  }
  return 0
}

/** True for … LF CR LF and … CR CR LF: the line that ends at `at` is empty. */
function endsCrLfLine(bytes: Buffer, at: number): boolean {
  return bytes[at - 1] === CR && (bytes[at - 2] === LF || bytes[at - 2] === CR)
}

/** Splits whole events apart: each part ends behind its blank line; joined they are `bytes`. */
export function splitEvents(bytes: Buffer): Buffer[] {
  const parts: Buffer[] = []
  let start = 0
  let lineStart = 0
  let at = 0
  while (at < bytes.length) {
    const width = lineBreak(bytes, at)
    if (width === 0) {
      at++
      continue
    }
    const empty = at === lineStart
    at += width
    lineStart = at
    if (!empty) continue
    parts.push(bytes.subarray(start, at))
    start = at
  }
  if (start < bytes.length) parts.push(bytes.subarray(start))
  return parts
}

/** Width of the line break at `at`: 2 for CR LF, 1 for LF or CR, 0 for none. */
function lineBreak(bytes: Buffer, at: number): number {
  const code = bytes[at]
  if (code === LF) return 1
  if (code !== CR) return 0
  return bytes[at + 1] === LF ? 2 : 1
}

/** A stream may begin with it, and readers take it out. */
const BYTE_ORDER_MARK = '\uFEFF'

function textOf(bytes: Buffer): string {
  const text = bytes.toString('utf8')
  return text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text
}

/** Reads one event's fields (WHATWG HTML, server-sent events): `data` lines are joined by LF. */
export function readEvent(bytes: Buffer): SseEvent {
  let event: string | undefined
  const data: string[] = []
  for (const line of textOf(bytes).split(/\r\n|\n|\r/)) {
    const colon = line.indexOf(':')
    if (colon === 0) continue
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(line.charCodeAt(colon + 1) === 0x20 ? colon + 2 : colon + 1)
    if (field === 'data') data.push(value)
    else if (field === 'event') event = value
  }
  return { event, data: data.join('\n') }
}

/** The event with other data, which stands where its first data line stood; its other fields stay byte for byte. */
export function withData(event: Buffer, data: string): Buffer {
  const lines = textOf(event).split(/(\r\n|\n|\r)/)
  let out = ''
  let placed = false
  for (let at = 0; at < lines.length; at += 2) {
    const [line = '', end = ''] = lines.slice(at, at + 2)
    if (!/^data(?::|$)/.test(line)) {
      out += line + end
    } else if (!placed) {
      placed = true
      for (const part of data.split(/\r\n|\n|\r/)) out += `data: ${part}${end}`
    }
  }
  return Buffer.from(out)
}
