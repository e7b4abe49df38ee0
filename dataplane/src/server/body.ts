// Reads a request body: bounded in bytes, and in the time a slow sender may take.
import type { IncomingMessage } from 'node:http'
import { Pieces } from '../exchange/pieces.ts'
import { callOff, setDeadline } from '../exchange/deadlines.ts'
import { Refusal } from '../exchange/refusal.ts'
import { turnsEnd } from '../exchange/turn.ts'

/**
 * Bounds of a body. `patienceMs`: within each such span at least `MIN_BYTES_PER_SPAN` bytes must come. `goAhead` tells a
 * caller that waits for it (`Expect: 100-continue`) to send.
 */
export interface BodyLimits {
  readonly maxBytes: number
  readonly patienceMs: number
  goAhead(): void
}

const MIN_BYTES_PER_SPAN = 16 * 1024

/** The whole body. Rejects with `body_too_large`, `media_type`, `request_timeout` or `client_gone`. */
export async function readBody(request: IncomingMessage, limits: BodyLimits): Promise<Buffer> {
  const { 'content-length': declared, 'content-encoding': encoding = 'identity', expect } = request.headers
  if (Number(declared ?? 0) > limits.maxBytes) throw tooLarge(limits.maxBytes)
  if (encoding !== 'identity') throw compressed(encoding)
  if (expect?.toLowerCase() === '100-continue') limits.goAhead()
  // Nearly every body came with its head, and is whole when the turn ends.
  await turnsEnd()
  if (request.destroyed) throw gone()
  return request.complete ? taken(request, limits) : gather(request, limits)
}

/** Piece by piece: one `read()` gives no more than one of them, however many there are. */
function taken(request: IncomingMessage, { maxBytes }: BodyLimits): Buffer {
  const pieces = new Pieces()
  for (;;) {
    const piece: Buffer | null = request.read()
    if (piece === null) return pieces.all()
    pieces.add(piece)
    if (pieces.bytes > maxBytes) throw tooLarge(maxBytes)
  }
}

function gather(request: IncomingMessage, { maxBytes, patienceMs }: BodyLimits): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces = new Pieces()
    let lastSpan = 0
    let open = true
    const check = (): void => {
      if (pieces.bytes - lastSpan < MIN_BYTES_PER_SPAN) return end(tooSlow(patienceMs))
      lastSpan = pieces.bytes
      setDeadline(check, patienceMs)
    }
    const end = (refusal?: Refusal): void => {
      if (!open) return
      open = false
      callOff(check)
      if (refusal) reject(refusal)
      else resolve(pieces.all())
      pieces.clear()
    }
    // Every request closes: the refusal is only made for one that was still coming.
    const left = (): void => {
      if (open) end(gone())
    }
    setDeadline(check, patienceMs)
    request.on('data', (part: Buffer) => {
      if (!open) return
      pieces.add(part)
      if (pieces.bytes > maxBytes) end(tooLarge(maxBytes))
    })
    request.on('end', () => end())
    request.on('close', left)
    request.on('error', left)
  })
}

function tooLarge(maxBytes: number): Refusal {
  return new Refusal(
    'body_too_large',
    `The request body is larger than ${maxBytes} bytes, the limit of this gateway (AIGateway defaults.maxBodyBytes).`,
  )
}

function gone(): Refusal {
  return new Refusal('client_gone', 'The caller went away before the body was complete.')
}

function compressed(encoding: string): Refusal {
  return new Refusal(
    'media_type',
    `The request body has the content-encoding "${encoding.slice(0, 40)}"; send it uncompressed.`,
  )
}

function tooSlow(patienceMs: number): Refusal {
  return new Refusal(
    'request_timeout',
    `The request body came too slowly: less than ${MIN_BYTES_PER_SPAN} bytes within ${patienceMs / 1_000} s.`,
  )
}
