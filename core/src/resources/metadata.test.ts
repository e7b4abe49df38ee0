// Durations, amounts and patterns: what is read, and what is refused.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseUSD } from '../money.ts'
import { duration, parseDuration, Pattern, SubjectName, SubjectPattern, USD } from './metadata.ts'

describe('a duration', () => {
  test('is read as milliseconds', () => {
    const read = ['250ms', '30s', '5m', '24h', '1h30m', '1.5s', '0s', '1m1s1ms'].map(parseDuration)
    expect(read).toEqual([250, 30_000, 300_000, 86_400_000, 5_400_000, 1_500, 0, 61_001])
  })

  test('needs a unit, and only units that are known', () => {
    for (const text of ['', '30', '1d', '-1s', '1 s', 's', '1h 30m', '1e3s'])
      expect(() => parseDuration(text)).toThrow(RangeError)
  })

  test('of any parts is their sum', () => {
    const part = fc.integer({ min: 0, max: 9_999 })
    fc.assert(
      fc.property(part, part, part, part, (h, m, s, ms) => {
        expect(parseDuration(`${h}h${m}m${s}s${ms}ms`)).toBe(h * 3_600_000 + m * 60_000 + s * 1_000 + ms)
      }),
    )
  })

  test('in a spec keeps within its bounds', () => {
    const schema = duration('1s', '1h')
    const accepted = ['1s', '60m', '3600s', '999ms', '1h1ms', '1d', '5'].filter(text => schema.safeParse(text).success)
    expect(accepted).toEqual(['1s', '60m', '3600s'])
  })
})

describe('an amount', () => {
  test('that the schema accepts is one that can be read', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 999_999_999 }), fc.stringMatching(/^[0-9]{1,6}$/), (dollars, decimals) => {
        const text = `${dollars}.${decimals}`
        expect(USD.parse(text)).toBe(text)
        expect(parseUSD(text)).toBe(dollars * 1_000_000 + Number(decimals.padEnd(6, '0')))
      }),
    )
  })

  test('is text: a number, a sign, an exponent or too many decimals is refused', () => {
    for (const value of [50, '-1', '1e3', '1.0000001', '1,5', '$5', ''])
      expect(USD.safeParse(value).success).toBe(false)
  })
})

describe('a pattern', () => {
  const accepted = (schema: typeof Pattern, texts: string[]) => texts.filter(text => schema.safeParse(text).success)

  test('has at most one star, at its end', () => {
    const texts = ['gpt-4o', 'gpt-*', '*', 'openai/gpt-4o*', '', '*-mini', 'a*b', '**', 'a b', 'a *']
    expect(accepted(Pattern, texts)).toEqual(['gpt-4o', 'gpt-*', '*', 'openai/gpt-4o*'])
  })

  test('over names of teams may have spaces inside', () => {
    expect(accepted(SubjectPattern, ['Data Science', 'Data *', '*', ' x', 'a\nb', 'a*b'])).toEqual([
      'Data Science',
      'Data *',
      '*',
    ])
    expect(accepted(SubjectName, ['Ada Lovelace', 'x', ' x', 'x ', '', 'a\u0000b'])).toEqual(['Ada Lovelace', 'x'])
  })
})
