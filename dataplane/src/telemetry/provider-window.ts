// Provider health from the attempts of the last minutes: bounded buckets, one a minute.
import type { AuditRecord } from '../ports/audit-log.ts'
import type { ProviderHealth, ProviderStats } from '../ports/provider-stats.ts'

const BUCKET_MS = 60_000
/** Minutes that are looked at. */
const BUCKETS = 5
/** Providers are rows of a configuration; beyond this many the rest is not tracked. */
const MAX_PROVIDERS = 500
/** Shares of failed attempts from which a provider counts as degraded, and as down. */
const DEGRADED = 0.1
const DOWN = 0.9

interface Bucket {
  readonly minute: number
  requests: number
  failed: number
  limited: number
  latency: number
}

/** Fed by every record. */
export class ProviderWindow implements ProviderStats {
  readonly #now: () => number
  readonly #providers = new Map<string, { buckets: Bucket[]; updatedAt: number }>()

  constructor(now: () => number) {
    this.#now = now
  }

  observe({ attempts }: AuditRecord): void {
    for (const { provider, status, ms } of attempts) this.#add(provider, status, ms)
  }

  list(): readonly ProviderHealth[] {
    return [...this.#providers.entries()].map(([provider, { buckets, updatedAt }]) =>
      this.#health(provider, buckets, updatedAt),
    )
  }

  #add(provider: string, status: number, ms: number): void {
    const known = this.#providers.get(provider) ?? { buckets: [], updatedAt: 0 }
    if (!this.#providers.has(provider)) {
      if (this.#providers.size >= MAX_PROVIDERS) return
      this.#providers.set(provider, known)
    }
    known.updatedAt = this.#now()
    const minute = Math.floor(known.updatedAt / BUCKET_MS)
    let bucket = known.buckets.at(-1)
    if (bucket?.minute !== minute) {
      bucket = { minute, requests: 0, failed: 0, limited: 0, latency: 0 }
      known.buckets = [...known.buckets.slice(1 - BUCKETS), bucket]
    }
    bucket.requests++
    bucket.latency += ms
    if (status === 429) bucket.limited++
    else if (status >= 500 || status === 0) bucket.failed++
  }

  #health(provider: string, buckets: readonly Bucket[], updatedAt: number): ProviderHealth {
    const oldest = Math.floor(this.#now() / BUCKET_MS) - BUCKETS
    const recent = buckets.filter(({ minute }) => minute > oldest)
    const sum = (of: (bucket: Bucket) => number): number => recent.reduce((total, bucket) => total + of(bucket), 0)
    const requests = sum(bucket => bucket.requests)
    const share = (count: number): number => (requests === 0 ? 0 : count / requests)
    const failed = share(sum(bucket => bucket.failed))
    const limited = share(sum(bucket => bucket.limited))
    return {
      provider,
      status: statusOf(requests, failed + limited),
      avg_latency_ms: Math.round(share(sum(bucket => bucket.latency))),
      success_rate: requests === 0 ? 0 : 1 - failed - limited,
      error_rate: failed,
      rate_limit_rate: limited,
      requests,
      last_updated: new Date(updatedAt).toISOString(),
    }
  }
}

function statusOf(requests: number, troubled: number): ProviderHealth['status'] {
  if (requests === 0) return 'idle'
  if (troubled >= DOWN) return 'down'
  return troubled >= DEGRADED ? 'degraded' : 'healthy'
}
