// Whether an attempt is worth repeating at the same target, and after what pause (R01).
import type { Retry } from '@smartflow/core/snapshot/items'
import type { Refusal } from '../../exchange/refusal.ts'

/**
 * Milliseconds to wait before the attempt after `repeated` repetitions; undefined when the next target is better: the cause
 * is not one to repeat for, the repetitions are used up, or the provider asks for more patience than the chain has
 * (`maxDelay`). The pause doubles from `baseDelay`; `random` (0–1) spreads it by `jitterPercent` to either side, and a
 * provider's own `Retry-After` is never undercut.
 */
export function pauseBefore(
  { detail }: Refusal,
  { attempts, on, baseDelay, maxDelay, jitterPercent }: Retry,
  repeated: number,
  random: () => number,
): number | undefined {
  if (repeated >= attempts || detail.retryCause === undefined || !on.includes(detail.retryCause)) return undefined
  const askedFor = (detail.retryAfter ?? 0) * 1_000
  if (askedFor > maxDelay) return undefined
  const doubled = Math.min(maxDelay, baseDelay * 2 ** repeated)
  const spread = (doubled * jitterPercent) / 100
  return Math.max(askedFor, doubled - spread + 2 * spread * random())
}
