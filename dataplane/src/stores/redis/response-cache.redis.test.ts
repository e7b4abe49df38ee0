import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, inject, test } from 'vitest'
import { responseCacheContract } from '../../ports/response-cache.contract.ts'
import { openRedis } from './connection.ts'
import { RedisResponseCache } from './response-cache.ts'

const url = inject('redisUrl')

describe.skipIf(url === '')('on Redis (skipped without a Redis)', () => {
  responseCacheContract('Redis response cache', async () => {
    const redis = openRedis(url, { name: 'cache', commandTimeoutMs: 5_000 })
    expect(await redis.whenUp(10_000)).toBe(true)
    return { cache: new RedisResponseCache({ redis }), pass: ms => sleep(ms), end: async () => redis.close() }
  })

  test('does not keep what is too long for a shared connection', async () => {
    const redis = openRedis(url, { name: 'cache', commandTimeoutMs: 5_000 })
    expect(await redis.whenUp(10_000)).toBe(true)
    const cache = new RedisResponseCache({ redis, maxValueBytes: 10 })
    cache.put('cache-long', 'k', Buffer.alloc(11), 60)
    expect(await cache.get('cache-long', 'k')).toBeUndefined()
    redis.close()
  })
})

test('a store that is away is a miss, and is counted', async () => {
  const redis = openRedis('redis://127.0.0.1:1', { name: 'cache' })
  const cache = new RedisResponseCache({ redis })
  cache.put('t', 'k', Buffer.from('v'), 60)
  expect(await cache.get('t', 'k')).toBeUndefined()
  expect(await cache.size()).toEqual({ entries: 0, bytes: 0 })
  expect(cache.failures()).toBe(2)
  redis.close()
})
