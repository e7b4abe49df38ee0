import { describe, expect, test } from 'vitest'
import { Refusal, type RefusalReason } from '../../exchange/refusal.ts'
import type { Target } from '../../exchange/target.ts'
import { Breakers } from './breakers.ts'

const target = (breaker: Target['terms']['breaker'], model = 'm'): Target => ({
  name: 'first',
  provider: 'ns/p',
  preset: 'row',
  model,
  formats: ['openai-chat'],
  terms: { timeout: undefined, retry: { attempts: 0, baseDelay: 0, maxDelay: 0, jitterPercent: 0, on: [] }, breaker },
})
const TERMS = { failures: 2, openFor: 1_000 }
const no = (reason: RefusalReason, detail: object = {}): Refusal => new Refusal(reason, 'no', detail)

describe('breakers', () => {
  test('open after so many failures in a row and let one call through when the time is over', () => {
    let now = 1_000
    const breaker = new Breakers(() => now).of('t', target(TERMS))
    breaker?.heard(no('upstream_failed'))
    expect(breaker?.restMs()).toBe(0)
    breaker?.heard(no('upstream_timeout'))
    expect(breaker?.restMs()).toBe(1_000)
    now += 1_000
    expect(breaker?.restMs()).toBe(0)
    expect(breaker?.restMs()).toBe(1_000)
    breaker?.heard(undefined)
    expect(breaker?.restMs()).toBe(0)
  })

  test('an answer in between starts the count anew, as does a refusal of the request itself', () => {
    const breaker = new Breakers(() => 0).of('t', target(TERMS))
    for (const good of [undefined, no('upstream_rejected', { status: 400 })]) {
      breaker?.heard(no('upstream_failed'))
      breaker?.heard(good)
    }
    breaker?.heard(no('upstream_failed'))
    expect(breaker?.restMs()).toBe(0)
  })

  test('a rate limit is no failure', () => {
    const breaker = new Breakers(() => 0).of('t', target(TERMS))
    for (let i = 0; i < 5; i++) breaker?.heard(no('upstream_rate_limited', { retryCause: 'HTTP429' }))
    expect(breaker?.restMs()).toBe(0)
  })

  test('are apart for tenants and models, the same for the same target, and absent outside chains', () => {
    const breakers = new Breakers(() => 0)
    const one = breakers.of('t', target(TERMS))
    expect(breakers.of('t', target(TERMS))).toBe(one)
    expect(breakers.of('u', target(TERMS))).not.toBe(one)
    expect(breakers.of('t', target(TERMS, 'other'))).not.toBe(one)
    expect(breakers.of('t', target(undefined))).toBeUndefined()
  })
})
