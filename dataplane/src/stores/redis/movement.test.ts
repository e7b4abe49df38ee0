import { describe, expect, test } from 'vitest'
import { type Entry, type Movement, pack, settleCall, type Shape, Told, unpack } from './movement.ts'

const one: Shape = { keys: ['b:one', 'r:one'], numbers: '1 0 1 0 1000' }
const two: Shape = { keys: ['b:two'], numbers: '1 0 0 0' }

function entry(sequence: number, fields: Partial<Movement> = {}): Entry {
  const movement: Movement = {
    shape: one,
    id: `call ${sequence}`,
    amount: 100,
    cost: 50,
    absent: 1,
    tokens: -5,
    sum: undefined,
    ...fields,
  }
  return { movement, sequence, forced: false, refusals: 0 }
}

const numbers = (entries: readonly Entry[]): number[] => entries.map(({ sequence }) => sequence)

describe('movements', () => {
  test('are the same after packing', () => {
    const entries = [entry(7), entry(8, { shape: two, absent: 0 }), entry(9, { cost: 0 }), entry(10, { shape: two })]
    expect(unpack(pack(entries))).toEqual(entries)
  })

  test('name each shape once', () => {
    const { keys, args } = settleCall(pack([entry(1), entry(2, { shape: two }), entry(3)]), true)
    expect(keys).toEqual(['b:one', 'r:one', 'b:two'])
    const lines = '1 100 50 1 -5 call 1\n2 100 50 1 -5 call 2\n1 100 50 1 -5 call 3\n'
    expect(args).toEqual([1, 1, 3, lines, one.numbers, two.numbers])
  })

  test('what was told is given again from any place on', () => {
    const told = new Told()
    told.add(pack([entry(1), entry(2), entry(3)]), 0)
    told.add(pack([entry(4), entry(5)]), 0)
    expect([told.size(), told.newest()]).toEqual([5, 5])
    expect(numbers(told.takeAfter(2))).toEqual([3, 4, 5])
    expect([told.size(), told.newest()]).toEqual([2, 2])
    expect(numbers(told.takeAfter(0))).toEqual([1, 2])
    expect([told.size(), told.newest()]).toEqual([0, 0])
  })

  test('what was told is forgotten when it is old, and the oldest when it is much', () => {
    const told = new Told()
    for (const at of [1, 2, 3, 4]) told.add(pack([entry(2 * at - 1), entry(2 * at)]), at)
    told.forget(2, 100)
    expect(told.size()).toBe(6)
    told.forget(0, 3)
    expect(numbers(told.takeAfter(0))).toEqual([7, 8])
  })
})
