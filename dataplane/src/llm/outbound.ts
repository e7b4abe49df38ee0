// The request as a provider gets it: in the caller's own format where the provider has it (bytes kept, a few members
// changed), else translated through the neutral form.
import { providerRow } from '@smartflow/core/providers'
import type { ProviderItem } from '@smartflow/core/snapshot/items'
import type { Call } from '../exchange/call.ts'
import { withMembers } from '../exchange/json.ts'
import type { Routed } from '../exchange/stage.ts'
import type { EgressRequest } from '../ports/egress.ts'
import { formatsOf, urlOf } from './endpoint.ts'
import type { Format, PassageTerms } from './formats/format.ts'
import { FORMATS } from './formats/formats.ts'
import { translateRequest } from './translate.ts'

/** Request headers of a caller that reach any provider. */
const FORWARDED_HEADERS = ['traceparent', 'tracestate', 'idempotency-key']

/** A request on its way out, and how its reply is to be understood. */
export interface Outbound {
  readonly request: EgressRequest
  /** The provider's format, and the caller's. */
  readonly format: Format
  readonly caller: Format
  readonly terms: PassageTerms
  /** What the provider's format could not carry (L08). */
  readonly dropped: readonly string[]
}

/** What is sent of the call itself. */
interface Content {
  readonly body: Buffer
  readonly headers: Readonly<Record<string, string>>
  readonly dropped: readonly string[]
}

/** Throws a `request_invalid` Refusal when the provider's format cannot say what the caller asks. */
export function outbound(exchange: Routed, provider: ProviderItem): Outbound {
  const { call, signal, timeoutMs } = exchange
  const caller = FORMATS[call.dialect.name]
  const formats = formatsOf(provider)
  const format = formats.includes(caller.name) ? caller : FORMATS[formats[0] ?? caller.name]
  const streamUsage = providerRow(provider.preset)?.streamUsage === true
  const terms = { model: exchange.target.model, streamUsage }
  const content = format === caller ? passed(call, format, terms) : translateRequest(call, caller, format, terms)
  const path = call.operation === 'count-tokens' ? '/count_tokens' : ''
  const query = format === caller && call.query !== undefined ? `?${call.query}` : ''
  const request: EgressRequest = {
    url: urlOf(provider, format.name) + path + query,
    method: 'POST',
    headers: { ...ownHeaders(exchange, provider), ...content.headers },
    body: content.body,
    signal,
    allowPrivate: provider.allowPrivateEndpoint,
    connectTimeoutMs: provider.timeouts.connect,
    headersTimeoutMs: timeoutMs ?? provider.timeouts.request,
    idleTimeoutMs: provider.timeouts.streamIdle,
  }
  return { request, format, caller, terms, dropped: content.dropped }
}

function passed(call: Call, format: Format, terms: PassageTerms): Content {
  const { changes, headers, dropped } = format.passage(call, terms)
  return { body: withMembers(call.body, changes), headers, dropped }
}

function ownHeaders({ call, presented }: Routed, provider: ProviderItem): Record<string, string> {
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    accept: call.streams ? 'text/event-stream' : 'application/json',
    'accept-encoding': 'identity',
  }
  for (const name of FORWARDED_HEADERS) {
    const value = call.headers[name]
    if (typeof value === 'string') headers[name] = value
  }
  const auth = providerRow(provider.preset)?.auth
  const credential = presented.tenant.credential(provider.name)
  if (credential !== undefined && auth) headers[auth.header] = auth.scheme ? `${auth.scheme} ${credential}` : credential
  return headers
}
