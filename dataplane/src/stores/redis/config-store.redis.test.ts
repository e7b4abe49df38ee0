import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { configStoreContract } from '@smartflow/core/snapshot/config-store.contract'
import { configKeys } from '@smartflow/core/snapshot/keys'
import { RedisConfigStore } from '@smartflow/core/snapshot/redis-config-store'
import { openRedis, type RedisConnection, StoreAway } from './connection.ts'

const url = inject('redisUrl')
const fresh = (): string => `gateway-${randomBytes(6).toString('hex')}`

describe.skipIf(url === '')('on Redis (skipped without a Redis)', () => {
  let redis: RedisConnection

  beforeAll(async () => {
    redis = openRedis(url, { name: 'config', commandTimeoutMs: 5_000 })
    expect(await redis.whenUp(10_000)).toBe(true)
  })

  afterAll(() => redis.close())

  configStoreContract('on Redis', async () => new RedisConfigStore({ redis, gateway: fresh() }))

  test('logs every commit and puts nothing under a name of its own', async () => {
    const gateway = fresh()
    const store = new RedisConfigStore({ redis, gateway })
    const digest = 'd'.repeat(64)
    await store.commit({ epoch: 1, generation: 1, digest, manifest: '1.1' })
    await store.commit({ epoch: 1, generation: 2, digest, manifest: '1.2' })
    expect(await redis.send('xlen', [configKeys.log(gateway)])).toBe(2)
    const keys = await redis.send('keys', [`*${gateway}*`])
    expect(keys).toHaveLength(2)
    expect(keys).toEqual(expect.arrayContaining([configKeys.head(gateway), configKeys.log(gateway)]))
  })
})

test('a store that is away is an error, never an empty configuration', async () => {
  const redis = openRedis('redis://127.0.0.1:1', { name: 'config' })
  const store = new RedisConfigStore({ redis, gateway: 'g' })
  await expect(store.head()).rejects.toThrow(StoreAway)
  await expect(store.items('t', ['d'])).rejects.toThrow(StoreAway)
  redis.close()
})
