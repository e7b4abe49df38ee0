// The record of every call, refused ones too (O03). Metadata and content are kept apart.
import type { Micros } from '@smartflow/core/money'
import type { Verdict, Violation } from '../exchange/facts.ts'

/** What guardrails found in a call; never the text itself. */
export interface ComplianceNote {
  /** Something was found by a guardrail in force; a shadow's findings violate nothing. */
  readonly status: 'compliant' | 'violated'
  /** The strongest action taken. */
  readonly action: Verdict['action']
  /** 0 to 1; the worse of the two directions. */
  readonly riskScore: number
  readonly violations: readonly (Violation & Pick<Verdict, 'direction'>)[]
}

/** One call as it is remembered: at most 4 KB of metadata. Times are epoch milliseconds, money micro-dollars. */
export interface AuditRecord {
  readonly id: string
  readonly at: number
  /** Empty when the caller was never identified. */
  readonly tenant: string
  readonly key: string
  readonly team: string
  readonly user: string
  readonly conversation: string
  readonly operation: string
  readonly provider: string
  /** What the provider returned; the requested one for hits and refusals. */
  readonly model: string
  readonly requestedModel: string
  readonly status: number
  /** `complete`, `client_gone`, `upstream_failed`, or the refusal's reason. */
  readonly outcome: string
  readonly message: string
  readonly stream: boolean
  readonly promptTokens: number
  readonly cachedPromptTokens: number
  readonly completionTokens: number
  readonly usageSource: 'reported' | 'counted'
  readonly cost: Micros
  readonly priced: boolean
  readonly cacheHit: '' | 'memory' | 'redis' | 'flight'
  readonly cachePhase: '' | 'exact'
  readonly cacheKey: string
  readonly tokensSaved: number
  readonly costSaved: Micros
  readonly durationMs: number
  /** Time until the provider's first byte, summed over attempts. */
  readonly upstreamMs: number
  readonly attempts: readonly {
    target: string
    provider: string
    model: string
    status: number
    ms: number
    error?: string
  }[]
  /** Names of those that concern the call, the highest priority first. */
  readonly policies: readonly string[]
  /** The fallback chain that said where the call may go; empty without one. */
  readonly chain: string
  /** Absent when no guardrail looked. */
  readonly compliance?: ComplianceNote
  readonly tags: readonly string[]
  readonly degraded: boolean
  readonly config: string
}

/** The two sides of a call, cut to the policy's `maxBytes` each. */
export interface AuditContent {
  readonly request: Buffer
  readonly response: Buffer
}

/** Which records to list; newest first. */
export interface AuditQuery {
  readonly tenant: string
  readonly limit: number
  readonly offset: number
  readonly provider: string | undefined
  readonly model: string | undefined
  /** Only records at or after this time, epoch milliseconds. */
  readonly since: number
}

/** A record with its content, when it was kept. */
export interface AuditEntry {
  readonly record: AuditRecord
  readonly content: { readonly request: string; readonly response: string } | undefined
}

/** Health for probes and metrics. All but `up` count records. */
export interface AuditHealth {
  readonly up: boolean
  /** Wait for the store, or for the first of its replicas where it has some. */
  readonly spooled: number
  /** Overflowed the bounded spool, or were refused by the store for good. */
  readonly lost: number
  /** The same of callers that were never identified: they have a small spool of their own. */
  readonly strangersLost: number
  /** Are in the store, but were not waited for until a replica had them: none acknowledged in time. */
  readonly uncovered: number
}

export interface AuditLog {
  /**
   * Returns at once. `fold` makes the record; it is called once, within milliseconds: records of many calls are made and
   * written together. Kept in a bounded spool while the store is away; overflow is counted.
   */
  append(fold: () => AuditRecord, content: AuditContent | undefined): void
  /** Makes the records that were not made yet: who reads what they feed then finds every call that was answered. */
  fold(): void
  list(query: AuditQuery): Promise<readonly AuditEntry[]>
  get(tenant: string, id: string): Promise<AuditEntry | undefined>
  health(): AuditHealth
  drain(timeoutMs: number): Promise<void>
}
