// GET /api/metacache/stats: what the caches did (C07; contract: cache statistics).
import type { ApiRoute } from '../exchange/route.ts'
import type { CacheCounters, CacheStats } from '../ports/cache-stats.ts'
import type { ResponseCache } from '../ports/response-cache.ts'

/** Statistics of the caller's tenant over all gateway processes; `entries` and `memory_bytes` are this process's memory tier. */
export function metacacheRoutes(stats: CacheStats, memory: ResponseCache): readonly ApiRoute[] {
  return [
    {
      kind: 'api',
      listeners: ['management'],
      method: 'GET',
      path: '/api/metacache/stats',
      access: 'tenant-admin',
      async answer({ presented }) {
        const counters = await stats.read(presented?.tenant.item.name ?? '')
        return { status: 200, body: { success: true, data: await cacheStatsOf(counters, memory) } }
      },
    },
  ]
}

/** The counters in the clients' names. */
export async function cacheStatsOf(counters: CacheCounters, memory: ResponseCache): Promise<object> {
  const { entries, bytes } = await memory.size()
  const asked = counters.hits + counters.misses
  return {
    hits: counters.hits,
    misses: counters.misses,
    hit_rate: asked === 0 ? 0 : counters.hits / asked,
    exact_matches: counters.exactMatches,
    semantic_matches: counters.semanticMatches,
    l1_hits: counters.memoryHits,
    l2_hits: counters.vectorHits,
    l3_hits: counters.redisHits,
    tokens_saved: counters.tokensSaved,
    cost_saved_cents: counters.costSaved / 10_000,
    unreadable: counters.unreadable,
    entries,
    memory_bytes: bytes,
  }
}
