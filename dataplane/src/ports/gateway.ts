// Everything the stages may ask of the outside, in one typed bundle that main.ts fills.
import type { TenantView } from '@smartflow/core/snapshot/view'
import type { RouteBounds, Target } from '../exchange/target.ts'
import type { AuditLog, AuditRecord } from './audit-log.ts'
import type { CacheStats } from './cache-stats.ts'
import type { Guardrails } from './guardrails.ts'
import type { Ledger } from './ledger.ts'
import type { Prices } from './prices.ts'
import type { MemoryCache, ResponseCache } from './response-cache.ts'
import type { Sealer } from './sealer.ts'
import type { Upstream } from './upstream.ts'

/** Where calls for a model go. */
export interface Destinations {
  readonly targets: readonly Target[]
  readonly bounds: RouteBounds
}

/** What a model name means for a tenant. */
export interface Resolver {
  /** Targets in the order in which they are tried, and their bounds; no targets when nothing configured serves the model. */
  destinations(tenant: TenantView, model: string, chain: string | undefined): Destinations
  /** The name prefixes and patterns that would be understood, for the error message. */
  known(tenant: TenantView): string
}

/** The ports of the pipeline. */
export interface Gateway {
  readonly audit: AuditLog
  readonly ledger: Ledger
  readonly memoryCache: MemoryCache
  readonly redisCache: ResponseCache
  readonly cacheStats: CacheStats
  readonly sealer: Sealer
  readonly prices: Prices
  readonly resolver: Resolver
  readonly guardrails: Guardrails
  readonly upstream: Upstream
  /** Sees every finished record: metrics. Never throws. */
  observe(record: AuditRecord): void
  /** Epoch milliseconds; injected so that tests can hold the clock. */
  now(): number
  /** Waits; over at once when the signal aborts. Never rejects. */
  pause(ms: number, signal: AbortSignal): Promise<void>
  /** 0 to 1. */
  random(): number
}
