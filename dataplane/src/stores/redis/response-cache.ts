// The response cache on Redis: one string an entry, expiring by itself. Losing it is never an error for a call.
import type { ResponseCache } from '../../ports/response-cache.ts'
import type { RedisConnection } from './connection.ts'

/** Values longer than `maxValueBytes` are not kept: they would hold up the small commands behind them. */
export interface RedisResponseCacheOptions {
  readonly redis: RedisConnection
  readonly maxValueBytes?: number
}

const MAX_VALUE_BYTES = 4 * 1024 * 1024
/** Entries are looked for in this many steps of so many keys; the rest is estimated. */
const STEPS = 10
const STEP_KEYS = 1000
/** Entries whose length is asked for, to estimate the rest. */
const MEASURED = 50
const PATTERN = 'sf:*:cache:x:*'

/** See the file's head. Does not own the connection. */
export class RedisResponseCache implements ResponseCache {
  readonly #redis: RedisConnection
  readonly #maxValueBytes: number
  #failures = 0

  constructor(options: RedisResponseCacheOptions) {
    this.#redis = options.redis
    this.#maxValueBytes = options.maxValueBytes ?? MAX_VALUE_BYTES
  }

  /** Gets and puts that failed since the start. */
  failures(): number {
    return this.#failures
  }

  get(tenant: string, key: string): Promise<Buffer | undefined> {
    return this.#redis.sendLean(['get', placeOf(tenant, key)]).then(
      value => (Buffer.isBuffer(value) ? value : undefined),
      () => this.#failed(),
    )
  }

  put(tenant: string, key: string, value: Buffer, ttl: number): void {
    if (ttl <= 0 || value.byteLength > this.#maxValueBytes) return
    const args = ['set', placeOf(tenant, key), value, 'PX', Math.ceil(ttl * 1000)]
    this.#redis.sendLean(args).catch(() => this.#failed())
  }

  /** Exact up to some thousands of keys in the database, an estimate beyond; nothing while the store is away. */
  async size(): Promise<{ entries: number; bytes: number }> {
    try {
      const { found, share } = await this.#look()
      const measured = await Promise.all(found.slice(0, MEASURED).map(key => this.#redis.send('strlen', [key])))
      const length = measured.reduce((sum: number, bytes) => sum + Number(bytes), 0)
      const entries = Math.round(found.length * share)
      return { entries, bytes: measured.length === 0 ? 0 : Math.round((length / measured.length) * entries) }
    } catch {
      return { entries: 0, bytes: 0 }
    }
  }

  /** Keys of entries that were met, and by how much the whole database is larger than what was walked. */
  async #look(): Promise<{ found: string[]; share: number }> {
    const found: string[] = []
    let cursor = '0'
    for (let step = 1; step <= STEPS; step++) {
      const reply = await this.#redis.send('scan', [cursor, 'MATCH', PATTERN, 'COUNT', STEP_KEYS])
      if (!Array.isArray(reply) || !Array.isArray(reply[1])) break
      found.push(...reply[1].map(String))
      cursor = String(reply[0])
      if (cursor === '0') return { found, share: 1 }
    }
    const keys = Number(await this.#redis.send('dbsize', []))
    return { found, share: Math.max(1, keys / (STEPS * STEP_KEYS)) }
  }

  #failed(): undefined {
    this.#failures++
    return undefined
  }
}

function placeOf(tenant: string, key: string): string {
  return `sf:{${tenant}}:cache:x:${key}`
}
