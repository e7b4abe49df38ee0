// Everything the stages may ask of the outside, in one typed bundle that main.ts fills.
import type { TenantView } from '@smartflow/core/snapshot/view'
import type { Target } from '../exchange/target.ts'
import type { AuditLog, AuditRecord } from './audit-log.ts'
import type { CacheStats } from './cache-stats.ts'
import type { Ledger } from './ledger.ts'
import type { Prices } from './prices.ts'
import type { MemoryCache, ResponseCache } from './response-cache.ts'
import type { Sealer } from './sealer.ts'
import type { Upstream } from './upstream.ts'

/** What a model name means for a tenant. */
export interface Resolver {
  /** Targets in the order in which they are tried; empty when nothing configured serves the model. */
  targets(tenant: TenantView, model: string, chain: string | undefined): readonly Target[]
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
  readonly upstream: Upstream
  /** Sees every finished record: metrics. Never throws. */
  observe(record: AuditRecord): void
  /** Epoch milliseconds; injected so that tests can hold the clock. */
  now(): number
}
