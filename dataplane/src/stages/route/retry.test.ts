import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Refusal } from '../../exchange/refusal.ts'
import { pauseBefore } from './retry.ts'

const TERMS = {
  attempts: 3,
  baseDelay: 100,
  maxDelay: 1_000,
  jitterPercent: 20,
  on: ['HTTP429' as const, 'HTTP5xx' as const],
}
const failed = (detail: object): Refusal => new Refusal('upstream_failed', 'it failed', detail)
const middle = (): number => 0.5

describe('pauses before a repetition (R01)', () => {
  test('double from the base up to the most', () => {
    const terms = { ...TERMS, attempts: 10 }
    const pauses = [0, 1, 2, 3, 4].map(n => pauseBefore(failed({ retryCause: 'HTTP5xx' }), terms, n, middle))
    expect(pauses).toEqual([100, 200, 400, 800, 1_000])
  })

  test('stay within the jitter to either side', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), random => {
        const pause = pauseBefore(failed({ retryCause: 'HTTP5xx' }), TERMS, 1, () => random)
        expect(pause).toBeGreaterThanOrEqual(160)
        expect(pause).toBeLessThanOrEqual(240)
      }),
    )
  })

  test('never undercut what the provider asks for', () => {
    expect(pauseBefore(failed({ retryCause: 'HTTP429', retryAfter: 1 }), TERMS, 0, middle)).toBe(1_000)
  })

  test('are not made when the provider asks for more patience than the chain has', () => {
    expect(pauseBefore(failed({ retryCause: 'HTTP429', retryAfter: 2 }), TERMS, 0, middle)).toBeUndefined()
  })

  test('are not made for other causes, for none, or when the repetitions are used up', () => {
    expect(pauseBefore(failed({ retryCause: 'Timeout' }), TERMS, 0, middle)).toBeUndefined()
    expect(pauseBefore(failed({}), TERMS, 0, middle)).toBeUndefined()
    expect(pauseBefore(failed({ retryCause: 'HTTP5xx' }), TERMS, 3, middle)).toBeUndefined()
  })
})
