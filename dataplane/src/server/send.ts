// Writes replies: a whole one with its length once it is complete, a stream frame by frame at the reader's pace.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { formatUSD } from '@smartflow/core/money'
import { factOf } from '../exchange/facts.ts'
import type { Dialect } from '../exchange/dialect.ts'
import type { Refusal } from '../exchange/refusal.ts'
import type { Frame, Reply } from '../exchange/reply.ts'
import type { Received } from '../exchange/stage.ts'
import { type HeaderList, PROVIDER_ID, refusalHeaders, replyHeaders } from './reply-headers.ts'

const STREAM_HEADERS: HeaderList = [
  'content-type: text/event-stream; charset=utf-8',
  'cache-control: no-cache, no-transform',
  'x-accel-buffering: no',
].flatMap(line => line.split(': '))
const JSON_TYPE: HeaderList = ['content-type', 'application/json']
const COST_HEADER = 'x-smartflow-response-cost'
/** After an early refusal the rest of an upload is thrown away this long, so that the caller reads the answer and not a reset. */
export const LINGER_MS = 5_000

/** Names an error for the caller; what is no refusal is told to the log. */
type Named = (error: unknown) => Refusal

/** Sends the reply of a call. Rejects with what the frames threw before the head was sent; later errors go into the stream. */
export async function sendReply(
  response: ServerResponse,
  exchange: Received,
  reply: Reply,
  named: Named,
): Promise<void> {
  if (reply.streams) return sendStream(response, exchange, reply, named)
  const body = await gather(reply)
  const headers = headOf(exchange, reply)
  headers.push(...JSON_TYPE)
  const text = body.toString('latin1')
  const { dialect } = exchange.call
  sendText(
    response,
    reply.status,
    reply.status === 200 ? dialect.decorate(text, decorationOf(exchange, reply)) : text,
    headers,
  )
}

/** Sends a refusal in the caller's dialect; inside a stream that has begun, as its last event. */
export function sendRefusal(
  response: ServerResponse,
  refusal: Refusal,
  dialect: Pick<Dialect, 'refuse'>,
  requestId: string,
): void {
  if (response.headersSent || response.destroyed) {
    response.destroy()
    return
  }
  const body = dialect.refuse(refusal, requestId)
  sendBytes(response, refusal.status, body, [...refusalHeaders(refusal, requestId), ...JSON_TYPE])
}

/** Sends a complete body. */
export function sendBytes(response: ServerResponse, status: number, body: Buffer, headers: HeaderList): void {
  sendText(response, status, body.toString('latin1'), headers)
}

/** The same of a body whose characters are its bytes: head and body leave in one write, which Node only does for strings. */
function sendText(response: ServerResponse, status: number, body: string, headers: HeaderList): void {
  const uploading = isUploading(response.req)
  if (uploading && response.req.headers.expect !== undefined) headers.push('connection', 'close')
  headers.push('content-length', String(body.length))
  response.writeHead(status, headers)
  if (uploading) endAfterUpload(response, body)
  else response.end(body, 'latin1')
}

function isUploading({ complete, headers }: IncomingMessage): boolean {
  return !complete && (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined)
}

/** Sends the body at once, and ends the answer (which may close the connection) when the upload has ended. */
function endAfterUpload(response: ServerResponse, body: string): void {
  const { req } = response
  response.write(body, 'latin1')
  const timer = setTimeout(() => req.destroy(), LINGER_MS)
  const end = (): void => {
    clearTimeout(timer)
    response.end()
  }
  req.on('close', end).resume()
}

function headOf({ trace, id, startedAt }: Received, { headers: passed }: Reply): HeaderList {
  const headers = replyHeaders(trace, id, performance.now() - startedAt)
  for (const name in passed) {
    const value = passed[name]
    if (value !== undefined) headers.push(name, String(value))
  }
  if (passed[PROVIDER_ID] === undefined) headers.push(PROVIDER_ID, id)
  return headers
}

function decorationOf({ trace }: Received, { servedBy }: Reply): Parameters<Dialect['decorate']>[1] {
  const hit = factOf(trace, 'looked-up')
  const cached = hit?.hit !== undefined
  return { provider: servedBy?.preset ?? hit?.provider ?? '', cached, hitType: cached ? 'exact' : null }
}

async function gather({ frames }: Reply): Promise<Buffer> {
  const parts: Buffer[] = []
  for (;;) {
    const result = await frames.next()
    if (result.done === true) break
    parts.push(result.value.bytes)
  }
  const [first] = parts
  return parts.length === 1 && first ? first : Buffer.concat(parts)
}

async function sendStream(response: ServerResponse, exchange: Received, reply: Reply, named: Named): Promise<void> {
  const { frames } = reply
  let result = await frames.next()
  const trailers = String(exchange.call.headers['te'] ?? '').includes('trailers')
  const headers = headOf(exchange, reply)
  headers.push(...STREAM_HEADERS)
  if (trailers) headers.push('trailer', COST_HEADER)
  try {
    response.writeHead(reply.status, headers)
    while (result.done !== true) {
      if (!response.write(withCost(exchange, reply, result.value)) && !response.destroyed)
        await drained(response, exchange)
      if (response.destroyed) break
      result = await frames.next()
    }
  } catch (error) {
    await frames.return?.() // whoever failed: the call is settled and on record
    if (!response.headersSent) throw error
    response.end(exchange.call.dialect.refuseInStream(named(error), exchange.id))
    return
  }
  if (response.destroyed) return void (await frames.return?.())
  if (trailers) response.addTrailers({ [COST_HEADER]: costText(reply) })
  response.end()
}

/** The cost of a stream is a comment before its last event: clients skip comments, finance reads them. */
function withCost({ call }: Received, reply: Reply, { bytes }: Frame): Buffer {
  if (!reply.charge) return bytes
  return call.dialect.commentBeforeEnd(bytes, () => `${COST_HEADER} ${costText(reply)}`) ?? bytes
}

function costText(reply: Reply): string {
  const charge = reply.charge?.()
  return charge?.priced === true ? formatUSD(charge.cost) : 'unknown'
}

/** Waits until the reader took what waits; a reader that takes nothing for the idle timeout is cut off. */
function drained(response: ServerResponse, { snapshot }: Received): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(() => response.destroy(), snapshot.settings.streamIdleTimeout)
    const go = (): void => {
      clearTimeout(timer)
      response.off('drain', go).off('close', go)
      resolve()
    }
    response.on('drain', go).on('close', go)
  })
}
