import { validateHeaderName, validateHeaderValue } from 'node:http'
import { describe, expect, it } from 'vitest'
import type { Fact } from '../exchange/facts.ts'
import type { BudgetState, RateState } from '../exchange/limits.ts'
import { Refusal } from '../exchange/refusal.ts'
import { type HeaderList, refusalHeaders, replyHeaders } from './reply-headers.ts'

const RESET = Date.UTC(2026, 10, 23)

function budget(scope: string, left: number, more: Partial<BudgetState> = {}): BudgetState {
  return { scope, limit: 5_000_000, spent: 5_000_000 - left, held: 0, resetAt: RESET, ...more }
}

function rate(what: RateState['what'], remaining: number): RateState {
  return { scope: 'key:default/app', what, limit: 100, remaining, resetAt: Date.now() + 30_000 }
}

function held(budgets: readonly BudgetState[], rates: readonly RateState[] = []): Fact {
  return { kind: 'held', amount: 1, budgets, rates, degraded: undefined }
}

const attempted: Fact = {
  kind: 'attempted',
  target: 'mock',
  provider: 'openai',
  model: 'gpt-4o',
  status: 200,
  durationMs: 1,
  error: undefined,
}

/** As a client sees them; fails for a name that stands twice, and for what node:http would not send. */
function seen(list: HeaderList): Record<string, string> {
  const headers: Record<string, string> = {}
  for (let at = 0; at < list.length; at += 2) {
    const [name = '', value = ''] = list.slice(at)
    expect(headers).not.toHaveProperty(name)
    validateHeaderName(name)
    validateHeaderValue(name, value)
    headers[name] = value
  }
  return headers
}

describe('replyHeaders', () => {
  it('names the call under each of its names, whatever else is known', () => {
    expect(seen(replyHeaders([], 'id-1', 12.345))).toEqual({
      'x-request-id': 'id-1',
      'x-smartflow-request-id': 'id-1',
      'x-smartflow-call-id': 'id-1',
      'x-smartflow-duration-ms': '12.3',
      'x-smartflow-cache-hit': 'false',
    })
  })

  it('says who answered and what it cost', () => {
    const trace: Fact[] = [attempted, { kind: 'settled', cost: 1_234_567, priced: true }]
    expect(seen(replyHeaders(trace, 'id', 1))).toMatchObject({
      'x-smartflow-provider': 'openai',
      'x-smartflow-response-cost': '1.234567',
    })
  })

  it('does not call an unknown price 0', () => {
    expect(
      seen(replyHeaders([{ kind: 'settled', cost: 0, priced: false }], 'id', 1))['x-smartflow-response-cost'],
    ).toBe('unknown')
  })

  it('says of a hit where it was found and whose answer it is', () => {
    const looked: Fact = {
      kind: 'looked-up',
      key: 'abc',
      phase: 'exact',
      hit: 'redis',
      provider: 'openai',
      model: 'gpt-4o',
      tokensSaved: 1,
      costSaved: 1,
    }
    expect(seen(replyHeaders([looked], 'id', 1))).toMatchObject({
      'x-smartflow-cache-hit': 'true',
      'x-smartflow-cache-key': 'abc',
      'x-cache-key': 'abc',
      'x-smartflow-cache-phase': 'exact',
      'x-smartflow-provider': 'openai',
    })
  })

  it('shows the budget with least left, and of each rate the one with least left', () => {
    const headers = seen(
      replyHeaders(
        [
          held(
            [budget('key:default/app', 3_000_000), budget('tenant', 1_000_000)],
            [rate('requests', 50), rate('requests', 7.9), rate('tokens', -3), rate('concurrency', 1)],
          ),
        ],
        'id',
        1,
      ),
    )
    expect(headers).toMatchObject({
      'x-smartflow-budget-scope': 'tenant',
      'x-smartflow-budget-limit': '5',
      'x-smartflow-budget-spent': '4',
      'x-smartflow-budget-remaining': '1',
      'x-smartflow-budget-reset': '2026-11-23T00:00:00.000Z',
      'x-ratelimit-remaining-requests': '7',
      'x-ratelimit-remaining-tokens': '0',
    })
    expect(Object.keys(headers).filter(name => name.includes('concurrency'))).toEqual([])
  })

  it.each([
    ['team:研发 🙂', 'team:%E7%A0%94%E5%8F%91 %F0%9F%99%82'],
    ['team:Équipe', 'team:%C3%89quipe'],
    ['team:\ud800', 'team:%EF%BF%BD'],
    ['team:a b', 'team:a b'],
  ])('sends the scope %j in letters that a header carries', (scope, sent) => {
    expect(seen(replyHeaders([held([budget(scope, 1)])], 'id', 1))['x-smartflow-budget-scope']).toBe(sent)
  })
})

describe('the headers of policies', () => {
  const identified: Fact = {
    kind: 'identified',
    user: undefined,
    chain: undefined,
    policies: ['enterprise', 'caching'],
    content: { keep: false, maxBytes: 0 },
  }
  const violation = { policy: 'enterprise', guardrail: 'pii', entity: 'email', count: 2 } as const
  const verdict = (direction: 'request' | 'reply', more: Partial<Extract<Fact, { kind: 'verdict' }>> = {}): Fact => ({
    kind: 'verdict',
    direction,
    policies: ['enterprise'],
    action: 'allow',
    violations: [],
    riskScore: 0,
    masked: undefined,
    ...more,
  })

  it('say which policies concern a call, and the strongest action of both directions with its reasons', () => {
    const trace = [
      identified,
      verdict('request', { action: 'redact', violations: [{ ...violation, action: 'Redact', shadow: false }] }),
      verdict('reply', { violations: [{ ...violation, entity: 'card', action: 'Block', shadow: true }] }),
    ]
    expect(seen(replyHeaders(trace, 'id', 1))).toMatchObject({
      'x-smartflow-policies': 'enterprise, caching',
      'x-smartflow-policy-action': 'redact',
      'x-smartflow-policy-reason': 'enterprise/pii: email',
    })
  })

  it('are left out where they would say nothing', () => {
    expect(Object.keys(seen(replyHeaders([{ ...identified, policies: [] }], 'id', 1))).join()).not.toMatch(/polic/)
    expect(seen(replyHeaders([identified], 'id', 1))).not.toHaveProperty('x-smartflow-policy-action')
    expect(seen(replyHeaders([identified, verdict('request')], 'id', 1))).toMatchObject({
      'x-smartflow-policy-action': 'allow',
    })
  })

  it('say of a refusal who blocked and why, in letters that a header carries, and not more than a proxy takes', () => {
    const violations = Array.from({ length: 200 }, (_, at) => `enterprise/研${at}: card`)
    const no = new Refusal('policy_blocked', 'x', { violations, riskScore: 1, policies: ['enterprise'] })
    const headers = seen(refusalHeaders(no, 'id'))
    expect(headers).toMatchObject({ 'x-smartflow-policies': 'enterprise', 'x-smartflow-policy-action': 'block' })
    expect(headers['x-smartflow-policy-reason']).toMatch(/^enterprise\/%E7%A0%940: card, /)
    expect(headers['x-smartflow-policy-reason']?.length).toBeLessThanOrEqual(1_024)
  })
})

describe('refusalHeaders', () => {
  it('says when to try again, and to OpenAI clients that an hour is too long for them', () => {
    expect(
      seen(refusalHeaders(new Refusal('rate_limited', 'x', { retryAfter: 7, rate: rate('requests', 0) }), 'id')),
    ).toMatchObject({ 'retry-after': '7', 'x-ratelimit-remaining-requests': '0' })
    expect(
      seen(
        refusalHeaders(
          new Refusal('budget_exceeded', 'x', { retryAfter: 3_600, budget: budget('team:研发', 0) }),
          'id',
        ),
      ),
    ).toMatchObject({ 'retry-after': '3600', 'x-should-retry': 'false', 'x-smartflow-budget-remaining': '0' })
  })

  it('says which methods a path has', () => {
    expect(
      seen(refusalHeaders(new Refusal('method_not_allowed', 'x', { allow: ['GET', 'HEAD'] }), 'id'))['allow'],
    ).toBe('GET, HEAD')
  })

  it('carries nothing of the message, which may hold what the caller sent', () => {
    const headers = seen(
      refusalHeaders(
        new Refusal('model_not_found', 'no model "x\r\nx-evil: 1"', { param: 'a\r\nb', code: 'c\r\nd' }),
        'id',
      ),
    )
    expect(Object.keys(headers)).toEqual([
      'x-request-id',
      'x-smartflow-request-id',
      'x-smartflow-call-id',
      'request-id',
    ])
  })
})
