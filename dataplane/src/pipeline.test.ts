import { describe, expect, it } from 'vitest'
import type { GuardrailItem } from '@smartflow/core/snapshot/items'
import { factOf } from './exchange/facts.ts'
import type { Refusal } from './exchange/refusal.ts'
import { present } from './exchange/credential.ts'
import type { Reply } from './exchange/reply.ts'
import type { Admitted, EffectivePolicy, Handler, Identified, Received } from './exchange/stage.ts'
import { openaiChat } from './llm/formats/openai-chat/dialect.ts'
import type { Gateway } from './ports/gateway.ts'
import { EgressError } from './ports/egress.ts'
import { refusalHeaders, replyHeaders } from './server/reply-headers.ts'
import { admit } from './stages/admit/stage.ts'
import { RightsBook } from './stages/identify/rights.ts'
import { identify } from './stages/identify/stage.ts'
import { policy } from './stages/policy/stage.ts'
import { guardrail, testGuardrails } from './stages/policy/test-guardrails.ts'
import { MemoryLedger, MemoryLedgerStore } from './stores/memory/ledger.ts'
import { verifies } from '../../test/requirements.ts'
import { answered, completion, drain, events, type TestWorld, TOKEN, world } from './testing.ts'

const CACHED = `
apiVersion: smartflow.dev/v1alpha1
kind: Policy
metadata: { name: caching }
spec: { cache: { enabled: true, ttl: 5m } }
`

const BUDGETED = `
apiVersion: smartflow.dev/v1alpha1
kind: VirtualKey
metadata: { name: app }
spec: { alias: app, budget: { amountUSD: '0.0003', period: Daily } }
`

/** All on one day. */
function budgeted(): Promise<TestWorld> {
  const now = Date.now()
  return world(BUDGETED, { ledger: new MemoryLedger({ store: new MemoryLedgerStore(() => now) }) })
}

async function refusal(call: Promise<unknown>): Promise<Refusal> {
  return call.then(
    () => Promise.reject(new Error('the call was not refused')),
    (error: Refusal) => error,
  )
}

async function spent(test: TestWorld): Promise<number> {
  const { exchange, reply } = await test.call({ messages: [{ role: 'user', content: 'look' }], max_tokens: 1 })
  await drain(reply)
  return factOf(exchange.trace, 'held')?.budgets[0]?.spent ?? -1
}

describe('the order of stages', () => {
  it('is typed: admit does not take what identify has not seen', () => {
    const gateway = {} as Gateway
    const next: Handler<Identified> = async () => Promise.reject(new Error('never called'))
    const inOrder: Handler<Received> = identify(gateway)(next)
    // @ts-expect-error admit needs an Identified exchange
    const swapped: Handler<Received> = admit(gateway)(async () => Promise.reject(new Error('never called')))
    expect([inOrder, swapped]).toHaveLength(2)
  })
})

describe('a call', () => {
  it('reaches its provider with our credential and leaves one record with its cost', async () => {
    const test = await world()
    expect(JSON.parse(await test.text({}))).toMatchObject({ choices: [{ message: { content: 'Hello!' } }] })
    expect(test.sent[0]?.headers).toMatchObject({
      authorization: 'Bearer upstream-secret',
      'accept-encoding': 'identity',
    })
    expect(test.records).toHaveLength(1)
    // 100 × $1/M + 50 × $2/M
    expect(test.records[0]).toMatchObject({
      outcome: 'complete',
      status: 200,
      cost: 200,
      priced: true,
      promptTokens: 100,
      completionTokens: 50,
      provider: 'openai',
      model: 'gpt-test-2026',
      requestedModel: 'gpt-test',
    })
  })

  it('goes upstream byte for byte when nothing has to change', async () => {
    const test = await world()
    await test.text({ x_unknown: 1.0, logit_bias: { '50256': -100 } })
    expect(JSON.parse(String(test.sent[0]?.body))).toMatchObject({ x_unknown: 1, logit_bias: { '50256': -100 } })
  })

  it('to a model of unknown price says so and never counts as free', async () => {
    const test = await world()
    await test.text({ model: 'openai/gpt-unheard-of' })
    expect(JSON.parse(String(test.sent[0]?.body))).toMatchObject({ model: 'gpt-unheard-of' })
    expect(test.records[0]).toMatchObject({ cost: 0, priced: false })
  })

  it('whose key may not use the model is refused, on record, and reaches nobody', async () => {
    const test = await world(`
apiVersion: smartflow.dev/v1alpha1
kind: VirtualKey
metadata: { name: app }
spec: { alias: app, models: ['o1*'] }
`)
    expect((await refusal(test.call({}))).reason).toBe('model_not_allowed')
    expect((await refusal(test.call({ model: 'o1/none' }))).reason).toBe('model_not_found')
    expect(test.sent).toHaveLength(0)
    expect(test.records.map(({ status, outcome }) => [status, outcome])).toEqual([
      [403, 'model_not_allowed'],
      [404, 'model_not_found'],
    ])
  })
})

describe('money', () => {
  it('is held before the call and settled with the real cost after it', async () => {
    const test = await budgeted()
    const { reply, exchange } = await test.call({ max_tokens: 100 })
    expect(factOf(exchange.trace, 'held')).toMatchObject({
      budgets: [{ scope: 'key:default/app', limit: 300, spent: 0 }],
    })
    await drain(reply)
    expect(await spent(test)).toBe(200)
  })

  it('that does not suffice refuses the call before any provider sees it', async () => {
    const test = await budgeted()
    const no = await refusal(test.call({ max_tokens: 1_000 }))
    expect(no).toMatchObject({ reason: 'budget_exceeded', status: 429 })
    expect(no.message).toMatch(/daily budget of key:default\/app \(\$0\.0003\)/)
    expect(test.sent).toHaveLength(0)
  })

  it.each([
    [
      'a provider that fails',
      async (test: TestWorld) =>
        void ((test.answer = () => answered(500, '{}')), await refusal(test.call({ max_tokens: 1 }))),
    ],
    [
      'a provider that cannot be reached',
      async (test: TestWorld) =>
        void ((test.answer = () => Promise.reject(new EgressError('unreachable', 'no'))),
        await refusal(test.call({ max_tokens: 1 }))),
    ],
    [
      'an answer that is no completion',
      async (test: TestWorld) =>
        void ((test.answer = () => answered(200, '<html>')), await refusal(test.call({ max_tokens: 1 }))),
    ],
  ])('comes back whole after %s', async (_name, act) => {
    const test = await budgeted()
    await act(test)
    test.answer = () => completion('x', { usage: { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 } })
    expect(await spent(test)).toBe(0)
  })

  it('of a stream whose reader left is charged by what passed', async () => {
    const test = await budgeted()
    const piece = (content: string): string =>
      `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content }, finish_reason: null }] })}\n\n`
    test.answer = () => events(piece('12345678'), piece('never read'))
    const { reply } = await test.call({ stream: true, max_tokens: 20, messages: [{ role: 'user', content: 'hi' }] })
    await reply.frames.next()
    await reply.frames.return?.()
    expect(test.records[0]).toMatchObject({
      outcome: 'client_gone',
      completionTokens: 2,
      usageSource: 'counted',
      promptTokens: 5,
      cost: 5 + 2 * 2,
    })
  })
})

describe('the exact cache', () => {
  it('answers the second equal call for nothing, whole or as a stream, and says what it saved', async () => {
    const test = await world(CACHED)
    const first = await test.text({ temperature: 0 })
    expect(await test.text({ temperature: 0 })).toBe(first)
    const stream = await test.text({ temperature: 0, stream: true, stream_options: { include_usage: true } })
    expect(stream).toContain('Hello!')
    expect(stream.endsWith('data: [DONE]\n\n')).toBe(true)
    expect(test.sent).toHaveLength(1)
    expect(test.records.slice(1)).toMatchObject([
      { cacheHit: 'memory', cost: 0, tokensSaved: 150, costSaved: 200, provider: 'openai' },
      { cacheHit: 'memory', cost: 0, tokensSaved: 150, costSaved: 200 },
    ])
    expect(test.counters).toMatchObject({ hits: 2, misses: 1, exactMatches: 2, memoryHits: 2, tokensSaved: 300 })
  })

  it('answers a whole call from a stream that was remembered', async () => {
    const test = await world(CACHED)
    const piece = (delta: object, finish: string | null): string =>
      `data: ${JSON.stringify({ id: 'c', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
    test.answer = () => events(piece({ role: 'assistant', content: 'Hi' }, null), piece({}, 'stop'), 'data: [DONE]\n\n')
    await test.text({ stream: true })
    expect(JSON.parse(await test.text({}))).toMatchObject({
      choices: [{ message: { content: 'Hi' }, finish_reason: 'stop' }],
    })
    expect(test.sent).toHaveLength(1)
  })

  it.each([
    ['another model', {}, { model: 'openai/gpt-test' }, {}],
    ['another temperature', {}, { temperature: 0.1 }, {}],
    [
      'another system prompt',
      {},
      {
        messages: [
          { role: 'system', content: 'x' },
          { role: 'user', content: 'hi' },
        ],
      },
      {},
    ],
    ['another namespace', {}, {}, { 'x-smartflow-cache-namespace': 'b' }],
    ['no-cache', {}, {}, { 'cache-control': 'no-cache' }],
    ['skip', {}, {}, { 'x-smartflow-cache': 'skip' }],
  ])('does not answer a call with %s', async (_name, first, second, headers) => {
    const test = await world(CACHED)
    await test.text(first)
    await test.text(second, { headers })
    expect(test.sent).toHaveLength(2)
  })

  it.each([
    ['a truncated answer', () => completion('x', { finish: 'length' })],
    ['tool calls', () => completion('', { finish: 'tool_calls', message: { tool_calls: [] } })],
  ])('does not remember %s', async (_name, answer) => {
    const test = await world(CACHED)
    test.answer = answer
    await test.text({})
    await test.text({})
    expect(test.sent).toHaveLength(2)
  })

  it('does not remember with no-store or a ttl of 0', async () => {
    const test = await world(CACHED)
    await test.text({}, { headers: { 'cache-control': 'no-store' } })
    await test.text({}, { headers: { 'x-smartflow-cache-ttl': '0' } })
    await test.text({})
    expect(test.sent).toHaveLength(3)
  })

  it('sends equal calls that come at once only once', async () => {
    const test = await world(CACHED)
    const { promise, resolve } = Promise.withResolvers<void>()
    test.answer = async () => {
      await promise
      return completion('Hello!')
    }
    const calls = Array.from({ length: 5 }, () => test.text({}))
    await expect.poll(() => test.sent.length).toBe(1)
    resolve()
    const answers = await Promise.all(calls)
    expect(new Set(answers).size).toBe(1)
    expect(test.sent).toHaveLength(1)
    expect(test.records.filter(({ cacheHit }) => cacheHit === 'flight')).toHaveLength(4)
  })

  it('lets the followers go themselves when the first fails', async () => {
    const test = await world(CACHED)
    let first = true
    test.answer = async () => {
      if (!first) return completion('Hello!')
      first = false
      await new Promise(resolve => setTimeout(resolve, 20))
      return answered(500, '{}')
    }
    const results = await Promise.allSettled([test.text({}), test.text({})])
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })
})

describe(`guardrails ${verifies('P03')}`, () => {
  const USER = (content: string): object => ({ messages: [{ role: 'user', content }] })
  const KEPT = { audit: { content: 'Keep', maxBytes: 10_000 } } as const

  /** A world whose policy `enterprise` has one guardrail, keeps content and caches. */
  function guarded(fields: Partial<GuardrailItem>, resources = CACHED): Promise<TestWorld> {
    return world(resources, {
      guardrails: testGuardrails,
      policies: [{ name: 'enterprise', guardrails: [guardrail(fields)], ...KEPT }],
    })
  }

  it('block a request before any provider hears of it, for nothing, with a 403 that says why', async () => {
    const test = await guarded({ action: 'Block' }, BUDGETED)
    const no = await refusal(test.call({ ...USER('card XXXX'), max_tokens: 1 }))
    expect(no).toMatchObject({ status: 403, reason: 'policy_blocked' })
    const body = JSON.parse(String(openaiChat.refuse(no, 'id')))
    expect(body.error).toMatchObject({ violations: ['enterprise/sensitive: card'], risk_score: 0.8 })
    expect(body.error.message).toMatch(/compliance/)
    expect(refusalHeaders(no, 'id')).toEqual(
      expect.arrayContaining(['x-smartflow-policies', 'enterprise', 'x-smartflow-policy-action', 'block']),
    )
    expect(test.sent).toHaveLength(0)
    expect(test.records).toMatchObject([
      {
        status: 403,
        outcome: 'policy_blocked',
        cost: 0,
        promptTokens: 0,
        policies: ['enterprise'],
        compliance: { status: 'violated', action: 'block', riskScore: 0.8, violations: [{ entity: 'card', count: 1 }] },
      },
    ])
    expect(await spent(test)).toBe(0)
  })

  it('mask what goes to the provider and into the record, and the cache is asked for the masked call', async () => {
    const test = await guarded({ direction: 'Request' })
    const first = await test.text(USER('card XXXX'))
    expect(JSON.parse(String(test.sent[0]?.body))).toMatchObject(USER('card [CARD]'))
    expect(await test.text(USER('card XXXX'))).toBe(first)
    // What was masked and what was written so are the same call.
    expect(await test.text(USER('card [CARD]'))).toBe(first)
    expect(test.sent).toHaveLength(1)
    expect(test.records.map(({ cacheHit }) => cacheHit)).toEqual(['', 'memory', 'memory'])
    expect(test.contents.map(content => String(content?.request)).join('')).not.toContain('XXXX')
    expect(test.records[0]?.compliance).toMatchObject({ status: 'violated', action: 'redact' })
    expect(test.records[2]?.compliance).toMatchObject({ status: 'compliant', action: 'allow', violations: [] })
  })

  it('never answer a masked call with what the early look found for the raw one', async () => {
    const test = await guarded({ direction: 'Request' })
    const cache = test.gateway.memoryCache
    const getNow = cache.getNow.bind(cache)
    const asked: string[] = []
    cache.getNow = (tenant, key) =>
      asked.push(key) === 1 ? Buffer.from('an entry that is not to be opened') : getNow(tenant, key)
    expect(await test.text(USER('card XXXX'))).toContain('Hello!')
    expect(asked[1]).not.toBe(asked[0])
    expect(test.sent).toHaveLength(1)
  })

  it('in shadow change nothing and are on record', async () => {
    const test = await guarded({ action: 'Block', mode: 'Shadow' })
    test.answer = () => completion('mail joe@ex.org')
    expect(await test.text(USER('card XXXX'))).toContain('joe@ex.org')
    expect(JSON.parse(String(test.sent[0]?.body))).toMatchObject(USER('card XXXX'))
    expect(test.records[0]?.compliance).toMatchObject({
      status: 'compliant',
      action: 'allow',
      violations: [
        { direction: 'request', entity: 'card', shadow: true },
        { direction: 'reply', entity: 'email', shadow: true },
      ],
    })
  })

  it('mask an answer, the remembered one too, whole or as a stream', async () => {
    const test = await guarded({ direction: 'Response' })
    test.answer = () => completion('mail joe@ex.org now')
    expect(await test.text({})).toContain('mail [EMAIL] now')
    const { reply, exchange } = await test.call({})
    expect(await drain(reply)).toContain('mail [EMAIL] now')
    expect(replyHeaders(exchange.trace, 'id', 1)).toEqual(
      expect.arrayContaining([
        'x-smartflow-policies',
        'caching, enterprise',
        'x-smartflow-policy-action',
        'redact',
        'x-smartflow-policy-reason',
        'enterprise/sensitive: email',
      ]),
    )
    const stream = await test.text({ stream: true })
    expect(stream).toContain('mail [EMAIL] now')
    expect(stream.endsWith('data: [DONE]\n\n')).toBe(true)
    expect(test.sent).toHaveLength(1)
    expect(test.contents.map(content => String(content?.response)).join('')).not.toContain('joe')
  })

  it('block an answer that was given: it is paid for, and the record has the status that the caller saw', async () => {
    const test = await guarded({ direction: 'Response', action: 'Block' }, BUDGETED)
    test.answer = () => completion('card XXXX')
    const { reply } = await test.call({ max_tokens: 1 })
    expect((await refusal(drain(reply))).status).toBe(403)
    expect(test.records[0]).toMatchObject({
      status: 403,
      outcome: 'policy_blocked',
      cost: 200,
      message: expect.stringContaining('compliance'),
      compliance: { action: 'block' },
    })
    expect(String(test.contents[0]?.response)).toBe('')
  })

  it('block in the middle of a stream: what left stays, what passed is paid for, the provider is left', async () => {
    const test = await guarded({ direction: 'Response', action: 'Block' })
    const piece = (content: string): string =>
      `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content }, finish_reason: null }] })}\n\n`
    test.answer = () => events(piece('fine. '), piece('XXXX '), piece('never read'))
    const { reply } = await test.call({ stream: true })
    expect(String((await reply.frames.next()).value?.bytes)).toBe(piece('fine. '))
    expect((await refusal(reply.frames.next())).reason).toBe('policy_blocked')
    await reply.frames.return?.()
    expect(test.records).toMatchObject([
      { status: 200, outcome: 'policy_blocked', usageSource: 'counted', completionTokens: 3 },
    ])
  })

  it('of a call that no policy guards cost nothing: the frames are those of the stage below', async () => {
    const test = await world(CACHED)
    const { reply, exchange } = await test.call({})
    expect(await drain(reply)).toContain('Hello!')
    expect(factOf(exchange.trace, 'verdict')).toBeUndefined()
    const below: Reply = { ...reply }
    const admitted = { rights: { policy: { guards: [] } } } as unknown as Admitted
    expect(await policy(test.gateway)(async () => below)(admitted)).toBe(below)
  })

  it('are overridden by name by the policy of a higher priority, and switched off so', async () => {
    const policies = (override: Partial<GuardrailItem>) => [
      { name: 'base', guardrails: [guardrail({ action: 'Block' })], holdBack: 7, allowRewriteNative: true },
      { name: 'team', priority: 10, guardrails: [guardrail(override), guardrail({ name: 'other' })], holdBack: 9 },
    ]
    const rightsOf = async (override: Partial<GuardrailItem>): Promise<EffectivePolicy> => {
      const { gateway, snapshot } = await world('', { policies: policies(override) })
      return new RightsBook(gateway).rights(present(snapshot, { authorization: `Bearer ${TOKEN}` }), 'gpt-test').policy
    }
    const redacted = await rightsOf({ action: 'Redact' })
    expect(redacted.names).toEqual(['team', 'base'])
    expect(redacted.guards.map(({ policy: from, item }) => [from, item.name, item.action])).toEqual([
      ['team', 'sensitive', 'Redact'],
      ['team', 'other', 'Redact'],
    ])
    expect(redacted).toMatchObject({ holdBack: 7, allowRewriteNative: false })
    expect((await rightsOf({ mode: 'Disabled' })).guards.map(({ item }) => item.name)).toEqual(['other'])
  })
})

describe('routing', () => {
  const CHAIN = `
apiVersion: smartflow.dev/v1alpha1
kind: AIProvider
metadata: { name: second }
spec: { preset: openai, baseURL: 'https://second.test/v1', auth: { secretRef: { name: provider } }, pricing: [{ model: gpt-test, inputPerMillionUSD: '1', outputPerMillionUSD: '2' }] }
---
apiVersion: smartflow.dev/v1alpha1
kind: FallbackChain
metadata: { name: chain }
spec: { models: [gpt-test], targets: [{ name: first, providerRef: { name: mock }, retry: { attempts: 0 } }, { name: next, providerRef: { name: second } }] }
`

  it.each([
    ['a 500', () => answered(500, '{"error":{"message":"boom"}}')],
    ['a 429', () => answered(429, '{}')],
    ['a 404', () => answered(404, '{}')],
    ['a broken connection', () => Promise.reject(new EgressError('broken', 'reset'))],
    ['an error event inside a 200', () => events('data: {"error":{"message":"overloaded"}}\n\n')],
  ])('goes to the next target after %s, before the first event (R04)', async (_name, failure) => {
    const test = await world(CHAIN)
    test.answer = request => (request.url.includes('provider.test') ? failure() : completion('from second'))
    expect(await test.text({ stream: true })).toContain('from second')
    expect(test.records[0]?.attempts.map(({ target, error }) => [target, error === undefined])).toEqual([
      ['first', false],
      ['next', true],
    ])
  })

  it('gives the last refusal when no target answers', async () => {
    const test = await world(CHAIN)
    test.answer = () => answered(429, '{"error":{"message":"slow down"}}', { 'retry-after': '7' })
    const no = await refusal(test.call({}))
    expect(no).toMatchObject({ status: 429, detail: { retryAfter: 7 } })
    expect(test.sent).toHaveLength(2)
  })
})
