// Folds the trace of a call into its record (O03).
import type { Micros } from '@smartflow/core/money'
import {
  factOf,
  strongest,
  type Attempted,
  type IdentifiedFact,
  type LookedUp,
  type Trace,
} from '../../exchange/facts.ts'
import type { Received } from '../../exchange/stage.ts'
import { NO_USAGE, type Usage } from '../../exchange/usage.ts'
import type { AuditRecord } from '../../ports/audit-log.ts'

/** Attempts listed in a record; a chain is bounded, and a record has to stay under 4 KB. */
const MAX_ATTEMPTS = 16

/** Kinds of findings listed in a record. */
const MAX_VIOLATIONS = 16

/**
 * The record of a call that went through the pipeline. `now` is the moment of its end. One literal, so that all records
 * have one shape: they are made, read and written as JSON for every call.
 */
export function recordOf(exchange: Received, end: { status: number; outcome: string }, now: number): AuditRecord {
  const { call, trace, snapshot, presented } = exchange
  const attempts = trace.filter(fact => fact.kind === 'attempted')
  const who = identifiedOf(trace)
  const looked = factOf(trace, 'looked-up')
  const used = usedOf(trace, looked, call.model)
  const saved = savedOf(looked)
  const record = {
    id: exchange.id,
    at: exchange.receivedAt,
    tenant: presented.tenant.item.name,
    key: presented.key.name,
    team: presented.key.team ?? '',
    user: who.user ?? call.userId ?? '',
    conversation: call.conversationId ?? '',
    operation: call.operation,
    requestedModel: call.model,
    status: end.status,
    outcome: end.outcome,
    message: factOf(trace, 'refused')?.message ?? '',
    stream: call.streams,
    provider: attempts.at(-1)?.provider ?? saved.provider,
    model: used.model,
    promptTokens: used.usage.prompt,
    cachedPromptTokens: used.usage.cachedPrompt,
    completionTokens: used.usage.completion,
    usageSource: used.usage.source,
    cost: used.cost,
    priced: used.priced,
    cacheHit: saved.hit,
    cachePhase: saved.phase,
    cacheKey: saved.key,
    tokensSaved: saved.tokens,
    costSaved: saved.cost,
    durationMs: now - exchange.receivedAt,
    upstreamMs: Math.round(attempts.reduce((sum, { durationMs }) => sum + durationMs, 0)),
    attempts: attempts.slice(0, MAX_ATTEMPTS).map(attemptOf),
    policies: who.policies,
    chain: who.chain ?? '',
    tags: call.tags,
    degraded: factOf(trace, 'held')?.degraded !== undefined,
    config: `${snapshot.version.epoch}.${snapshot.version.generation}`,
  } as const
  const compliance = complianceOf(trace)
  return compliance === undefined ? record : { ...record, compliance }
}

type Identification = Pick<IdentifiedFact, 'user' | 'policies' | 'chain'>

const NOBODY: Identification = { user: undefined, policies: [], chain: undefined }

function identifiedOf(trace: Trace): Identification {
  return factOf(trace, 'identified') ?? NOBODY
}

/** What was used and paid; a hit has the model that was asked for. */
function usedOf(
  trace: Trace,
  looked: LookedUp | undefined,
  requested: string,
): { usage: Usage; model: string; cost: Micros; priced: boolean } {
  const used = factOf(trace, 'used')
  const { cost, priced } = factOf(trace, 'settled') ?? FREE
  const model = (looked?.hit === undefined ? used?.model : undefined) ?? requested
  return { usage: used?.usage ?? NO_USAGE, model, cost, priced }
}

const FREE = { cost: 0, priced: true }

/** What the cache did, in the record's words. */
type Saved = {
  readonly provider: string
  readonly hit: AuditRecord['cacheHit']
  readonly phase: AuditRecord['cachePhase']
  readonly key: string
  readonly tokens: number
  readonly cost: Micros
}

const NOT_ASKED: Saved = { provider: '', hit: '', phase: '', key: '', tokens: 0, cost: 0 }

function savedOf(looked: LookedUp | undefined): Saved {
  if (looked === undefined) return NOT_ASKED
  const { provider = '', hit, phase, key, tokensSaved, costSaved } = looked
  return { provider, hit: hit ?? '', phase: hit === undefined ? '' : phase, key, tokens: tokensSaved, cost: costSaved }
}

/** What guardrails said of both directions; undefined when none looked. */
function complianceOf(trace: Trace): AuditRecord['compliance'] {
  const verdicts = trace.filter(fact => fact.kind === 'verdict')
  if (verdicts.length === 0) return undefined
  const violations = verdicts.flatMap(({ direction, violations: found }) =>
    found.map(violation => ({ direction, ...violation })),
  )
  return {
    status: violations.some(({ shadow }) => !shadow) ? 'violated' : 'compliant',
    action: strongest(verdicts.map(({ action }) => action)),
    riskScore: Math.max(...verdicts.map(({ riskScore }) => riskScore)),
    violations: violations.slice(0, MAX_VIOLATIONS),
  }
}

function attemptOf({ target, provider, model, status, durationMs, error }: Attempted): AuditRecord['attempts'][number] {
  const attempt = { target, provider, model, status, ms: Math.round(durationMs) }
  return error === undefined ? attempt : { ...attempt, error }
}
