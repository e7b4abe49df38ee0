// Where answers are remembered. Values are sealed by the caller; this port sees only keys and bytes.

/** A tier of the response cache. Losing it or any entry is never an error for a call. */
export interface ResponseCache {
  /** The value, or undefined for a miss, an expired entry, or a store that is away. Never rejects. */
  get(tenant: string, key: string): Promise<Buffer | undefined>
  /** Remembers for `ttl` seconds. Returns at once; failures are counted. */
  put(tenant: string, key: string, value: Buffer, ttl: number): void
  /** Entries and bytes now held, as far as the tier knows. */
  size(): Promise<{ entries: number; bytes: number }>
}

/** The tier in this process: asked without waiting. */
export interface MemoryCache extends ResponseCache {
  getNow(tenant: string, key: string): Buffer | undefined
}
