// A provider's own words in a refusal: they quote what was sent and what was to be answered, and are judged like answers.
import type { Trace } from '../../exchange/facts.ts'
import { Refusal } from '../../exchange/refusal.ts'
import type { ActiveGuard, Watch } from './guards.ts'
import { judged } from './slots.ts'
import { Tally } from './tally.ts'

/**
 * The error as it may reach the caller. Words with something in them that may not pass are masked, under Block as well: the
 * call has failed already. The provider's original bytes are then left out. What was found goes into the trace.
 */
export function judgedWords(error: unknown, watch: Watch, trace: Trace): unknown {
  if (!(error instanceof Refusal) || !error.reason.startsWith('upstream_')) return error
  const masking = { ...watch, guards: watch.guards.map(masks), signed: watch.signed.map(masks) }
  const tally = new Tally(masking)
  const message = judged({ text: error.message, form: 'string', signed: false }, masking, tally)
  const { original, ...detail } = error.detail
  const quoted =
    original && judged({ text: original.bytes.toString('utf8'), form: 'string', signed: false }, masking, tally)
  if (message === undefined && quoted === undefined) return error
  trace.push(tally.verdict(undefined))
  return new Refusal(error.reason, message ?? error.message, detail)
}

function masks(guard: ActiveGuard): ActiveGuard {
  return guard.action === 'Block' ? { ...guard, action: 'Redact' } : guard
}
