// Errors of our own APIs, and of requests that never reached a dialect: `{error: {message, type, code}}`.
import type { Dialect } from '../exchange/dialect.ts'
import { REFUSALS } from '../exchange/refusal.ts'

/** The error shape of every route that is no model call (contract: errors as an object, never null parts). */
export const plainDialect: Pick<Dialect, 'refuse'> = {
  refuse(refusal, requestId) {
    const row = REFUSALS[refusal.reason]
    const { retryAfter, violations, riskScore } = refusal.detail
    const error = {
      message: refusal.message,
      type: row.type,
      code: row.code,
      ...(retryAfter === undefined ? {} : { retry_after: retryAfter }),
      ...(violations === undefined ? {} : { violations }),
      ...(riskScore === undefined ? {} : { risk_score: riskScore }),
    }
    return Buffer.from(JSON.stringify({ error, ...(requestId === '' ? {} : { request_id: requestId }) }))
  },
}
