// What the caches did, counted over all processes (C07).

/** Counters of one tenant; the same names on the wire, in snake case. Money in micro-dollars. */
export interface CacheCounters {
  readonly hits: number
  readonly misses: number
  readonly exactMatches: number
  readonly semanticMatches: number
  readonly memoryHits: number
  readonly vectorHits: number
  readonly redisHits: number
  readonly tokensSaved: number
  readonly costSaved: number
  /** Entries that did not open: sealed under another key, or changed. */
  readonly unreadable: number
}

/** Nothing counted yet. */
export const NO_CACHE_COUNTERS: CacheCounters = {
  hits: 0,
  misses: 0,
  exactMatches: 0,
  semanticMatches: 0,
  memoryHits: 0,
  vectorHits: 0,
  redisHits: 0,
  tokensSaved: 0,
  costSaved: 0,
  unreadable: 0,
}

export interface CacheStats {
  /** Adds to the tenant's counters; told to the store in batches, bounded, never waits. */
  add(tenant: string, counters: Partial<CacheCounters>): void
  /** The counters of all processes, this one's newest included. Rejects when the store is away. */
  read(tenant: string): Promise<CacheCounters>
}
