// The record of a call that was refused at the door, before there was a call to speak of: unknown key, unreadable body.
import type { Refusal } from '../../exchange/refusal.ts'
import type { Presented } from '../../exchange/stage.ts'
import type { AuditRecord } from '../../ports/audit-log.ts'
import type { Gateway } from '../../ports/gateway.ts'

/** Writes the record; the tenant is empty when the key is unknown, so that strangers fill nobody's log. */
export function recordAtDoor(
  gateway: Pick<Gateway, 'audit' | 'observe' | 'now'>,
  {
    id,
    receivedAt,
    presented,
    refusal,
  }: { id: string; receivedAt: number; presented: Presented | undefined; refusal: Refusal },
): void {
  const record: AuditRecord = {
    id,
    at: receivedAt,
    tenant: presented?.tenant.item.name ?? '',
    key: presented?.key.name ?? '',
    team: presented?.key.team ?? '',
    user: presented?.key.user ?? '',
    conversation: '',
    operation: 'chat',
    provider: '',
    model: '',
    requestedModel: '',
    status: refusal.status,
    outcome: refusal.reason,
    message: refusal.message,
    stream: false,
    promptTokens: 0,
    cachedPromptTokens: 0,
    completionTokens: 0,
    usageSource: 'reported',
    cost: 0,
    priced: true,
    cacheHit: '',
    cachePhase: '',
    cacheKey: '',
    tokensSaved: 0,
    costSaved: 0,
    durationMs: gateway.now() - receivedAt,
    upstreamMs: 0,
    attempts: [],
    policies: [],
    chain: '',
    tags: [],
    degraded: false,
    config: '',
  }
  gateway.audit.append(() => record, undefined)
  gateway.observe(record)
}
