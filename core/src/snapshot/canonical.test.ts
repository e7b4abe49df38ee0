// Canonical JSON: one text a content, and still JSON.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalJSON, compareText, digestOf } from './canonical.ts'

describe('canonical JSON', () => {
  test('is JSON of the same value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), value => {
        expect(JSON.parse(canonicalJSON(value))).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
  })

  test('does not depend on the order of keys', () => {
    expect(canonicalJSON({ b: 1, a: { d: [1, null], c: 'é' } })).toBe('{"a":{"c":"é","d":[1,null]},"b":1}')
    const reversed = (value: object): object => Object.fromEntries(Object.entries(value).reverse())
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.integer()), value => {
        expect(canonicalJSON(reversed(value))).toBe(canonicalJSON(value))
      }),
    )
  })

  test('leaves undefined members out, so that an absent field is an absent field', () => {
    expect(canonicalJSON({ a: undefined, b: 1 })).toBe('{"b":1}')
  })

  test('refuses what JSON cannot carry', () => {
    for (const value of [NaN, Infinity, undefined, () => 1, [undefined]])
      expect(() => canonicalJSON(value)).toThrow(TypeError)
  })

  test('sorts by code units, whatever the locale', () => {
    expect(['b', 'ä', 'a', 'B', ''].sort(compareText)).toEqual(['', 'B', 'a', 'b', 'ä'])
  })

  test('has a SHA-256 as its digest', () => {
    expect(digestOf('')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  })
})
