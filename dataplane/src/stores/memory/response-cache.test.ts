import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { responseCacheContract } from '../../ports/response-cache.contract.ts'
import { MemoryResponseCache } from './response-cache.ts'

responseCacheContract('memory response cache', async () => {
  let now = 1000
  return {
    cache: new MemoryResponseCache({ now: () => now }),
    pass: async ms => void (now += ms),
    end: async () => {},
  }
})

test('stays within its bytes by letting go of what was used least lately', async () => {
  const cache = new MemoryResponseCache({ maxBytes: 10_000 })
  for (let i = 0; i < 20; i++) {
    cache.put('t', `k${i}`, randomBytes(1000), 60)
    cache.getNow('t', 'k0')
  }
  const { entries, bytes } = await cache.size()
  expect(bytes).toBeLessThanOrEqual(10_000)
  expect(entries).toBe(8)
  expect(cache.getNow('t', 'k0')).toBeDefined()
  expect(cache.getNow('t', 'k5')).toBeUndefined()
})

test('does not keep an entry larger than the whole cache, nor throw for it', async () => {
  const cache = new MemoryResponseCache({ maxBytes: 1000 })
  cache.put('t', 'k', randomBytes(2000), 60)
  expect(cache.getNow('t', 'k')).toBeUndefined()
})
