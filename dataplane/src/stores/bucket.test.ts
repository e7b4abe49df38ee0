import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { correct, drain, rateStates, type RateUse, take, UNIT, UNUSED } from './bucket.ts'

const limits = fc.record(
  {
    rpm: fc.integer({ min: 1, max: 10_000 }),
    tpm: fc.integer({ min: 1, max: 1_000_000 }),
    concurrency: fc.integer({ min: 1, max: 100 }),
  },
  { requiredKeys: [] },
)
const asks = fc.array(fc.record({ wait: fc.nat(5000), tokens: fc.nat(2_000_000), off: fc.integer() }), {
  maxLength: 50,
})

describe('rate buckets', () => {
  test('let through in any stretch of time no more than a full bucket and what flowed in meanwhile', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), fc.array(fc.nat(3000), { maxLength: 200 }), (rpm, waits) => {
        let use: RateUse = UNUSED
        let now = 1_000_000
        let passed = 0
        for (const wait of waits) {
          now += wait
          const next = take(drain(use, { rpm }, now), { rpm }, 0)
          if ('what' in next) continue
          use = next
          passed++
        }
        expect(passed).toBeLessThanOrEqual(rpm + ((now - 1_000_000) * rpm) / 60_000 + 1)
      }),
    )
  })

  test('a refused request passes after the time that the refusal names, not before', () => {
    fc.assert(
      fc.property(limits, asks, (limit, plan) => {
        let use: RateUse = UNUSED
        let now = 1_000_000
        for (const { wait, tokens } of plan) {
          now += wait
          const next = take(drain(use, limit, now), limit, tokens)
          if (!('what' in next)) use = next
          else if (next.what !== 'concurrency') expectRetry(use, { limit, tokens, now, after: next.retryAfterMs })
        }
      }),
    )
  })

  test('are never more than full, whatever is given back', () => {
    fc.assert(
      fc.property(limits, asks, (limit, plan) => {
        let use: RateUse = UNUSED
        let now = 1_000_000
        for (const { wait, tokens, off } of plan) {
          now += wait
          const next = take(drain(use, limit, now), limit, tokens)
          use = correct('what' in next ? use : next, off)
          expect(use.tokens).toBeGreaterThanOrEqual(0)
          for (const state of rateStates('s', limit, drain(use, limit, now))) {
            expect(state.remaining).toBeLessThanOrEqual(state.limit)
            expect(state.remaining).toBeGreaterThanOrEqual(0)
          }
        }
      }),
    )
  })

  test('do not lose small refills to rounding: one request a minute is one a minute, however often it is asked', () => {
    const limit = { rpm: 1 }
    let use: RateUse = UNUSED
    let passed = 0
    for (let now = 0; now < 600_000; now += 7) {
      const next = take(drain(use, limit, now), limit, 0)
      if ('what' in next) use = drain(use, limit, now)
      else {
        use = next
        passed++
      }
    }
    expect(passed).toBe(10)
  })

  test('say when they are whole again', () => {
    const [state] = rateStates('s', { rpm: 60 }, { ...UNUSED, requests: 30 * UNIT, at: 5000 })
    expect(state).toEqual({ scope: 's', what: 'requests', limit: 60, remaining: 30, resetAt: 35_000 })
  })
})

interface Retry {
  readonly limit: Parameters<typeof take>[1]
  readonly tokens: number
  readonly now: number
  readonly after: number
}

function expectRetry(use: RateUse, { limit, tokens, now, after }: Retry): void {
  const at = (ms: number): unknown => {
    const next = take(drain(use, limit, now + ms), limit, tokens)
    return 'what' in next ? next.what : 'passed'
  }
  expect(at(after - 1)).not.toBe('passed')
  // What refused does so no more; another limit of the scope still may.
  const again = take(drain(use, limit, now + after), limit, tokens)
  if ('what' in again) expect(again.what).not.toBe('requests')
}
