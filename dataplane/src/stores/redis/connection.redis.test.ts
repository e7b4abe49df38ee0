import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, inject, test } from 'vitest'
import { openRedis, type RedisConnection, scriptOf, StoreAway } from './connection.ts'
import { openTestProxy, type TestProxy } from './test-proxy.ts'

const url = inject('redisUrl')

describe.skipIf(url === '')('a connection to Redis (skipped without a Redis)', () => {
  let proxy: TestProxy | undefined
  let redis: RedisConnection | undefined

  afterEach(async () => {
    redis?.close()
    await proxy?.close()
    proxy = undefined
  })

  const open = async (
    options: { maxInFlight?: number; commandTimeoutMs?: number } = {},
  ): Promise<{ proxy: TestProxy; redis: RedisConnection }> => {
    proxy = await openTestProxy(url)
    redis = openRedis(proxy.url, { name: 'test', ...options })
    expect(await redis.whenUp(10_000)).toBe(true)
    return { proxy, redis }
  }

  test('answers commands as text or bytes, and runs scripts, known to the server or not', async () => {
    const { redis } = await open()
    await redis.send('set', ['sf:test:connection', 'höhe', 'PX', 5000])
    expect(await redis.send('get', ['sf:test:connection'])).toBe('höhe')
    expect(await redis.sendBuffer('get', ['sf:test:connection'])).toEqual(Buffer.from('höhe'))
    const script = scriptOf(`return {KEYS[1], ARGV[1], ${Math.random()} < 2 and 7}`)
    const replies = await Promise.all(['a', 'b', 'c'].map(text => redis.run(script, ['k'], [text])))
    expect(replies).toEqual(['a', 'b', 'c'].map(text => ['k', text, 7]))
    expect(await redis.run(script, ['k'], ['d'])).toEqual(['k', 'd', 7])
  })

  test("passes the server's own errors on and stays up", async () => {
    const { redis } = await open()
    for (let i = 0; i < 5; i++) await expect(redis.send('get', ['a', 'b'])).rejects.toThrow(/wrong number/)
    expect(redis.up()).toBe(true)
  })

  test('a server that goes silent fails calls in time, then at once, and is found again', async () => {
    const { proxy, redis } = await open()
    const changes: boolean[] = []
    redis.onChange(up => changes.push(up))
    proxy.set('silent')
    const calls = Array.from({ length: 3 }, () => redis.send('ping', []))
    for (const result of await Promise.allSettled(calls))
      expect(result).toMatchObject({ reason: expect.any(StoreAway) })
    expect(redis.up()).toBe(false)
    let turned = false
    setImmediate(() => (turned = true))
    await expect(redis.send('ping', [])).rejects.toThrow(StoreAway)
    expect(turned).toBe(false)
    proxy.set('through')
    expect(await redis.whenUp(10_000)).toBe(true)
    expect(await redis.send('ping', [])).toBe('PONG')
    expect(changes).toEqual([false, true])
  })

  test('a process too busy to read does not take its own delay for the store’s', async () => {
    redis = openRedis(url, { name: 'test', commandTimeoutMs: 600 })
    const other = openRedis(url, { name: 'onlooker', commandTimeoutMs: 5_000 })
    expect(await Promise.all([redis.whenUp(10_000), other.whenUp(10_000)])).toEqual([true, true])
    for (const blockAt of [160, 320, 480]) {
      // Ages are counted every 200 ms since the last standstill: so three of them fall before the longest wait is over.
      await sleep(140)
      // The answer comes in time, but while this process stands still.
      await other.send('client', ['pause', 560])
      const waiting = redis.send('ping', [])
      await sleep(blockAt)
      await new Promise(resolve => setImmediate(resolve)) // timers come next, before what is in the socket
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_500)
      expect(await waiting).toBe('PONG')
    }
    other.close()
    expect(redis.up()).toBe(true)
  })

  test('a store that was only slow is used again as soon as it answers', async () => {
    const { proxy, redis } = await open({ commandTimeoutMs: 600 })
    const script = scriptOf('return 1')
    const times: number[] = []
    for (let round = 0; round < 3; round++) {
      await redis.run(script, [], [])
      proxy.set('silent')
      await Promise.allSettled([1, 2, 3].map(() => redis.run(script, [], [])))
      expect(redis.up()).toBe(false)
      const before = performance.now()
      proxy.set('through')
      expect(await redis.whenUp(10_000)).toBe(true)
      times.push(performance.now() - before)
    }
    expect(Math.min(...times)).toBeLessThan(200)
  })

  test('what is to be done later is done once, together, within a moment', async () => {
    const { redis } = await open()
    const done: string[] = []
    const [one, two] = ['one', 'two'].map(name => () => void done.push(name))
    if (one === undefined || two === undefined) return
    for (const flush of [one, two, one]) redis.later(flush)
    expect(done).toEqual([])
    await expect.poll(() => done).toEqual(['one', 'two'])
  })

  test('a lost connection fails what waits and comes back by itself', async () => {
    const { proxy, redis } = await open()
    proxy.set('silent')
    const waiting = redis.send('ping', [])
    proxy.set('cut')
    await expect(waiting).rejects.toThrow(StoreAway)
    await expect.poll(() => redis.up()).toBe(false)
    expect(redis.problem()).toMatch(/ECONNRE|closed|lost/i)
    proxy.set('through')
    expect(await redis.whenUp(10_000)).toBe(true)
    expect(redis.problem()).toBeUndefined()
  })

  test('does not pile up commands without bound', async () => {
    const { proxy, redis } = await open({ maxInFlight: 10 })
    proxy.set('silent')
    const calls = Array.from({ length: 15 }, () => redis.send('ping', []))
    const results = await Promise.allSettled(calls)
    const refused = results.filter(result => result.status === 'rejected' && /too many/.test(String(result.reason)))
    expect(refused).toHaveLength(5)
  })

  test('a server that is not there is down with a reason, and nothing is thrown', async () => {
    redis = openRedis('redis://127.0.0.1:1', { name: 'test' })
    expect(await redis.whenUp(300)).toBe(false)
    await expect.poll(() => redis?.problem()).toMatch(/ECONNREFUSED/)
    await expect(redis.send('ping', [])).rejects.toThrow(StoreAway)
  })

  test('closing ends it for good', async () => {
    const { redis } = await open()
    redis.close()
    expect(redis.up()).toBe(false)
    await expect(redis.send('ping', [])).rejects.toThrow('closed')
  })
})
