// Folds the trace of a call into its record (O03).
import { factOf, strongest, type Attempted, type Trace } from '../../exchange/facts.ts'
import type { Received } from '../../exchange/stage.ts'
import { NO_USAGE } from '../../exchange/usage.ts'
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
  const who = factOf(trace, 'identified')
  const looked = factOf(trace, 'looked-up')
  const hit = looked?.hit
  const used = factOf(trace, 'used')
  const usage = used?.usage ?? NO_USAGE
  const settled = factOf(trace, 'settled')
  const record = {
    id: exchange.id,
    at: exchange.receivedAt,
    tenant: presented.tenant.item.name,
    key: presented.key.name,
    team: presented.key.team ?? '',
    user: who?.user ?? call.userId ?? '',
    conversation: call.conversationId ?? '',
    operation: call.operation,
    requestedModel: call.model,
    status: end.status,
    outcome: end.outcome,
    message: factOf(trace, 'refused')?.message ?? '',
    stream: call.streams,
    provider: attempts.at(-1)?.provider ?? looked?.provider ?? '',
    model: (hit === undefined ? used?.model : undefined) ?? call.model,
    promptTokens: usage.prompt,
    cachedPromptTokens: usage.cachedPrompt,
    completionTokens: usage.completion,
    usageSource: usage.source,
    cost: settled?.cost ?? 0,
    priced: settled?.priced ?? true,
    cacheHit: hit ?? '',
    cachePhase: hit === undefined ? '' : (looked?.phase ?? ''),
    cacheKey: looked?.key ?? '',
    tokensSaved: looked?.tokensSaved ?? 0,
    costSaved: looked?.costSaved ?? 0,
    durationMs: now - exchange.receivedAt,
    upstreamMs: Math.round(attempts.reduce((sum, { durationMs }) => sum + durationMs, 0)),
    attempts: attempts.slice(0, MAX_ATTEMPTS).map(attemptOf),
    policies: who?.policies ?? [],
    chain: who?.chain ?? '',
    tags: call.tags,
    degraded: factOf(trace, 'held')?.degraded !== undefined,
    config: `${snapshot.version.epoch}.${snapshot.version.generation}`,
  } as const
  const compliance = complianceOf(trace)
  return compliance === undefined ? record : { ...record, compliance }
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
