import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { budgetName, windowOf } from './budget-window.ts'

const at = (text: string): number => Date.parse(text)
const span = (period: 'Daily' | 'Weekly' | 'Monthly', now: string): string[] => {
  const window = windowOf(period, at(now))
  return [new Date(window.start).toISOString(), new Date(window.end).toISOString()]
}

describe('budget windows', () => {
  test('a day is the UTC day', () => {
    expect(span('Daily', '2026-11-22T23:59:59.999Z')).toEqual(['2026-11-22T00:00:00.000Z', '2026-11-23T00:00:00.000Z'])
    expect(span('Daily', '2026-11-23T00:00:00.000Z')).toEqual(['2026-11-23T00:00:00.000Z', '2026-11-24T00:00:00.000Z'])
  })

  test('a week begins on Monday', () => {
    expect(span('Weekly', '2026-11-22T12:00:00Z')).toEqual(['2026-11-16T00:00:00.000Z', '2026-11-23T00:00:00.000Z'])
    expect(span('Weekly', '2026-11-23T00:00:00Z')).toEqual(['2026-11-23T00:00:00.000Z', '2026-11-30T00:00:00.000Z'])
  })

  test('a month is the calendar month, also in December and in a leap February', () => {
    expect(span('Monthly', '2026-12-31T23:59:59Z')).toEqual(['2026-12-01T00:00:00.000Z', '2027-01-01T00:00:00.000Z'])
    expect(span('Monthly', '2028-02-29T01:00:00Z')).toEqual(['2028-02-01T00:00:00.000Z', '2028-03-01T00:00:00.000Z'])
  })

  test('a lifetime never ends', () => {
    expect(windowOf('Lifetime', at('2026-11-22T00:00:00Z'))).toEqual({ start: 0, end: Infinity })
  })

  test('every instant lies in exactly one window of each period, and windows touch', () => {
    const instants = fc.integer({ min: 0, max: at('2100-01-01T00:00:00Z') })
    fc.assert(
      fc.property(instants, fc.constantFrom('Daily', 'Weekly', 'Monthly'), (now, period) => {
        const window = windowOf(period, now)
        expect(window.start <= now && now < window.end).toBe(true)
        expect(windowOf(period, window.start)).toEqual(window)
        expect(windowOf(period, window.end).start).toBe(window.end)
      }),
    )
  })

  test('windows of different periods that start together have different names', () => {
    const now = at('2027-02-01T10:00:00Z')
    const names = (['Daily', 'Weekly', 'Monthly', 'Lifetime'] as const).map(period =>
      budgetName('tenant', period, windowOf(period, now)),
    )
    expect(names).toEqual(['D1801440000', 'W1801440000', 'M1801440000', 'L0'].map(name => `b:tenant:${name}`))
  })
})
