// The name somebody probably meant.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { closest } from './closest.ts'

const known = ['alias', 'budget', 'models', 'providers', 'rateLimit']

describe('the closest name', () => {
  test('is the one that differs by a slip of the pen', () => {
    expect(closest('bugdet', known)).toBe('budget')
    expect(closest('model', known)).toBe('models')
    expect(closest('ratelimit', known)).toBe('rateLimit')
    expect(closest('provider', known)).toBe('providers')
  })

  test('is none when nothing is near', () => {
    expect(closest('endpoint', known)).toBeUndefined()
    expect(closest('', known)).toBeUndefined()
    expect(closest('x', ['ab'])).toBeUndefined()
    expect(closest('budget', [])).toBeUndefined()
  })

  test('is the name itself whenever it is known, in any case', () => {
    fc.assert(
      fc.property(fc.constantFrom(...known), name => {
        expect(closest(name.toUpperCase(), known)).toBe(name)
      }),
    )
  })
})
