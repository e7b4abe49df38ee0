import { describe, expect, it } from 'vitest'
import { type Ending, map, of, watch } from './streams.ts'

async function all<T>(source: AsyncIterator<T, undefined>): Promise<T[]> {
  const items: T[] = []
  for (let result = await source.next(); result.done !== true; result = await source.next()) items.push(result.value)
  return items
}

function broken(after: number): AsyncIterator<number, undefined> {
  let next = 0
  return { next: async () => (next < after ? { done: false, value: next++ } : Promise.reject(new Error('broken'))) }
}

describe('watch', () => {
  it('says complete once, after the last item', async () => {
    const seen: (number | string)[] = []
    const watched = watch(of(1, 2), { each: item => seen.push(item), done: ({ how }) => seen.push(how) })
    expect(await all(watched)).toEqual([1, 2])
    await watched.next()
    await watched.return?.()
    expect(seen).toEqual([1, 2, 'complete'])
  })

  it('says failed with the error, and still throws it', async () => {
    const endings: Ending[] = []
    const watched = watch(broken(1), { done: ending => endings.push(ending) })
    await watched.next()
    await expect(watched.next()).rejects.toThrow('broken')
    await watched.return?.()
    expect(endings.map(({ how }) => how)).toEqual(['failed'])
  })

  it('says abandoned and closes the source, even when nothing was ever read', async () => {
    const endings: Ending[] = []
    let closed = false
    const source = { ...of(1), return: async () => ((closed = true), { done: true as const, value: undefined }) }
    await watch(source, { done: ending => endings.push(ending) }).return?.()
    expect(endings).toEqual([{ how: 'abandoned' }])
    expect(closed).toBe(true)
  })
})

describe('map', () => {
  it('replaces each item by none, one or several, and flushes at the end', async () => {
    const mapped = map(
      of(0, 1, 2),
      count => Array.from({ length: count }, () => count),
      () => [9],
    )
    expect(await all(mapped)).toEqual([1, 2, 2, 9])
  })
})
