// Folds the trace of a call into its record (O03).
import { factOf, strongest, type Attempted, type Trace } from '../../exchange/facts.ts'
import type { Received } from '../../exchange/stage.ts'
import { NO_USAGE } from '../../exchange/usage.ts'
import type { AuditRecord } from '../../ports/audit-log.ts'

/** Attempts listed in a record; a chain is bounded, and a record has to stay under 4 KB. */
const MAX_ATTEMPTS = 16

/** Kinds of findings listed in a record. */
const MAX_VIOLATIONS = 16

/** The record of a call that went through the pipeline. `now` is the moment of its end. */
export function recordOf(exchange: Received, end: { status: number; outcome: string }, now: number): AuditRecord {
  const { call, trace, snapshot } = exchange
  const attempts = trace.filter(fact => fact.kind === 'attempted')
  const held = factOf(trace, 'held')
  return {
    id: exchange.id,
    at: exchange.receivedAt,
    ...callerOf(exchange),
    conversation: call.conversationId ?? '',
    operation: call.operation,
    requestedModel: call.model,
    ...end,
    message: factOf(trace, 'refused')?.message ?? '',
    stream: call.streams,
    ...usageOf(trace, attempts, call.model),
    ...cacheOf(trace),
    durationMs: now - exchange.receivedAt,
    upstreamMs: Math.round(attempts.reduce((sum, { durationMs }) => sum + durationMs, 0)),
    attempts: attempts.slice(0, MAX_ATTEMPTS).map(attemptOf),
    policies: factOf(trace, 'identified')?.policies ?? [],
    chain: factOf(trace, 'identified')?.chain ?? '',
    ...complianceOf(trace),
    tags: call.tags,
    degraded: held?.degraded !== undefined,
    config: `${snapshot.version.epoch}.${snapshot.version.generation}`,
  }
}

function callerOf({ trace, presented, call }: Received): Pick<AuditRecord, 'tenant' | 'key' | 'team' | 'user'> {
  const who = factOf(trace, 'identified')
  return {
    tenant: presented.tenant.item.name,
    key: presented.key.name,
    team: presented.key.team ?? '',
    user: who?.user ?? call.userId ?? '',
  }
}

type UsageFields = Pick<
  AuditRecord,
  'provider' | 'model' | 'promptTokens' | 'cachedPromptTokens' | 'completionTokens' | 'usageSource' | 'cost' | 'priced'
>

function usageOf(trace: Trace, attempts: readonly Attempted[], requested: string): UsageFields {
  const used = factOf(trace, 'used')
  const settled = factOf(trace, 'settled')
  const hit = factOf(trace, 'looked-up')
  const { prompt, cachedPrompt, completion, source } = used?.usage ?? NO_USAGE
  return {
    provider: attempts.at(-1)?.provider ?? hit?.provider ?? '',
    model: (hit?.hit === undefined ? used?.model : undefined) ?? requested,
    promptTokens: prompt,
    cachedPromptTokens: cachedPrompt,
    completionTokens: completion,
    usageSource: source,
    cost: settled?.cost ?? 0,
    priced: settled?.priced ?? true,
  }
}

/** What guardrails said of both directions. */
function complianceOf(trace: Trace): Pick<AuditRecord, 'compliance'> {
  const verdicts = trace.filter(fact => fact.kind === 'verdict')
  if (verdicts.length === 0) return {}
  const violations = verdicts.flatMap(({ direction, violations: found }) =>
    found.map(violation => ({ direction, ...violation })),
  )
  return {
    compliance: {
      status: violations.some(({ shadow }) => !shadow) ? 'violated' : 'compliant',
      action: strongest(verdicts.map(({ action }) => action)),
      riskScore: Math.max(...verdicts.map(({ riskScore }) => riskScore)),
      violations: violations.slice(0, MAX_VIOLATIONS),
    },
  }
}

function cacheOf(
  trace: Trace,
): Pick<AuditRecord, 'cacheHit' | 'cachePhase' | 'cacheKey' | 'tokensSaved' | 'costSaved'> {
  const looked = factOf(trace, 'looked-up')
  return {
    cacheHit: looked?.hit ?? '',
    cachePhase: looked?.hit === undefined ? '' : looked.phase,
    cacheKey: looked?.key ?? '',
    tokensSaved: looked?.tokensSaved ?? 0,
    costSaved: looked?.costSaved ?? 0,
  }
}

function attemptOf({ target, provider, model, status, durationMs, error }: Attempted): AuditRecord['attempts'][number] {
  return { target, provider, model, status, ms: Math.round(durationMs), ...(error === undefined ? {} : { error }) }
}
