// What every tier of the response cache must do. Each adapter's test file calls `responseCacheContract`.
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ResponseCache } from './response-cache.ts'

/** A tier, and a way to let time pass for it. */
export interface ResponseCacheWorld {
  readonly cache: ResponseCache
  pass(ms: number): Promise<void>
  end(): Promise<void>
}

/** Registers the tests; `open` gives a fresh world for each. */
export function responseCacheContract(name: string, open: () => Promise<ResponseCacheWorld>): void {
  describe(name, () => {
    let world: ResponseCacheWorld
    let cache: ResponseCache
    let tenant: string

    beforeEach(async () => {
      world = await open()
      cache = world.cache
      tenant = `cache-${randomBytes(6).toString('hex')}`
    })

    afterEach(() => world.end())

    test('a key that was never put is a miss', async () => {
      expect(await cache.get(tenant, 'k')).toBeUndefined()
    })

    test('gives back the bytes that were put, whatever they are', async () => {
      for (const value of [Buffer.alloc(0), Buffer.from([0, 255, 10, 13, 0]), randomBytes(300_000)]) {
        cache.put(tenant, 'k', value, 60)
        expect(await cache.get(tenant, 'k')).toEqual(value)
      }
    })

    test('is not changed by what happens to the buffer that a slice was put from', async () => {
      const whole = Buffer.from('headvaluetail')
      cache.put(tenant, 'k', whole.subarray(4, 9), 60)
      await cache.get(tenant, 'k')
      whole.fill(0)
      expect((await cache.get(tenant, 'k'))?.toString()).toBe('value')
    })

    test('keeps tenants apart', async () => {
      cache.put(tenant, 'k', Buffer.from('mine'), 60)
      expect(await cache.get(`${tenant}-other`, 'k')).toBeUndefined()
    })

    test('forgets when the time is over, and never keeps what has no time', async () => {
      cache.put(tenant, 'short', Buffer.from('a'), 2)
      cache.put(tenant, 'long', Buffer.from('b'), 60)
      cache.put(tenant, 'never', Buffer.from('c'), 0)
      expect((await cache.get(tenant, 'short'))?.toString()).toBe('a')
      await world.pass(2_100)
      expect(await cache.get(tenant, 'short')).toBeUndefined()
      expect((await cache.get(tenant, 'long'))?.toString()).toBe('b')
      expect(await cache.get(tenant, 'never')).toBeUndefined()
    })

    test('a later value replaces an earlier one', async () => {
      cache.put(tenant, 'k', Buffer.from('old'), 60)
      cache.put(tenant, 'k', Buffer.from('new'), 60)
      expect((await cache.get(tenant, 'k'))?.toString()).toBe('new')
    })

    test('says about how much it holds', async () => {
      // Many: the store may hold so much of others that only a part of it is looked at.
      for (let at = 0; at < 100; at++) cache.put(tenant, `k${at}`, randomBytes(5000), 60)
      await cache.get(tenant, 'k99')
      const { entries, bytes } = await cache.size()
      expect(entries).toBeGreaterThanOrEqual(1)
      expect(bytes).toBeGreaterThan(0)
    })
  })
}
