// Every "no" of the gateway, in one table: reason → status and error type. Thrown anywhere, rendered once per protocol.
import type { RetryCause } from '@smartflow/core/snapshot/items'
import type { FormatName } from '@smartflow/core/providers'
import type { BudgetState, RateState } from './limits.ts'

interface Row {
  readonly status: number
  readonly type: string
  readonly code: string | null
}

/** Reasons and what each becomes on the wire. Statuses and codes are the product's contract (design: From outside, errors). */
export const REFUSALS = {
  body_invalid: { status: 400, type: 'invalid_request_error', code: 'invalid_body' },
  request_invalid: { status: 400, type: 'invalid_request_error', code: 'invalid_request' },
  key_missing: { status: 401, type: 'authentication_error', code: 'missing_api_key' },
  key_invalid: { status: 401, type: 'authentication_error', code: 'invalid_api_key' },
  key_expired: { status: 401, type: 'authentication_error', code: 'expired_api_key' },
  key_suspended: { status: 403, type: 'permission_error', code: 'key_suspended' },
  role_insufficient: { status: 403, type: 'permission_error', code: 'insufficient_role' },
  model_not_allowed: { status: 403, type: 'permission_error', code: 'model_not_allowed' },
  policy_blocked: { status: 403, type: 'permission_error', code: 'policy_blocked' },
  model_not_found: { status: 404, type: 'invalid_request_error', code: 'model_not_found' },
  route_not_found: { status: 404, type: 'invalid_request_error', code: 'unknown_url' },
  not_found: { status: 404, type: 'invalid_request_error', code: 'not_found' },
  method_not_allowed: { status: 405, type: 'invalid_request_error', code: 'method_not_allowed' },
  request_timeout: { status: 408, type: 'invalid_request_error', code: 'request_timeout' },
  body_too_large: { status: 413, type: 'invalid_request_error', code: 'body_too_large' },
  media_type: { status: 415, type: 'invalid_request_error', code: 'unsupported_media_type' },
  headers_too_large: { status: 431, type: 'invalid_request_error', code: 'headers_too_large' },
  budget_exceeded: { status: 429, type: 'budget_exceeded', code: 'insufficient_quota' },
  rate_limited: { status: 429, type: 'rate_limit_error', code: 'rate_limit_exceeded' },
  client_gone: { status: 499, type: 'client_closed_request', code: 'client_gone' },
  upstream_invalid: { status: 502, type: 'provider_error', code: 'upstream_invalid_reply' },
  upstream_unreachable: { status: 502, type: 'provider_error', code: 'upstream_unreachable' },
  upstream_failed: { status: 502, type: 'provider_error', code: 'upstream_failed' },
  upstream_rejected: { status: 400, type: 'invalid_request_error', code: 'upstream_rejected' },
  upstream_rate_limited: { status: 429, type: 'rate_limit_error', code: 'upstream_rate_limited' },
  upstream_timeout: { status: 504, type: 'timeout_error', code: 'upstream_timeout' },
  ledger_unavailable: { status: 503, type: 'service_unavailable', code: 'ledger_unavailable' },
  store_unavailable: { status: 503, type: 'service_unavailable', code: 'store_unavailable' },
  not_configured: { status: 503, type: 'service_unavailable', code: 'not_configured' },
  draining: { status: 503, type: 'service_unavailable', code: 'draining' },
  internal_error: { status: 500, type: 'api_error', code: 'internal_error' },
} as const satisfies Record<string, Row>

export type RefusalReason = keyof typeof REFUSALS

/** What may ride with a refusal beside its message. */
export interface RefusalDetail {
  /** Seconds until a retry makes sense: `Retry-After` and `error.retry_after`. */
  readonly retryAfter?: number
  /** The request parameter at fault, for dialects that name it. */
  readonly param?: string
  /** Overrides the table's code: the provider's own, when its error is passed on. */
  readonly code?: string | null
  /** The provider at fault: `error.provider`. */
  readonly provider?: string
  /** What a policy found, and how bad it is (0 to 1): `error.violations`, `error.risk_score`. */
  readonly violations?: readonly string[]
  readonly riskScore?: number
  /** Names of the policies that said no: the header shows them. */
  readonly policies?: readonly string[]
  /** The provider's own error, for dialects that pass it on unwrapped: a body, or a stream event's data. */
  readonly original?: { readonly format: FormatName; readonly bytes: Buffer }
  /** What kind of failure it was, when a repetition may help. */
  readonly retryCause?: RetryCause
  /** The provider's own status, when the caller gets another one. */
  readonly upstreamStatus?: number
  /** The methods that the path has: the header `Allow`. */
  readonly allow?: readonly string[]
  /** Overrides the table's status: the provider's own 4xx, passed on. */
  readonly status?: number
  /** The budget or limit that said no: the headers show it. */
  readonly budget?: BudgetState
  readonly rate?: RateState
  readonly cause?: unknown
}

/** A deliberate "no". The message is for the caller: what happened, to what, what to do; never a secret, never a stack. */
export class Refusal extends Error {
  readonly reason: RefusalReason
  readonly detail: RefusalDetail

  constructor(reason: RefusalReason, message: string, detail: RefusalDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause })
    this.name = 'Refusal'
    this.reason = reason
    this.detail = detail
  }

  get status(): number {
    return this.detail.status ?? REFUSALS[this.reason].status
  }
}

/** Any thrown value as a Refusal; what is none becomes `internal_error`, its cause kept for the log and never sent. */
export function asRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  return new Refusal(
    'internal_error',
    'The gateway failed on this call; the operator finds the cause in its log by the request id.',
    {
      cause: error,
    },
  )
}
