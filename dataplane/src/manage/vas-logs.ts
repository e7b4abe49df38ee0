// GET /api/vas/logs: the record of every call as the published clients read it (O03; contract: VAS logs).
import { formatUSD } from '@smartflow/core/money'
import { Refusal } from '../exchange/refusal.ts'
import type { ApiRequest, ApiRoute } from '../exchange/route.ts'
import type { AuditEntry, AuditLog, AuditRecord } from '../ports/audit-log.ts'

const DAY_MS = 86_400_000
const MAX_LIMIT = 1_000
const MAX_OFFSET = 1_000_000

/** The log routes. A ProxyAdmin may read another tenant's log with `?tenant=`, or of strangers with `?tenant=-`. */
export function vasLogRoutes(audit: AuditLog, now: () => number): readonly ApiRoute[] {
  return [
    {
      kind: 'api',
      listeners: ['management'],
      method: 'GET',
      path: '/api/vas/logs',
      access: 'tenant-admin',
      async answer(request) {
        const { query } = request
        const limit = wholeNumber(query, 'limit', 100, MAX_LIMIT)
        const offset = wholeNumber(query, 'offset', 0, MAX_OFFSET)
        const days = wholeNumber(query, 'days', 30, 3_650)
        const entries = await audit.list({
          tenant: tenantOf(request),
          limit,
          offset,
          provider: query.get('provider') ?? undefined,
          model: query.get('model') ?? undefined,
          since: now() - days * DAY_MS,
        })
        return { status: 200, body: { success: true, data: entries.map(logOf), limit, offset, count: entries.length } }
      },
    },
    {
      kind: 'api',
      listeners: ['management'],
      method: 'GET',
      path: '/api/vas/logs/:id',
      access: 'tenant-admin',
      async answer(request) {
        const id = request.params['id'] ?? ''
        const entry = await audit.get(tenantOf(request), id)
        if (!entry)
          throw new Refusal(
            'not_found',
            `There is no record of the request "${id.slice(0, 80)}" in this tenant; it may be too old.`,
          )
        return { status: 200, body: { success: true, data: logOf(entry) } }
      },
    },
  ]
}

/** Only gateway admins look beyond their own tenant. */
function tenantOf({ query, presented }: ApiRequest): string {
  const own = presented?.tenant.item.name ?? ''
  const wanted = query.get('tenant')
  if (wanted === null || wanted === own) return own
  if (presented?.key.role === 'OrgAdmin') {
    throw new Refusal(
      'role_insufficient',
      `The key "${presented.key.alias}" may only read the log of its own tenant, "${own}".`,
    )
  }
  return wanted === '-' ? '' : wanted
}

function wholeNumber(query: URLSearchParams, name: string, fallback: number, most: number): number {
  const text = query.get(name)
  if (text === null || text === '') return fallback
  const value = Number(text)
  if (!/^\d+$/.test(text) || value > most)
    throw new Refusal('request_invalid', `"${name}" is a whole number from 0 to ${most}.`, { param: name })
  return value
}

function logOf({ record, content }: AuditEntry): object {
  return {
    request_id: record.id,
    timestamp: new Date(record.at).toISOString(),
    ...whoOf(record),
    ...whatOf(record),
    ...(content === undefined ? {} : { request_content: content.request, response_content: content.response }),
    ...complianceOf(record),
    metacache: {
      hit: record.cacheHit !== '',
      phase: record.cachePhase || null,
      tier: record.cacheHit || null,
      key: record.cacheKey || null,
      query: null,
      tokens_saved: record.tokensSaved,
      cost_saved_usd: formatUSD(record.costSaved),
    },
    metrics: {
      prompt_tokens: record.promptTokens,
      cached_prompt_tokens: record.cachedPromptTokens,
      completion_tokens: record.completionTokens,
      processing_time_ms: Math.max(0, record.durationMs - record.upstreamMs),
      success: record.outcome === 'complete',
      usage_source: record.usageSource,
    },
    attempts: record.attempts,
  }
}

/** For the published clients, whose scale is 100 for nothing found; `compliance_violations` only stands when there are some. */
function complianceOf({ compliance }: AuditRecord): object {
  if (!compliance) return {}
  const { status, action, riskScore, violations } = compliance
  const inForce = violations.filter(({ shadow }) => !shadow)
  return {
    ...(status === 'violated' ? { compliance_violations: JSON.stringify(inForce) } : {}),
    compliance: {
      has_violations: status === 'violated',
      compliance_score: Math.round((1 - riskScore) * 100),
      risk_score: riskScore,
      risk_level: riskLevel(riskScore),
      action,
      violations: inForce.map(({ policy, guardrail, entity }) => `${policy}/${guardrail}: ${entity}`),
      violations_details: violations,
      pii_detected: [...new Set(inForce.map(({ entity }) => entity))].filter(entity => entity !== 'error'),
      data_classification: inForce.length > 0 ? 'sensitive' : 'none',
      regulatory_frameworks: [],
      recommendations: [],
    },
  }
}

function riskLevel(riskScore: number): string {
  if (riskScore >= 0.75) return 'high'
  return riskScore >= 0.4 ? 'medium' : 'low'
}

function whoOf(record: AuditRecord): object {
  return {
    user_id: record.user || null,
    key: record.key || null,
    team: record.team || null,
    tenant: record.tenant || null,
    conversation_id: record.conversation || null,
    tags: record.tags,
    policies: record.policies,
  }
}

/** In the published client's words. Records of an older release have no chain. */
function routeOf({ cacheHit, chain, provider, attempts }: AuditRecord): object {
  if (cacheHit !== '') return { routing_strategy: 'cache', routing_reason: `cache_hit:tier=${cacheHit}` }
  if (!chain) return { routing_strategy: 'direct', routing_reason: `provider:${provider}` }
  const target = attempts.at(-1)?.target ?? 'none'
  return { routing_strategy: 'priority', routing_reason: `chain:${chain},target:${target},attempts:${attempts.length}` }
}

function whatOf(record: AuditRecord): object {
  const cached = record.cacheHit !== ''
  return {
    provider: record.provider,
    model: record.model,
    requested_model: record.requestedModel,
    model_provider: record.provider,
    tokens_used: cached ? 0 : record.promptTokens + record.completionTokens,
    cost: Number(formatUSD(record.cost)),
    cost_known: record.priced,
    latency_ms: record.durationMs,
    processing_time_ms: Math.max(0, record.durationMs - record.upstreamMs),
    cached,
    content_type: record.operation,
    stream: record.stream,
    status: record.status,
    outcome: record.outcome,
    error: record.message === '' ? null : record.message,
    ...routeOf(record),
    compliance_status: record.compliance?.status ?? 'compliant',
    degraded: record.degraded,
    config_version: record.config,
  }
}
