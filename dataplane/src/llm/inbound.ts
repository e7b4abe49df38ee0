// A provider's answer, checked and turned into frames of the caller's format: passed as it is, or translated.
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { ProviderItem } from '@smartflow/core/snapshot/items'
import { Pieces } from '../exchange/pieces.ts'
import { Refusal } from '../exchange/refusal.ts'
import type { Frame, Meter, Reply, ReplyHeaders } from '../exchange/reply.ts'
import type { Routed } from '../exchange/stage.ts'
import { map, of } from '../exchange/streams.ts'
import { NO_USAGE } from '../exchange/usage.ts'
import { EgressError, type EgressReply } from '../ports/egress.ts'
import type { Tokens } from '../ports/tokens.ts'
import { brokenReply } from './broken-reply.ts'
import { openEventStream } from './event-stream.ts'
import type { MeterOptions } from './formats/format.ts'
import type { Outbound } from './outbound.ts'
import { rejection } from './rejection.ts'
import { StreamTranslator, translatedWhole, translateReply } from './translate.ts'

/** More of an error's body is not read. */
const MAX_ERROR_BYTES = 1024 * 1024
/** A whole answer beyond this is refused; the largest known (images in base64) stay under half of it. */
const MAX_WHOLE_BYTES = 64 * 1024 * 1024

/** Reply headers of a provider that reach the caller. */
const PASSED_HEADERS = [
  'x-smartflow-demo',
  'openai-processing-ms',
  'openai-version',
  'openai-organization',
  'request-id',
  'anthropic-version',
]

const unzip = promisify(gunzip)

/** One attempt: what was sent to whom. */
export interface Attempt extends Outbound {
  readonly provider: ProviderItem
  readonly tokens: Tokens
}

/** Throws an `upstream_*` Refusal for what is no good answer. */
export async function inbound(exchange: Routed, reply: EgressReply, attempt: Attempt): Promise<Reply> {
  const { provider, format, caller } = attempt
  const native = format === caller
  if (reply.status !== 200) {
    const credential = exchange.presented.tenant.credential(provider.name)
    throw rejection(reply, await readError(reply, provider), { provider: provider.name, format, native, credential })
  }
  const type = String(reply.headers['content-type'] ?? '').toLowerCase()
  const streams = exchange.call.streams && type.startsWith('text/event-stream')
  return streams ? streamed(exchange, reply, attempt) : whole(exchange, reply, attempt)
}

async function whole({ call }: Routed, reply: EgressReply, attempt: Attempt): Promise<Reply> {
  const { provider, format, caller } = attempt
  const given = await readWhole(reply, provider, MAX_WHOLE_BYTES)
  const headers = headersOf(reply, attempt)
  if (call.operation === 'count-tokens') {
    return { status: 200, headers, streams: false, frames: of({ bytes: given }), meter: countMeter(given, provider) }
  }
  const read = format.wholeMeter(given, meterOptions(attempt, call.estimatedPromptTokens))
  const direction = { provider: format, caller, call, providerName: provider.name }
  const body = format === caller ? given : translateReply(given, direction)
  const meter: Meter = format === caller ? read : { read: () => read.read(), whole: () => body }
  if (!call.streams) return { status: 200, headers, streams: false, frames: of({ bytes: body }), meter }
  const frames = call.dialect.replay(body, call.wantsUsage).map(bytes => ({ bytes }))
  return { status: 200, headers, streams: true, frames: of(...frames), meter }
}

/** A count costs nothing; an answer that is none is not passed on. */
function countMeter(body: Buffer, { name }: ProviderItem): Meter {
  try {
    const { input_tokens: tokens }: { input_tokens?: unknown } = JSON.parse(body.toString())
    if (typeof tokens === 'number') return NOTHING_USED
  } catch {
    // said below
  }
  throw unreadable(name, 'answered with something that is no count of tokens')
}

/** The meter of what is never charged. */
export const NOTHING_USED: Meter = {
  read: () => ({ usage: NO_USAGE, model: undefined, finish: undefined, toolCalls: false }),
  whole: () => undefined,
}

async function streamed(exchange: Routed, reply: EgressReply, attempt: Attempt): Promise<Reply> {
  const { provider, format, caller, terms } = attempt
  if (encodingOf(reply) !== 'identity') {
    void reply.chunks.return?.()
    throw unreadable(provider.name, 'compressed a stream although it was asked not to')
  }
  const { call } = exchange
  const meter = format.streamMeter(meterOptions(attempt, call.estimatedPromptTokens))
  const source = await openEventStream(reply.chunks, {
    provider: provider.name,
    format: format.name,
    native: format === caller,
    manners: format.manners(call, terms),
    meter,
    broken: error => (error instanceof EgressError ? brokenReply(error, provider.name, exchange.signal) : error),
  })
  const headers = headersOf(reply, attempt)
  if (format === caller) return { status: 200, headers, streams: true, frames: source, meter }
  const direction = { provider: format, caller, call, providerName: provider.name }
  const translator = new StreamTranslator(direction)
  const some = (bytes: Buffer): readonly Frame[] => (bytes.length === 0 ? [] : [{ bytes }])
  const frames = map(
    source,
    ({ bytes }) => some(translator.push(bytes)),
    () => some(translator.end()),
  )
  return {
    status: 200,
    headers,
    streams: true,
    frames,
    meter: { read: () => meter.read(), whole: () => translatedWhole(meter.whole(), direction) },
  }
}

function meterOptions({ provider, tokens }: Attempt, promptTokens: number): MeterOptions {
  return { provider: provider.name, promptTokens, count: text => tokens.count(text) }
}

/** What an error says, if it can be read: its status alone says enough. Rejects only when the connection breaks. */
async function readError(reply: EgressReply, provider: ProviderItem): Promise<Buffer> {
  try {
    return await readWhole(reply, provider, MAX_ERROR_BYTES)
  } catch (error) {
    if (error instanceof Refusal) return Buffer.alloc(0)
    throw error
  }
}

/** Reads a body to its end, bounded, unzipped when the provider zipped it all the same. */
async function readWhole(reply: EgressReply, { name }: ProviderItem, maxBytes: number): Promise<Buffer> {
  const pieces = new Pieces()
  for (;;) {
    const next = await reply.chunks.next()
    if (next.done === true) break
    pieces.add(next.value)
    if (pieces.bytes > maxBytes) {
      void reply.chunks.return?.()
      throw tooLarge(name)
    }
  }
  const body = pieces.all()
  const encoding = encodingOf(reply)
  if (encoding === 'identity') return body
  if (encoding !== 'gzip') throw unreadable(name, `sent content-encoding "${encoding}" although identity was asked for`)
  try {
    return await unzip(body, { maxOutputLength: maxBytes })
  } catch (error) {
    if (error instanceof RangeError) throw tooLarge(name)
    throw unreadable(name, 'sent a gzip body that does not unzip')
  }
}

function encodingOf(reply: EgressReply): string {
  return String(reply.headers['content-encoding'] ?? 'identity')
    .toLowerCase()
    .slice(0, 40)
}

function headersOf({ headers }: EgressReply, { dropped }: Attempt): ReplyHeaders {
  const passed: ReplyHeaders = {}
  for (const name of PASSED_HEADERS) {
    const value = headers[name]
    if (value !== undefined) passed[name] = value
  }
  if (dropped.length > 0) passed['x-smartflow-dropped'] = dropped.join(', ')
  return passed
}

function tooLarge(name: string): Refusal {
  return new Refusal(
    'upstream_invalid',
    `The provider "${name}" sent more than ${MAX_WHOLE_BYTES / 1024 / 1024} MiB in one reply; it was cut off.`,
    { provider: name },
  )
}

function unreadable(name: string, what: string): Refusal {
  return new Refusal('upstream_invalid', `The provider "${name}" ${what}.`, { provider: name })
}
