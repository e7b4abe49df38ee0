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
function world(options: { maxEntries?: number; maxBytes?: number } = {}) {
  const state = { up: true, forgetful: false, refusing: -1 }
  const kept: number[] = []
  const sent: number[][] = []
  const spool = new Spool<Entry>({
    ready: () => state.up,
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
  return { state, kept, sent, spool }
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

  test('whatever the store does, every entry arrives', async () => {
    const acts = fc.array(fc.constantFrom('add', 'add', 'add', 'away', 'back', 'forgetful', 'turn'), { maxLength: 80 })
    await fc.assert(
      fc.asyncProperty(acts, async plan => {
        const { state, kept, spool } = world()
        let next = 0
        for (const act of plan) {
          if (act === 'add') spool.add(entry(next++))
          else if (act === 'turn') await turn()
          else {
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
        }
        expect([spool.size(), spool.lost()]).toEqual([0, 0])
        expect(kept.toSorted((a, b) => a - b)).toEqual(upTo(next))
      }),
      { numRuns: 100 },
    )
  })
})
