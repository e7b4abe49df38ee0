// The response cache in this process: bounded by bytes, least recently used out first.
import { LRUCache } from 'lru-cache'
import type { MemoryCache } from '../../ports/response-cache.ts'

/** `now` gives milliseconds; injected by tests. */
export interface MemoryResponseCacheOptions {
  readonly maxBytes?: number
  readonly now?: () => number
}

const MAX_BYTES = 64 * 1024 * 1024
/** What an entry costs beside its value and its key: list and map places, object headers. */
const OVERHEAD_BYTES = 200

/** See the file's head. An entry larger than the whole cache is not kept. */
export class MemoryResponseCache implements MemoryCache {
  readonly #entries: LRUCache<string, Buffer>

  constructor(options: MemoryResponseCacheOptions = {}) {
    this.#entries = new LRUCache<string, Buffer>({
      maxSize: Math.max(1, options.maxBytes ?? MAX_BYTES),
      sizeCalculation: (value, place) => value.byteLength + 2 * place.length + OVERHEAD_BYTES,
      ...(options.now === undefined ? {} : { perf: { now: options.now }, ttlResolution: 0 }),
    })
  }

  getNow(tenant: string, key: string): Buffer | undefined {
    return this.#entries.get(placeOf(tenant, key))
  }

  async get(tenant: string, key: string): Promise<Buffer | undefined> {
    return this.getNow(tenant, key)
  }

  put(tenant: string, key: string, value: Buffer, ttl: number): void {
    if (ttl > 0) this.#entries.set(placeOf(tenant, key), alone(value), { ttl: ttl * 1000 })
  }

  async size(): Promise<{ entries: number; bytes: number }> {
    this.#entries.purgeStale()
    return { entries: this.#entries.size, bytes: this.#entries.calculatedSize }
  }
}

function placeOf(tenant: string, key: string): string {
  return `${tenant}\n${key}`
}

/** A slice would keep the whole buffer that it was cut from alive, uncounted. */
function alone(value: Buffer): Buffer {
  if (value.buffer.byteLength === value.byteLength) return value
  const copy = Buffer.allocUnsafeSlow(value.byteLength)
  value.copy(copy)
  return copy
}
