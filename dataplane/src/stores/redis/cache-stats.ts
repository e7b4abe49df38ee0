// Cache counters in a Redis hash per tenant, added in batches: a call costs no command of its own.
import { type CacheCounters, type CacheStats, NO_CACHE_COUNTERS } from '../../ports/cache-stats.ts'
import type { RedisConnection } from './connection.ts'

const FLUSH_MS = 1_000
/** Tenants with counts not yet told; beyond this the oldest counts are dropped (statistics, not money). */
const MAX_TENANTS = 10_000

const NAMES: readonly (keyof CacheCounters)[] = [
  'hits',
  'misses',
  'exactMatches',
  'semanticMatches',
  'memoryHits',
  'vectorHits',
  'redisHits',
  'tokensSaved',
  'costSaved',
  'unreadable',
]

type Counts = { -readonly [name in keyof CacheCounters]: number }

/** Counts of one process on their way to the store; `close` tells the rest. */
export class RedisCacheStats implements CacheStats {
  readonly #redis: RedisConnection
  readonly #waiting = new Map<string, Counts>()
  readonly #timer: NodeJS.Timeout

  constructor(redis: RedisConnection) {
    this.#redis = redis
    this.#timer = setInterval(() => void this.#flushAll(), FLUSH_MS).unref()
  }

  add(tenant: string, counters: Partial<CacheCounters>): void {
    const counts = this.#waiting.get(tenant) ?? noCounts()
    for (const name of NAMES) counts[name] += counters[name] ?? 0
    this.#waiting.set(tenant, counts)
    if (this.#waiting.size <= MAX_TENANTS) return
    const oldest = this.#waiting.keys().next()
    if (oldest.done !== true) this.#waiting.delete(oldest.value)
  }

  async read(tenant: string): Promise<CacheCounters> {
    await this.#flush(tenant)
    const values = await this.#redis.send('hmget', [keyOf(tenant), ...NAMES])
    const counts = noCounts()
    if (!Array.isArray(values)) return counts
    for (const [index, name] of NAMES.entries()) counts[name] = Number(values[index] ?? 0)
    return counts
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#flushAll()
  }

  async #flushAll(): Promise<void> {
    await Promise.all([...this.#waiting.keys()].map(tenant => this.#flush(tenant).catch(() => {}))) // kept and told later
  }

  /** Tells the counts; what the store did not take is put back. */
  async #flush(tenant: string): Promise<void> {
    const counts = this.#waiting.get(tenant)
    if (!counts) return
    this.#waiting.delete(tenant)
    const changed = NAMES.filter(name => counts[name] !== 0)
    try {
      await Promise.all(changed.map(name => this.#redis.send('hincrby', [keyOf(tenant), name, counts[name]])))
    } catch (error) {
      this.add(tenant, counts)
      throw error
    }
  }
}

function keyOf(tenant: string): string {
  return `sf:{${tenant}}:cache:stats`
}

function noCounts(): Counts {
  return { ...NO_CACHE_COUNTERS }
}
