// The gateway's own reply headers: a fold of the call's trace (design: From outside, reply headers; O02).
import { formatUSD } from '@smartflow/core/money'
import { factOf, type LookedUp, strongest, type Trace } from '../exchange/facts.ts'
import type { BudgetState, RateState } from '../exchange/limits.ts'
import type { Refusal } from '../exchange/refusal.ts'

/** The published clients wait at most this long for a Retry-After. */
const MAX_CLIENT_WAIT_SECONDS = 60

const MAX_LISTED = 1_024

/** Header names and values in turn, as node:http takes them without making an object of them first. */
export type HeaderList = string[]

/** Anthropic's clients find the id of an answer here: the provider's, else the gateway's. */
export const PROVIDER_ID = 'request-id'

/** Headers of an answered call. A stream has no cost among them: it is not known when its head leaves. */
export function replyHeaders(trace: Trace, requestId: string, durationMs: number): HeaderList {
  const headers = idHeaders(requestId)
  headers.push('x-smartflow-duration-ms', durationMs.toFixed(1))
  addCache(headers, factOf(trace, 'looked-up'))
  addPolicy(headers, trace)
  const provider = factOf(trace, 'attempted')?.provider
  if (provider !== undefined) headers.push('x-smartflow-provider', provider)
  const settled = factOf(trace, 'settled')
  if (settled) headers.push('x-smartflow-response-cost', settled.priced ? formatUSD(settled.cost) : 'unknown')
  const held = factOf(trace, 'held')
  if (!held) return headers
  if (held.degraded !== undefined) headers.push('x-smartflow-degraded', held.degraded)
  addBudget(headers, tightest(held.budgets))
  addRate(headers, scarcest(held.rates, 'requests'))
  addRate(headers, scarcest(held.rates, 'tokens'))
  return headers
}

/** Headers of a refusal: the request id, when to retry, and the limit or the policies that said no. */
export function refusalHeaders({ detail }: Refusal, requestId: string): HeaderList {
  const headers = idHeaders(requestId)
  headers.push(PROVIDER_ID, requestId)
  const { retryAfter, budget, rate, provider, allow, policies, violations } = detail
  if (allow) headers.push('allow', allow.join(', '))
  if (retryAfter !== undefined) headers.push('retry-after', String(retryAfter))
  // OpenAI's clients give up waiting after a minute and then retry at once, for nothing.
  if (retryAfter !== undefined && retryAfter > MAX_CLIENT_WAIT_SECONDS) headers.push('x-should-retry', 'false')
  if (provider !== undefined) headers.push('x-smartflow-provider', provider)
  if (policies) headers.push('x-smartflow-policies', listed(policies), 'x-smartflow-policy-action', 'block')
  if (policies && violations) headers.push('x-smartflow-policy-reason', listed(violations))
  addBudget(headers, budget)
  addRate(headers, rate)
  return headers
}

/** The request id under each of its names (contract: a server should send both of ours). */
function idHeaders(requestId: string): HeaderList {
  return ['x-request-id', requestId, 'x-smartflow-request-id', requestId, 'x-smartflow-call-id', requestId]
}

function addCache(headers: HeaderList, looked: LookedUp | undefined): void {
  headers.push('x-smartflow-cache-hit', looked?.hit === undefined ? 'false' : 'true')
  if (!looked) return
  headers.push('x-smartflow-cache-key', looked.key, 'x-cache-key', looked.key)
  if (looked.hit === undefined) return
  headers.push('x-smartflow-cache-phase', looked.phase)
  if (looked.provider !== undefined) headers.push('x-smartflow-provider', looked.provider)
}

/** Which policies concern the call, and what their guardrails did about what they found by now (P01). */
function addPolicy(headers: HeaderList, trace: Trace): void {
  const policies = factOf(trace, 'identified')?.policies ?? []
  if (policies.length === 0) return
  headers.push('x-smartflow-policies', namesOf(policies))
  const verdicts = trace.filter(fact => fact.kind === 'verdict')
  if (verdicts.length === 0) return
  headers.push('x-smartflow-policy-action', strongest(verdicts.map(({ action }) => action)))
  const found = verdicts.flatMap(({ violations }) => violations).filter(({ shadow }) => !shadow)
  const reasons = found.map(({ policy, guardrail, entity }) => `${policy}/${guardrail}: ${entity}`)
  if (reasons.length > 0) headers.push('x-smartflow-policy-reason', listed(reasons))
}

const namesTexts = new WeakMap<readonly string[], string>()

/** The same list comes with call after call. */
function namesOf(policies: readonly string[]): string {
  const known = namesTexts.get(policies)
  if (known !== undefined) return known
  const text = listed(policies)
  namesTexts.set(policies, text)
  return text
}

/** Bounded: the head of a reply has to pass the proxies in front. */
function listed(texts: readonly string[]): string {
  return printable([...new Set(texts)].join(', ')).slice(0, MAX_LISTED)
}

function tightest(budgets: readonly BudgetState[]): BudgetState | undefined {
  let least: BudgetState | undefined
  for (const budget of budgets) if (!least || remaining(budget) < remaining(least)) least = budget
  return least
}

function remaining({ limit, spent, held }: BudgetState): number {
  return Math.max(0, limit - spent - held)
}

function addBudget(headers: HeaderList, budget: BudgetState | undefined): void {
  if (!budget) return
  headers.push('x-smartflow-budget-scope', printable(budget.scope))
  headers.push('x-smartflow-budget-limit', formatUSD(budget.limit))
  headers.push('x-smartflow-budget-spent', formatUSD(budget.spent))
  headers.push('x-smartflow-budget-remaining', formatUSD(remaining(budget)))
  if (budget.resetAt !== undefined) headers.push('x-smartflow-budget-reset', isoTime(budget.resetAt))
}

/** A team's name may hold any letter; headers carry ASCII, the rest percent-encoded. */
function printable(text: string): string {
  return text.toWellFormed().replace(/[^\x20-\x7e]+/g, encodeURIComponent)
}

/** Of several scopes the limit with least left. */
function scarcest(rates: readonly RateState[], what: 'requests' | 'tokens'): RateState | undefined {
  let least: RateState | undefined
  for (const rate of rates) if (rate.what === what && (!least || rate.remaining < least.remaining)) least = rate
  return least
}

/** Under OpenAI's names; calls at once have none there. */
function addRate(headers: HeaderList, rate: RateState | undefined): void {
  if (!rate || rate.what === 'concurrency') return
  const { what, limit, remaining: left, resetAt } = rate
  headers.push(`x-ratelimit-limit-${what}`, String(limit))
  headers.push(`x-ratelimit-remaining-${what}`, String(Math.max(0, Math.floor(left))))
  headers.push(`x-ratelimit-reset-${what}`, `${Math.max(0, (resetAt - Date.now()) / 1_000).toFixed(3)}s`)
}

/** Budgets of all calls end at the same few moments: the last one's text is kept. */
let lastTime = { at: 0, text: '' }

function isoTime(at: number): string {
  if (lastTime.at !== at) lastTime = { at, text: new Date(at).toISOString() }
  return lastTime.text
}
