// One attempt at one provider: the request in the provider's words, its answer checked and turned into frames.
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { providerRow } from '@smartflow/core/providers'
import type { ProviderItem } from '@smartflow/core/snapshot/items'
import { callOff, setDeadline } from '../exchange/deadlines.ts'
import { withMembers } from '../exchange/json.ts'
import { Pieces } from '../exchange/pieces.ts'
import { Refusal } from '../exchange/refusal.ts'
import type { Reply, ReplyHeaders } from '../exchange/reply.ts'
import type { Routed } from '../exchange/stage.ts'
import { of } from '../exchange/streams.ts'
import { type Egress, EgressError, type EgressReply, type EgressRequest } from '../ports/egress.ts'
import type { Tokens } from '../ports/tokens.ts'
import type { Upstream } from '../ports/upstream.ts'
import { wholeMeter } from './formats/openai-chat/meter.ts'
import { streamReply } from './formats/openai-chat/stream.ts'
import { rejection } from './rejection.ts'

/** More of an error's body is not read. */
const MAX_ERROR_BYTES = 1024 * 1024
/** A whole answer beyond this is refused; the largest known (images in base64) stay under half of it. */
export const MAX_WHOLE_BYTES = 64 * 1024 * 1024

/** Reply headers of a provider that reach the caller. */
const PASSED_HEADERS = ['x-smartflow-demo', 'openai-processing-ms', 'openai-version', 'openai-organization']
/** Request headers of a caller that reach the provider. */
const FORWARDED_HEADERS = ['traceparent', 'tracestate', 'idempotency-key']

const unzip = promisify(gunzip)

/** Upstreams that speak OpenAI chat. `demo` stands in for providers without a credential (standalone only). */
export function llmUpstream(deps: { egress: Egress; demo: Egress | undefined; tokens: Tokens }): Upstream {
  return {
    async send(exchange) {
      const provider = exchange.presented.tenant.providers.get(exchange.target.provider)
      if (!provider)
        throw new Refusal(
          'not_configured',
          `The provider "${exchange.target.provider}" is not configured any more; try again.`,
        )
      const egress = provider.demo ? deps.demo : deps.egress
      if (!egress)
        throw new Refusal('not_configured', `The provider "${provider.name}" has no credential.`, {
          provider: provider.name,
        })
      const addedUsage = addsUsage(exchange, provider)
      const startedAt = performance.now()
      try {
        const reply = await egress.send(requestFor(exchange, provider, addedUsage))
        const left = provider.timeouts.request - (performance.now() - startedAt)
        return await within(left, reply, provider, () =>
          accept(exchange, reply, { provider, addedUsage, tokens: deps.tokens }),
        )
      } catch (error) {
        throw error instanceof EgressError ? refusalOf(error, provider, exchange) : error
      }
    },
  }
}

interface Attempt {
  readonly provider: ProviderItem
  /** The usage event was asked for by us, not by the caller, who must not see it. */
  readonly addedUsage: boolean
  readonly tokens: Tokens
}

/** Without its usage event a stream could only be billed by counting, which misses reasoning tokens (K07). */
function addsUsage({ call }: Routed, provider: ProviderItem): boolean {
  return call.streams && !call.wantsUsage && providerRow(provider.preset)?.streamUsage === true
}

function requestFor(exchange: Routed, provider: ProviderItem, addedUsage: boolean): EgressRequest {
  const { call, target, presented } = exchange
  const row = providerRow(provider.preset)
  const changes = new Map<string, string>()
  if (call.body.value['model'] !== target.model) changes.set('model', JSON.stringify(target.model))
  if (addedUsage) {
    const options = call.body.value['stream_options']
    changes.set(
      'stream_options',
      JSON.stringify({ ...(typeof options === 'object' ? options : {}), include_usage: true }),
    )
  }
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    accept: call.streams ? 'text/event-stream' : 'application/json',
    'accept-encoding': 'identity',
  }
  for (const name of FORWARDED_HEADERS) {
    const value = call.headers[name]
    if (typeof value === 'string') headers[name] = value
  }
  const credential = presented.tenant.credential(provider.name)
  if (credential !== undefined && row?.auth) {
    headers[row.auth.header] = row.auth.scheme ? `${row.auth.scheme} ${credential}` : credential
  }
  return {
    url: provider.baseURL + (row?.formats[call.dialect.name] ?? '/chat/completions'),
    method: 'POST',
    headers,
    body: withMembers(call.body, changes),
    signal: exchange.signal,
    allowPrivate: provider.allowPrivateEndpoint,
    connectTimeoutMs: provider.timeouts.connect,
    headersTimeoutMs: provider.timeouts.request,
    idleTimeoutMs: provider.timeouts.streamIdle,
  }
}

/** `timeouts.request` bounds a whole answer, and the time to a stream's first event, however steadily bytes trickle in. */
async function within<T>(ms: number, reply: EgressReply, { name }: ProviderItem, read: () => Promise<T>): Promise<T> {
  let late = false
  const overdue = (): void => {
    late = true
    void reply.chunks.return?.()
  }
  setDeadline(overdue, ms)
  try {
    return await read()
  } catch (error) {
    if (!late) throw error
    throw new Refusal('upstream_timeout', `The provider "${name}" did not complete its answer in time.`, {
      provider: name,
      cause: error,
    })
  } finally {
    callOff(overdue)
  }
}

async function accept(exchange: Routed, reply: EgressReply, attempt: Attempt): Promise<Reply> {
  const { provider, tokens } = attempt
  if (reply.status !== 200) {
    const credential = exchange.presented.tenant.credential(provider.name)
    throw rejection(reply, await readError(reply, provider), { provider: provider.name, credential })
  }
  const type = String(reply.headers['content-type'] ?? '').toLowerCase()
  if (exchange.call.streams && type.startsWith('text/event-stream')) return streamed(exchange, reply, attempt)
  const body = await readWhole(reply, provider, MAX_WHOLE_BYTES)
  const meter = wholeMeter(body, {
    provider: provider.name,
    promptTokens: exchange.call.estimatedPromptTokens,
    count: text => tokens.count(text),
  })
  const headers = passedHeaders(reply.headers)
  if (!exchange.call.streams) return { status: 200, headers, streams: false, frames: of({ bytes: body }), meter }
  const frames = exchange.call.dialect.replay(body, exchange.call.wantsUsage).map(bytes => ({ bytes }))
  return { status: 200, headers, streams: true, frames: of(...frames), meter }
}

async function streamed(
  exchange: Routed,
  reply: EgressReply,
  { provider, addedUsage, tokens }: Attempt,
): Promise<Reply> {
  if (encodingOf(reply) !== 'identity') {
    void reply.chunks.return?.()
    throw new Refusal(
      'upstream_invalid',
      `The provider "${provider.name}" compressed a stream although it was asked not to.`,
      { provider: provider.name },
    )
  }
  const { frames, meter } = await streamReply(reply.chunks, {
    provider: provider.name,
    dropUsage: addedUsage,
    promptTokens: exchange.call.estimatedPromptTokens,
    count: text => tokens.count(text),
    broken: error => (error instanceof EgressError ? refusalOf(error, provider, exchange) : error),
  })
  return { status: 200, headers: passedHeaders(reply.headers), streams: true, frames, meter }
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
async function readWhole(reply: EgressReply, provider: ProviderItem, maxBytes: number): Promise<Buffer> {
  const pieces = new Pieces()
  for (;;) {
    const next = await reply.chunks.next()
    if (next.done === true) break
    pieces.add(next.value)
    if (pieces.bytes > maxBytes) {
      void reply.chunks.return?.()
      throw tooLarge(provider)
    }
  }
  const body = pieces.all()
  const encoding = encodingOf(reply)
  if (encoding === 'identity') return body
  if (encoding !== 'gzip')
    throw unreadable(provider, `sent content-encoding "${encoding}" although identity was asked for`)
  try {
    return await unzip(body, { maxOutputLength: maxBytes })
  } catch (error) {
    if (error instanceof RangeError) throw tooLarge(provider)
    throw unreadable(provider, 'sent a gzip body that does not unzip')
  }
}

function encodingOf(reply: EgressReply): string {
  return String(reply.headers['content-encoding'] ?? 'identity')
    .toLowerCase()
    .slice(0, 40)
}

function passedHeaders(headers: ReplyHeaders): ReplyHeaders {
  const passed: ReplyHeaders = {}
  for (const name of PASSED_HEADERS) {
    const value = headers[name]
    if (value !== undefined) passed[name] = value
  }
  return passed
}

function tooLarge({ name }: ProviderItem): Refusal {
  return new Refusal(
    'upstream_invalid',
    `The provider "${name}" sent more than ${MAX_WHOLE_BYTES / 1024 / 1024} MiB in one reply; it was cut off.`,
    { provider: name },
  )
}

function unreadable({ name }: ProviderItem, what: string): Refusal {
  return new Refusal('upstream_invalid', `The provider "${name}" ${what}.`, { provider: name })
}

function refusalOf(error: EgressError, { name }: ProviderItem, { signal }: Routed): Refusal {
  const detail = { provider: name, cause: error }
  if (signal.aborted) return new Refusal('client_gone', 'The caller went away before the answer was complete.', detail)
  if (error.failure === 'timeout')
    return new Refusal('upstream_timeout', `The provider "${name}" did not answer in time.`, detail)
  if (error.failure === 'unreachable')
    return new Refusal('upstream_unreachable', `The provider "${name}" could not be reached.`, detail)
  if (error.failure === 'refused')
    return new Refusal(
      'upstream_unreachable',
      `The gateway may not connect to the provider "${name}": ${error.message}.`,
      detail,
    )
  return new Refusal('upstream_failed', `The connection to the provider "${name}" broke.`, detail)
}
