// A provider's error answer as our refusal: its own words where the caller can act on them, never its view of our credential.
import { Refusal } from '../exchange/refusal.ts'
import type { EgressReply } from '../ports/egress.ts'

/** Statuses that concern the caller's request and are passed on as they are. */
const CALLERS_FAULT = new Set([400, 404, 405, 409, 413, 415, 422])

/** Providers that answer 400 to a wrong key say so in these words. */
const ABOUT_OUR_KEY = /\bAPI[ _-]?key\b/i

/** Who rejected, and the credential that its words must not give away. */
export interface Rejecting {
  readonly provider: string
  readonly credential: string | undefined
}

/** The refusal for an answer that is not 200. */
export function rejection(reply: EgressReply, body: Buffer, { provider, credential }: Rejecting): Refusal {
  const { status } = reply
  const { message, code, param } = readError(
    credential ? body.toString().replaceAll(credential, '***') : body.toString(),
  )
  const said = message === '' ? `status ${status}` : message
  const retryAfter = readRetryAfter(reply.headers['retry-after'])
  const detail = { provider, ...(retryAfter === undefined ? {} : { retryAfter }) }
  if (status === 429) {
    return new Refusal('upstream_rate_limited', `The provider "${provider}" limits its rate: ${said}`, detail)
  }
  if (status === 401 || status === 403 || (status === 400 && ABOUT_OUR_KEY.test(said))) {
    return new Refusal(
      'upstream_failed',
      `The provider "${provider}" refused the gateway's credential; the administrator has to look at it.`,
      { provider },
    )
  }
  if (CALLERS_FAULT.has(status)) {
    return new Refusal('upstream_rejected', said, { provider, status, code, ...(param === undefined ? {} : { param }) })
  }
  if (status === 408 || status === 504)
    return new Refusal('upstream_timeout', `The provider "${provider}" ran out of time: ${said}`, detail)
  if (status >= 300 && status < 400) {
    const advice = 'redirects are not followed, the administrator has to correct its baseURL'
    return new Refusal(
      'upstream_failed',
      `The provider "${provider}" answered with a redirect (${status}); ${advice}.`,
      detail,
    )
  }
  return new Refusal('upstream_failed', `The provider "${provider}" failed: ${said}`, detail)
}

function readError(body: string): { message: string; code: string | null; param: string | undefined } {
  let error: unknown
  try {
    const parsed: unknown = JSON.parse(body)
    error = member(parsed, 'error') ?? parsed
  } catch {
    return { message: '', code: null, param: undefined } // HTML of some proxy: of no use to the caller
  }
  const message = typeof error === 'string' ? error : member(error, 'message')
  const code = member(error, 'code')
  const param = member(error, 'param')
  return {
    message: typeof message === 'string' ? message.slice(0, 2_000) : '',
    code: typeof code === 'string' ? code : null,
    param: typeof param === 'string' ? param : undefined,
  }
}

/** `Retry-After` in seconds (RFC 9110: a number, or a date), at most an hour. */
function readRetryAfter(header: string | string[] | undefined): number | undefined {
  if (typeof header !== 'string') return undefined
  const seconds = /^\d+$/.test(header) ? Number(header) : Math.ceil((Date.parse(header) - Date.now()) / 1_000)
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), 3_600) : undefined
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
