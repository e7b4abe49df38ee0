// Dollars as text and as micro-dollars: nothing is lost on the way.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatUSD, parseUSD } from './money.ts'

describe('money', () => {
  test('comes back as it was written', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 999_999_999_999_999 }), micros => {
        expect(parseUSD(formatUSD(micros))).toBe(micros)
      }),
    )
  })

  test('is shown without zeros that say nothing', () => {
    expect([0, 1, 500_000, 5_000_000, 12_500_000, -1_230_000].map(formatUSD)).toEqual([
      '0',
      '0.000001',
      '0.5',
      '5',
      '12.5',
      '-1.23',
    ])
  })

  test('is refused when it is no amount', () => {
    for (const text of ['', '1.', '.5', '-1', '1e3', '1,5', '1.0000001', '1234567890'])
      expect(() => parseUSD(text)).toThrow(RangeError)
  })
})
