// A refusal as Anthropic's error object, with the members that clients of the gateway read beside it.
import { REFUSALS, type Refusal } from '../../../exchange/refusal.ts'

const TYPES: ReadonlyMap<number, string> = new Map([
  [400, 'invalid_request_error'],
  [401, 'authentication_error'],
  [402, 'billing_error'],
  [403, 'permission_error'],
  [404, 'not_found_error'],
  [413, 'request_too_large'],
  [429, 'rate_limit_error'],
  [500, 'api_error'],
  [503, 'overloaded_error'],
  [504, 'timeout_error'],
  [529, 'overloaded_error'],
])

/** The status that the API gives an error of this type: that of the type's last row. */
export function statusOf(type: string | undefined): number | undefined {
  let status: number | undefined
  for (const [of, named] of TYPES) if (named === type) status = of
  return status
}

/** The error's JSON. A provider's own error in this format stays as it came: clients match its wording (L02). */
export function errorJson(refusal: Refusal, requestId: string): string {
  const { original } = refusal.detail
  if (original?.format === 'anthropic-messages') return original.bytes.toString('utf8')
  return JSON.stringify(errorBody(refusal, requestId))
}

function errorBody(refusal: Refusal, requestId: string): object {
  const { code, retryAfter, provider, param, violations, riskScore } = refusal.detail
  const named = code ?? REFUSALS[refusal.reason].code
  return {
    type: 'error',
    error: {
      type: typeOf(refusal.status),
      message: refusal.message,
      ...(named === null ? {} : { code: named, details: { error_code: named } }),
      ...(param === undefined ? {} : { param }),
      ...(retryAfter === undefined ? {} : { retry_after: retryAfter }),
      ...(provider === undefined ? {} : { provider }),
      ...(violations === undefined ? {} : { violations }),
      ...(riskScore === undefined ? {} : { risk_score: riskScore }),
    },
    request_id: requestId,
  }
}

function typeOf(status: number): string {
  return TYPES.get(status) ?? (status < 500 ? 'invalid_request_error' : 'api_error')
}
