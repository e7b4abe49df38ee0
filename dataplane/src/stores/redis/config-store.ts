// Published configuration in Redis: what the one writer puts there and every pod reads.
import type { CommitResult, ConfigStore, Head } from '@smartflow/core/snapshot/config-store'
import { configKeys } from '@smartflow/core/snapshot/keys'
import { CLAIM_SCRIPT, COMMIT_SCRIPT, LOG_LENGTH } from '@smartflow/core/snapshot/scripts'
import { type RedisConnection, type RedisScript, scriptOf } from './connection.ts'

/** Keys asked for in one command. */
const KEYS_AT_ONCE = 500

const claim: RedisScript = scriptOf(CLAIM_SCRIPT)
const commit: RedisScript = scriptOf(COMMIT_SCRIPT)

/** Every method rejects with StoreAway while the store cannot be asked. */
export class RedisConfigStore implements ConfigStore {
  readonly #redis: RedisConnection
  readonly #gateway: string

  constructor({ redis, gateway }: { redis: RedisConnection; gateway: string }) {
    this.#redis = redis
    this.#gateway = gateway
  }

  async head(): Promise<Head | undefined> {
    const values = await this.#redis.send('hmget', [
      configKeys.head(this.#gateway),
      'epoch',
      'gen',
      'digest',
      'manifest',
    ])
    const [epoch, generation, digest, manifest]: unknown[] = Array.isArray(values) ? values : []
    if (typeof digest !== 'string' || typeof manifest !== 'string') return undefined
    return { epoch: Number(epoch), generation: Number(generation), digest, manifest }
  }

  rootManifest(id: string): Promise<string | undefined> {
    return this.#get(configKeys.rootManifest(this.#gateway, id))
  }

  tenantManifest(tenant: string, digest: string): Promise<string | undefined> {
    return this.#get(configKeys.tenantManifest(tenant, digest))
  }

  async items(tenant: string, digests: readonly string[]): Promise<readonly (string | undefined)[]> {
    if (digests.length === 0) return []
    const values = await this.#redis.send(
      'mget',
      digests.map(digest => configKeys.item(tenant, digest)),
    )
    return Array.isArray(values) ? values.map(text) : []
  }

  async claimEpoch(floor: number): Promise<number> {
    return Number(await this.#redis.run(claim, [configKeys.head(this.#gateway)], [floor]))
  }

  async missing(tenant: string, digests: readonly string[]): Promise<readonly string[]> {
    const missing: string[] = []
    for (let at = 0; at < digests.length; at += KEYS_AT_ONCE) {
      const batch = digests.slice(at, at + KEYS_AT_ONCE)
      const found = await Promise.all(
        batch.map(digest => this.#redis.send('exists', [configKeys.item(tenant, digest)])),
      )
      missing.push(...batch.filter((_digest, index) => found[index] !== 1))
    }
    return missing
  }

  async putItems(tenant: string, items: ReadonlyMap<string, string>): Promise<void> {
    const entries = [...items]
    for (let at = 0; at < entries.length; at += KEYS_AT_ONCE) {
      const batch = entries.slice(at, at + KEYS_AT_ONCE)
      await this.#redis.send(
        'mset',
        batch.flatMap(([digest, value]) => [configKeys.item(tenant, digest), value]),
      )
    }
  }

  async putTenantManifest(tenant: string, digest: string, value: string): Promise<void> {
    await this.#redis.send('set', [configKeys.tenantManifest(tenant, digest), value])
  }

  async putRootManifest(id: string, value: string): Promise<void> {
    await this.#redis.send('set', [configKeys.rootManifest(this.#gateway, id), value])
  }

  async commit({ epoch, generation, digest, manifest }: Head): Promise<CommitResult> {
    const keys = [configKeys.head(this.#gateway), configKeys.log(this.#gateway)]
    const result = await this.#redis.run(commit, keys, [
      epoch,
      generation,
      digest,
      manifest,
      configKeys.notify(this.#gateway),
      LOG_LENGTH,
    ])
    return result === 'OK' || result === 'STALE_EPOCH' ? result : 'STALE_GEN'
  }

  async #get(key: string): Promise<string | undefined> {
    return text(await this.#redis.send('get', [key]))
  }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
