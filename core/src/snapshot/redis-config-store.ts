// Published configuration in Redis: what the one writer puts there and every pod reads.
import type { CommitResult, ConfigReader, ConfigStore, Head, Place } from './config-store.ts'
import { configKeys, type Piece } from './keys.ts'
import { CLAIM_SCRIPT, COMMIT_SCRIPT, LOG_LENGTH, type StoreScript, TOUCH_SCRIPT } from './scripts.ts'

/** Keys asked for at a time, and pieces told in one script call. */
const AT_ONCE = 500
/** Characters written in one command, about: a server that is busy with one command serves nobody else. */
const CHARACTERS_AT_ONCE = 1_000_000
/** Commits that a tenant's log keeps, about. */
const TENANT_LOG_LENGTH = 20

/**
 * Redis as far as the store needs it; replies come as Redis gives them, strings as UTF-8. Both reject while the server
 * cannot be asked. What is sent in one turn of the event loop should leave in one write.
 */
export interface RedisCommands {
  send(command: string, args: (string | number)[]): Promise<unknown>
  run(script: StoreScript, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>
}

/** Every method rejects as `redis` does while the store cannot be asked. */
export class RedisConfigStore implements ConfigStore {
  readonly #redis: RedisCommands
  readonly #gateway: string

  constructor({ redis, gateway }: { redis: RedisCommands; gateway: string }) {
    this.#redis = redis
    this.#gateway = gateway
  }

  head(): Promise<Head | undefined> {
    return this.#headAt(configKeys.head(this.#gateway))
  }

  rootManifest(id: string): Promise<string | undefined> {
    return this.#get(configKeys.rootManifest(this.#gateway, id))
  }

  tenantManifest(tenant: string, digest: string): Promise<string | undefined> {
    return this.#get(this.#key(tenant, `manifest:${digest}`))
  }

  async items(tenant: string, digests: readonly string[]): Promise<readonly (string | undefined)[]> {
    if (digests.length === 0) return []
    const values = await this.#redis.send(
      'mget',
      digests.map(digest => this.#key(tenant, `item:${digest}`)),
    )
    return Array.isArray(values) ? values.map(text) : []
  }

  async claimEpoch(floor: number): Promise<number> {
    return Number(await this.#redis.run(CLAIM_SCRIPT, [configKeys.head(this.#gateway)], [floor]))
  }

  async touch(tenant: string, { epoch, generation }: Place, pieces: readonly Piece[]): Promise<boolean> {
    const keys = [configKeys.tenantHead(this.#gateway, tenant), configKeys.tenantIndex(this.#gateway, tenant)]
    const batches = pieces.length === 0 ? [[]] : inBatches(pieces)
    for (const batch of batches) {
      if ((await this.#redis.run(TOUCH_SCRIPT, keys, [epoch, generation, ...batch])) !== 1) return false
    }
    return true
  }

  async missing(tenant: string, digests: readonly string[]): Promise<readonly string[]> {
    const missing: string[] = []
    for (const batch of inBatches(digests)) {
      const found = await Promise.all(
        batch.map(digest => this.#redis.send('exists', [this.#key(tenant, `item:${digest}`)])),
      )
      missing.push(...batch.filter((_digest, index) => found[index] !== 1))
    }
    return missing
  }

  async putItems(tenant: string, items: ReadonlyMap<string, string>): Promise<void> {
    let batch: string[] = []
    let characters = 0
    for (const [digest, value] of items) {
      batch.push(this.#key(tenant, `item:${digest}`), value)
      characters += value.length
      if (characters < CHARACTERS_AT_ONCE && batch.length < 2 * AT_ONCE) continue
      await this.#redis.send('mset', batch)
      batch = []
      characters = 0
    }
    if (batch.length > 0) await this.#redis.send('mset', batch)
  }

  async putTenantManifest(tenant: string, digest: string, value: string): Promise<void> {
    await this.#redis.send('set', [this.#key(tenant, `manifest:${digest}`), value])
  }

  async putRootManifest(id: string, value: string): Promise<void> {
    const now = await this.#milliseconds()
    await this.#redis.send('zadd', [configKeys.index(this.#gateway), now, id])
    await this.#redis.send('set', [configKeys.rootManifest(this.#gateway, id), value])
  }

  commit(head: Head): Promise<CommitResult> {
    const keys = [configKeys.head(this.#gateway), configKeys.log(this.#gateway)]
    return this.#commitAt(keys, head, [configKeys.notify(this.#gateway), LOG_LENGTH])
  }

  readerOf(tenant: string): ConfigReader {
    return {
      head: () => this.#headAt(configKeys.tenantHead(this.#gateway, tenant)),
      rootManifest: id => this.#get(this.#key(tenant, `root:${id}`)),
      tenantManifest: (name, digest) => this.tenantManifest(name, digest),
      items: (name, digests) => this.items(name, digests),
    }
  }

  async putTenantRoot(tenant: string, id: string, value: string): Promise<void> {
    await this.#redis.send('set', [this.#key(tenant, `root:${id}`), value])
  }

  async commitTenant(tenant: string, head: Head): Promise<CommitResult> {
    await this.#redis.send('sadd', [configKeys.tenants(this.#gateway), tenant])
    const keys = [configKeys.tenantHead(this.#gateway, tenant), configKeys.tenantLog(this.#gateway, tenant)]
    return this.#commitAt(keys, head, [configKeys.tenantNotify(this.#gateway, tenant), TENANT_LOG_LENGTH])
  }

  async tenantsWithHeads(): Promise<readonly string[]> {
    const names = await this.#redis.send('smembers', [configKeys.tenants(this.#gateway)])
    return Array.isArray(names) ? names.map(String).sort() : []
  }

  async #commitAt(
    keys: readonly string[],
    { epoch, generation, digest, manifest }: Head,
    more: readonly (string | number)[],
  ): Promise<CommitResult> {
    const result = await this.#redis.run(COMMIT_SCRIPT, keys, [epoch, generation, digest, manifest, ...more])
    return result === 'OK' || result === 'STALE_EPOCH' ? result : 'STALE_GEN'
  }

  async #headAt(key: string): Promise<Head | undefined> {
    const values = await this.#redis.send('hmget', [key, 'epoch', 'gen', 'digest', 'manifest'])
    const [epoch, generation, digest, manifest]: unknown[] = Array.isArray(values) ? values : []
    if (typeof digest !== 'string' || typeof manifest !== 'string') return undefined
    return { epoch: Number(epoch), generation: Number(generation), digest, manifest }
  }

  async #milliseconds(): Promise<number> {
    const time = await this.#redis.send('time', [])
    return Array.isArray(time) ? Number(time[0]) * 1_000 + Math.floor(Number(time[1]) / 1_000) : 0
  }

  async #get(key: string): Promise<string | undefined> {
    return text(await this.#redis.send('get', [key]))
  }

  #key(tenant: string, piece: Piece): string {
    return configKeys.piece(this.#gateway, tenant, piece)
  }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function inBatches<T>(all: readonly T[]): T[][] {
  const batches: T[][] = []
  for (let at = 0; at < all.length; at += AT_ONCE) batches.push(all.slice(at, at + AT_ONCE))
  return batches
}
