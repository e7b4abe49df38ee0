import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Spool } from './spool.ts'

interface Entry {
  readonly name: number
  readonly bytes: number
  readonly group: string
}

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

/** A store that takes entries while `up`, and sometimes takes one but says that it did not. */
function world(options: { maxEntries?: number; maxBytes?: number; replicas?: boolean } = {}) {
  const state = { up: true, forgetful: false, refusing: -1, replicas: options.replicas ?? false, number: 1 }
  const kept: number[] = []
  const sent: number[][] = []
  const spool = new Spool<Entry>({
    ready: () => state.up,
    coverage: { needed: () => state.replicas, next: () => state.number },
    maxEntries: options.maxEntries ?? 1000,
    maxBytes: options.maxBytes ?? 1e9,
    soon: flush => void setImmediate(flush),
    async send(entries) {
      if (!state.up) throw new Error('away')
      sent.push(entries.map(({ name }) => name))
      if (entries.some(({ name }) => name === state.refusing)) {
        throw Object.assign(new Error('ERR no'), { name: 'ReplyError' })
      }
      for (const { name } of entries) if (!kept.includes(name)) kept.push(name)
      await turn()
      if (state.forgetful) throw new Error('no answer')
    },
  })
  /** Everything was answered: what is left waits to be covered. */
  const answered = async (): Promise<void> => {
    await turn()
    await turn()
    await turn()
  }
  return { state, kept, sent, spool, answered }
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, at) => at)

const entry = (name: number, bytes = 1, group = 'a'): Entry => ({ name, bytes, group })

describe('the spool', () => {
  test('sends what comes within a short time together, each group by itself, never more than 64', async () => {
    const { sent, spool } = world()
    for (const name of upTo(6)) spool.add(entry(name, 1, name % 3 === 0 ? 'b' : 'a'))
    expect(sent).toEqual([])
    await expect.poll(() => spool.size()).toBe(0)
    expect(sent).toEqual([
      [0, 3],
      [1, 2, 4, 5],
    ])
    for (const name of upTo(130)) spool.add(entry(name))
    await expect.poll(() => spool.size()).toBe(0)
    expect(sent.slice(2).map(names => names.length)).toEqual([64, 64, 2])
  })

  test('keeps what the store does not take, in order, and tells it later', async () => {
    const { state, kept, spool } = world()
    state.up = false
    for (const name of upTo(700)) spool.add(entry(name))
    expect([kept.length, spool.size()]).toEqual([0, 700])
    state.up = true
    spool.resume()
    await expect.poll(() => spool.size()).toBe(0)
    expect(kept).toEqual(upTo(700))
  })

  test('is bounded by entries and by bytes, and counts what did not fit', () => {
    const few = world({ maxEntries: 3 })
    few.state.up = false
    expect(upTo(5).map(name => few.spool.add(entry(name)))).toEqual([true, true, true, false, false])
    expect(few.spool.lost()).toBe(2)
    const small = world({ maxBytes: 100 })
    small.state.up = false
    expect(upTo(3).map(name => small.spool.add(entry(name, 40)))).toEqual([true, true, false])
  })

  test('makes room as entries are told', async () => {
    const { spool } = world({ maxEntries: 1, maxBytes: 10 })
    for (const name of upTo(20)) {
      expect(spool.add(entry(name, 10))).toBe(true)
      await expect.poll(() => spool.size(), { interval: 1 }).toBe(0)
    }
  })

  test('an entry that the store itself refuses does not hold up the others for ever', async () => {
    const { state, kept, spool } = world()
    state.refusing = 2
    for (const name of upTo(5)) spool.add(entry(name))
    await expect
      .poll(() => {
        spool.resume()
        return spool.size()
      })
      .toBe(0)
    expect([kept, spool.lost()]).toEqual([[0, 1, 3, 4], 1])
  })

  describe('where the store has replicas', () => {
    test('keeps what the store has until it is covered, in the order in which the store had it', async () => {
      const { state, kept, spool, answered } = world({ replicas: true })
      for (const name of upTo(3)) spool.add(entry(name))
      await answered()
      state.number = 2
      for (const name of [3, 4]) spool.add(entry(name))
      await answered()
      expect([kept, spool.size(), spool.waits()]).toEqual([upTo(5), 5, true])
      spool.covered(0)
      expect(spool.size()).toBe(5)
      spool.covered(1)
      expect(spool.size()).toBe(2)
      spool.covered(2)
      expect([spool.size(), spool.waits(), spool.lost(), spool.uncovered()]).toEqual([0, false, 0, 0])
    })

    test('sends it again, oldest first, when the store may have lost it', async () => {
      const { state, kept, sent, spool, answered } = world({ replicas: true })
      for (const name of upTo(3)) spool.add(entry(name))
      await answered()
      spool.covered(1)
      state.number = 2
      for (const name of [3, 4]) spool.add(entry(name))
      await answered()
      kept.length = 0
      spool.again()
      await answered()
      expect([kept, sent.at(-1), spool.size()]).toEqual([[3, 4], [3, 4], 2])
      spool.covered(2)
      expect(spool.size()).toBe(0)
    })

    test('sends it again only when the store is there', async () => {
      const { state, kept, spool, answered } = world({ replicas: true })
      for (const name of upTo(3)) spool.add(entry(name))
      await answered()
      kept.length = 0
      state.up = false
      spool.again()
      spool.add(entry(3))
      await answered()
      expect([kept, spool.size(), spool.waits()]).toEqual([[], 4, false])
      state.up = true
      spool.resume()
      await answered()
      expect([kept, spool.size(), spool.waits()]).toEqual([upTo(4), 4, true])
    })

    test('lets the oldest go, and counts them, when they are half of its entries: new ones always find room', async () => {
      const { kept, spool, answered } = world({ replicas: true, maxEntries: 10 })
      for (const name of upTo(40)) {
        expect(spool.add(entry(name))).toBe(true)
        await answered()
        expect(spool.size()).toBeLessThanOrEqual(5)
      }
      expect([kept, spool.lost(), spool.uncovered()]).toEqual([upTo(40), 0, 35])
      kept.length = 0
      spool.again()
      await answered()
      expect(kept).toEqual([35, 36, 37, 38, 39])
    })

    test('the same when they are half of its bytes', async () => {
      const { spool, answered } = world({ replicas: true, maxBytes: 100 })
      for (const name of upTo(10)) {
        expect(spool.add(entry(name, 20))).toBe(true)
        await answered()
      }
      expect([spool.size(), spool.lost(), spool.uncovered()]).toEqual([2, 0, 8])
      expect(upTo(5).map(name => spool.add(entry(name, 20)))).toEqual([true, true, true, false, false])
    })

    test('lets all go, and counts them, when nothing will be covered any more', async () => {
      const { spool, answered } = world({ replicas: true, maxEntries: 8 })
      for (const name of upTo(3)) spool.add(entry(name))
      await answered()
      spool.giveUp()
      expect([spool.size(), spool.uncovered(), spool.lost()]).toEqual([0, 3, 0])
      expect(upTo(8).every(name => spool.add(entry(name)))).toBe(true)
    })
  })

  test('whatever the store does, every entry arrives; none is missing on a replica that takes over', async () => {
    const acts = fc.array(
      fc.constantFrom('add', 'add', 'add', 'away', 'back', 'forgetful', 'turn', 'covered', 'failover'),
      { maxLength: 80 },
    )
    await fc.assert(
      fc.asyncProperty(acts, async plan => {
        const { state, kept, spool } = world({ replicas: true })
        let next = 0
        /** What the replica has. */
        let copied: number[] = []
        for (const act of plan) {
          if (act === 'add') spool.add(entry(next++))
          else if (act === 'turn') await turn()
          else if (act === 'covered') {
            copied = [...kept]
            spool.covered(state.number++)
          } else if (act === 'failover') {
            kept.splice(0, Infinity, ...copied)
            spool.again()
          } else {
            state.up = act !== 'away'
            state.forgetful = act === 'forgetful'
            spool.resume()
          }
        }
        state.up = true
        state.forgetful = false
        for (let i = 0; i < 20 && spool.size() > 0; i++) {
          spool.resume()
          await turn()
          spool.covered(state.number)
        }
        expect([spool.size(), spool.lost(), spool.uncovered()]).toEqual([0, 0, 0])
        expect(kept.toSorted((a, b) => a - b)).toEqual(upTo(next))
      }),
      { numRuns: 100 },
    )
  })
})
