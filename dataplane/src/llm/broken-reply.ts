// A connection to a provider that failed, as a refusal: what happened, and whether a repetition may help.
import { Refusal } from '../exchange/refusal.ts'
import type { EgressError } from '../ports/egress.ts'

/** The refusal for a request or an answer that broke; `client_gone` when the caller's leaving broke it. */
export function brokenReply(error: EgressError, provider: string, signal: AbortSignal): Refusal {
  const detail = { provider, cause: error }
  if (signal.aborted) return new Refusal('client_gone', 'The caller went away before the answer was complete.', detail)
  switch (error.failure) {
    case 'timeout':
      return new Refusal('upstream_timeout', `The provider "${provider}" did not answer in time.`, {
        ...detail,
        retryCause: 'Timeout',
      })
    case 'unreachable':
      return new Refusal('upstream_unreachable', `The provider "${provider}" could not be reached.`, {
        ...detail,
        retryCause: 'Connect',
      })
    case 'refused':
      return new Refusal(
        'upstream_unreachable',
        `The gateway may not connect to the provider "${provider}": ${error.message}.`,
        detail,
      )
    case 'aborted':
    case 'broken':
      return new Refusal('upstream_failed', `The connection to the provider "${provider}" broke.`, {
        ...detail,
        retryCause: 'Connect',
      })
  }
}
