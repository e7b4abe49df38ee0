// Rate buckets: requests and tokens a minute, refilled continuously, and calls at once. The same arithmetic as admit.lua
// and settle.lua: what was used is counted in units of 1/60000, so a limit of L a minute drains L units a millisecond.
import type { RateLimit } from '@smartflow/core/snapshot/items'
import type { RateState } from '../exchange/limits.ts'

/** Units of one request or token. */
export const UNIT = 60_000

/** How long a refused caller should wait for a place among the calls at once; when one ends is unknown. */
const CONCURRENCY_RETRY_MS = 1000

/** What a scope used: request and token units as of `at` (epoch milliseconds), and calls in flight. */
export interface RateUse {
  readonly requests: number
  readonly tokens: number
  readonly at: number
  readonly calls: number
}

/** A scope that nobody used yet. */
export const UNUSED: RateUse = { requests: 0, tokens: 0, at: 0, calls: 0 }

/** Why a bucket refused. */
export interface BucketRefusal {
  readonly what: 'requests' | 'tokens' | 'concurrency'
  readonly retryAfterMs: number
}

/** The same use at `now`: what drained since is gone; never less than nothing. */
export function drain(use: RateUse, limit: RateLimit, now: number): RateUse {
  const elapsed = Math.max(0, now - use.at)
  const requests = Math.max(0, use.requests - (limit.rpm ?? 0) * elapsed)
  const tokens = Math.max(0, use.tokens - (limit.tpm ?? 0) * elapsed)
  return { requests, tokens, at: now, calls: use.calls }
}

/** One more call of `tokens` on a use that was drained to now: the new use, or why not. */
export function take(use: RateUse, limit: RateLimit, tokens: number): RateUse | BucketRefusal {
  const { rpm = 0, tpm = 0, concurrency = 0 } = limit
  const requestsOver = use.requests + UNIT - rpm * UNIT
  if (rpm > 0 && requestsOver > 0) return { what: 'requests', retryAfterMs: Math.ceil(requestsOver / rpm) }
  // A request larger than the whole bucket passes when the bucket is full.
  const tokensOver = use.tokens + Math.min(tokens, tpm) * UNIT - tpm * UNIT
  if (tpm > 0 && tokensOver > 0) return { what: 'tokens', retryAfterMs: Math.ceil(tokensOver / tpm) }
  if (concurrency > 0 && use.calls >= concurrency) return { what: 'concurrency', retryAfterMs: CONCURRENCY_RETRY_MS }
  return {
    requests: rpm > 0 ? use.requests + UNIT : use.requests,
    tokens: tpm > 0 ? use.tokens + tokens * UNIT : use.tokens,
    at: use.at,
    calls: concurrency > 0 ? use.calls + 1 : use.calls,
  }
}

/** Corrects the tokens of a use that was drained to now; a bucket may go into debt but never above full. */
export function correct(use: RateUse, tokens: number): RateUse {
  return { ...use, tokens: Math.max(0, use.tokens + tokens * UNIT) }
}

/** What callers are told of each limit of a scope, when `use` was drained to now; added to `states`. */
export function rateStates(scope: string, limit: RateLimit, use: RateUse, states: RateState[] = []): RateState[] {
  const { rpm, tpm, concurrency } = limit
  const { requests, tokens, calls, at } = use
  if (rpm !== undefined) {
    const resetAt = at + Math.ceil(requests / rpm)
    states.push({ scope, what: 'requests', limit: rpm, remaining: left(rpm, requests / UNIT), resetAt })
  }
  if (tpm !== undefined) {
    const resetAt = at + Math.ceil(tokens / tpm)
    states.push({ scope, what: 'tokens', limit: tpm, remaining: left(tpm, tokens / UNIT), resetAt })
  }
  if (concurrency !== undefined) {
    states.push({ scope, what: 'concurrency', limit: concurrency, remaining: left(concurrency, calls), resetAt: at })
  }
  return states
}

function left(limit: number, used: number): number {
  return Math.max(0, Math.floor(limit - used))
}
