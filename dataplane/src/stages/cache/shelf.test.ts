import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Shelf, type Shelved } from './shelf.ts'

const seen: string[] = []
const gateway = {
  memoryCache: { put: (_tenant: string, key: string) => void seen.push(`memory ${key}`) },
  redisCache: { put: (_tenant: string, key: string) => void seen.push(`redis ${key}`) },
  sealer: { sealBytes: (_tenant: string, bytes: Uint8Array) => Buffer.from(bytes) },
} as unknown as ConstructorParameters<typeof Shelf>[0]

function shelved(key: string, bytes = 10): Shelved {
  const usage = { prompt: 1, cachedPrompt: 0, cacheWrite: 0, completion: 1, reasoning: 0, source: 'reported' } as const
  const entry = { provider: 'p', preset: 'openai', model: 'm', until: 1, headers: {}, usage, body: Buffer.alloc(bytes) }
  return { tenant: 't', key, entry, ttl: 60, stored: () => void seen.push(`stored ${key}`) }
}

describe('answers on their way into the cache', () => {
  beforeEach(() => {
    vi.useFakeTimers()
    seen.length = 0
  })
  afterEach(() => void vi.useRealTimers())

  test('wait for each other, and are stored in order: memory before whoever waits is told, then the store', async () => {
    const shelf = new Shelf(gateway)
    shelf.add(shelved('a'))
    shelf.add(shelved('b'))
    expect(seen).toEqual([])
    await vi.advanceTimersByTimeAsync(5)
    expect(seen).toEqual(['memory a', 'stored a', 'memory b', 'stored b', 'redis a', 'redis b'])
    shelf.add(shelved('c'))
    await vi.advanceTimersByTimeAsync(5)
    expect(seen.slice(6)).toEqual(['memory c', 'stored c', 'redis c'])
  })

  test('do not wait when they are many, or large', () => {
    const many = new Shelf(gateway)
    for (let at = 0; at < 64; at++) many.add(shelved(`${at}`))
    expect(seen.filter(what => what.startsWith('redis'))).toHaveLength(64)
    seen.length = 0
    const large = new Shelf(gateway)
    for (let at = 0; at < 4; at++) large.add(shelved(`${at}`, 1024 * 1024))
    expect(seen).toContain('redis 3')
  })
})
