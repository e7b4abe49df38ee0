// A provider's error as our refusal: its own words where the caller can act on them, never its view of our credential.
import type { FormatName } from '../exchange/dialect.ts'
import { Refusal, type RefusalDetail, type RefusalReason } from '../exchange/refusal.ts'
import type { EgressReply } from '../ports/egress.ts'
import type { Format, SaidError } from './formats/format.ts'

/** Statuses that concern the caller's request and are passed on as they are. */
const CALLERS_FAULT = new Set([400, 404, 405, 409, 413, 415, 422])

/** Providers that answer 400 to a wrong key say so in these words. */
const ABOUT_OUR_KEY = /\bAPI[ _-]?key\b/i
/** Names of errors that mean "too many calls". */
const RATE_LIMITED = /rate_limit|too_many_requests|insufficient_quota/i
const MAX_WORDS = 2_000

/** Who rejected, in which words, and the credential that those must not give away. */
export interface Rejecting {
  readonly provider: string
  readonly format: Format
  /** The caller speaks the same format. */
  readonly native: boolean
  readonly credential: string | undefined
}

/** The refusal for an answer that is not 200. */
export function rejection(
  reply: EgressReply,
  body: Buffer,
  { provider, format, native, credential }: Rejecting,
): Refusal {
  const { status } = reply
  const text = credential ? body.toString().replaceAll(credential, '***') : body.toString()
  const error = format.readError(text)
  const message = error.message.slice(0, MAX_WORDS)
  const said = message === '' ? `status ${status}` : message
  const retryAfter = readRetryAfter(reply.headers['retry-after'])
  const detail: RefusalDetail = {
    provider,
    upstreamStatus: status,
    ...(message === '' ? {} : { original: { format: format.name, bytes: Buffer.from(text) } }),
    ...(message !== '' && native && format.passesErrors ? { status } : {}),
    ...(retryAfter === undefined ? {} : { retryAfter }),
  }
  if (status === 401 || status === 403 || (status === 400 && ABOUT_OUR_KEY.test(said))) {
    return credentialRefused(provider, status)
  }
  if (CALLERS_FAULT.has(status)) {
    const { code, param } = error
    const own = { status, code: code ?? null, ...(param === undefined ? {} : { param }) }
    return new Refusal('upstream_rejected', said, { ...detail, ...own })
  }
  return failure(status, said, detail)
}

/** The provider's words about it are for nobody but the administrator. */
function credentialRefused(provider: string, upstreamStatus: number): Refusal {
  const message = `The provider "${provider}" refused the gateway's credential; the administrator has to look at it.`
  return new Refusal('upstream_failed', message, { provider, upstreamStatus })
}

/** Everything that is the provider's own trouble. */
function failure(status: number, said: string, detail: RefusalDetail): Refusal {
  const who = `The provider "${detail.provider}"`
  if (status === 429)
    return new Refusal('upstream_rate_limited', `${who} limits its rate: ${said}`, { ...detail, retryCause: 'HTTP429' })
  if (status === 408 || status === 504)
    return new Refusal('upstream_timeout', `${who} ran out of time: ${said}`, { ...detail, retryCause: 'Timeout' })
  if (status >= 300 && status < 400) {
    const advice = 'redirects are not followed, the administrator has to correct its baseURL'
    const { original: _, status: __, ...rest } = detail
    return new Refusal('upstream_failed', `${who} answered with a redirect (${status}); ${advice}.`, rest)
  }
  const cause = status >= 500 ? { retryCause: 'HTTP5xx' as const } : {}
  return new Refusal('upstream_failed', `${who} failed: ${said}`, { ...detail, ...cause })
}

/** An error event, and who sent it. `native`: the caller speaks the same format. */
export interface Failing {
  readonly provider: string
  readonly format: FormatName
  readonly native: boolean
  readonly data: string
}

/** The refusal for an error event of a stream whose status was 200. */
export function failureIn(
  { message, type, code, status }: SaidError,
  { provider, format, native, data }: Failing,
): Refusal {
  if (status === 401 || status === 403) return credentialRefused(provider, status)
  const said = message === '' ? 'it does not say why' : message.slice(0, 500)
  const limited = RATE_LIMITED.test(`${type ?? ''} ${code ?? ''}`)
  const reason: RefusalReason = limited ? 'upstream_rate_limited' : 'upstream_failed'
  return new Refusal(reason, `The provider "${provider}" ${limited ? 'limits its rate' : 'failed'}: ${said}`, {
    provider,
    ...(limited ? { retryCause: 'HTTP429' } : (status ?? 500) >= 500 ? { retryCause: 'HTTP5xx' } : {}),
    original: { format, bytes: Buffer.from(data) },
    ...(native && status !== undefined ? { status } : {}),
  })
}

/** `Retry-After` in seconds (RFC 9110: a number, or a date), at most an hour. */
function readRetryAfter(header: string | string[] | undefined): number | undefined {
  if (typeof header !== 'string') return undefined
  const seconds = /^\d+(\.\d+)?$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1_000
  return Number.isFinite(seconds) ? Math.min(Math.max(Math.ceil(seconds), 0), 3_600) : undefined
}
