// Where answers wait a few milliseconds before they are packed, sealed and stored together: work on many at once costs
// half of what it costs between the steps of other calls, whose code and data have pushed its own out of the caches.
import type { Gateway } from '../../ports/gateway.ts'
import { type Entry, packEntry } from './entry.ts'

/** What waits goes after this. */
const SOON_MS = 5
/** So many entries, or so many bytes of bodies, do not wait any longer. */
const MOST_ENTRIES = 64
const MOST_BYTES = 4 * 1024 * 1024

/** An answer to be stored under a key of its tenant for `ttl` seconds. `stored` is called when memory has it. */
export interface Shelved {
  readonly tenant: string
  readonly key: string
  readonly entry: Entry
  readonly ttl: number
  stored(): void
}

/** See the file's head. What waits when the process ends is not stored: a cache may lose anything. */
export class Shelf {
  readonly #gateway: Pick<Gateway, 'memoryCache' | 'redisCache' | 'sealer'>
  #waiting: Shelved[] = []
  #bytes = 0
  #timer: NodeJS.Timeout | undefined

  constructor(gateway: Pick<Gateway, 'memoryCache' | 'redisCache' | 'sealer'>) {
    this.#gateway = gateway
  }

  add(shelved: Shelved): void {
    this.#waiting.push(shelved)
    this.#bytes += shelved.entry.body.byteLength
    if (this.#waiting.length >= MOST_ENTRIES || this.#bytes >= MOST_BYTES) this.flush()
    else this.#timer ??= setTimeout(this.flush, SOON_MS).unref()
  }

  /** Stores what waits, in the order in which it came. */
  flush = (): void => {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const { memoryCache, redisCache, sealer } = this.#gateway
    const all = this.#waiting.map(shelved => ({ shelved, packed: packEntry(shelved.entry) }))
    this.#waiting = []
    this.#bytes = 0
    for (const { shelved, packed } of all) {
      memoryCache.put(shelved.tenant, shelved.key, packed, shelved.ttl)
      shelved.stored()
    }
    for (const { shelved, packed } of all) {
      const { tenant, key, ttl } = shelved
      redisCache.put(tenant, key, sealer.sealBytes(tenant, packed, key), ttl)
    }
  }
}
