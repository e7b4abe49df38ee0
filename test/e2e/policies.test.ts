// Guardrails in a real gateway: what callers, logs, budgets and providers see of them (P01, P03).
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { verifies } from '../requirements.ts'
import { type Answer, ask, chat, get } from './calls.ts'
import { cleanUp, eventually, type GatewayProcess, startGateway } from './gateway.ts'
import { daily, fresh, price, resource, scripted, tenant, virtualKey, yaml } from './resources.ts'
import { chunk, startUpstream, stream, type Upstream, whole } from './upstream.ts'

const redisUrl = inject('redisUrl')
const SAMPLE = join(import.meta.dirname, '../../config/samples/standalone')
const TENANT = fresh('policies')
const CARD = '4111 1111 1111 1111'

const guardrail = (name: string, action: string, more: object = {}): object => ({ name, type: 'PII', action, ...more })
const policy = (name: string, keyAliases: string[], spec: object): ReturnType<typeof resource> =>
  resource('Policy', name, { scope: { keyAliases }, audit: { content: 'Keep' }, ...spec })

const RESOURCES = (url: string): string =>
  yaml(
    ...tenant(
      TENANT,
      {},
      ...scripted('p', url, { models: { allow: ['m'] }, pricing: [price('m', '100')] }),
      policy('blocking', ['block', 'block-rpm'], {
        guardrails: [guardrail('cards', 'Block', { config: { entities: ['Card'] } })],
      }),
      policy('redacting', ['redact'], { guardrails: [guardrail('all', 'Redact')], cache: { enabled: true } }),
      policy('logging', ['log'], { guardrails: [guardrail('all', 'AllowAndLog')] }),
      policy('shadow', ['shadow'], { guardrails: [guardrail('cards', 'Block', { mode: 'Shadow' })] }),
      policy('replies', ['replies'], { guardrails: [guardrail('cards', 'Block', { direction: 'Response' })] }),
      policy('low', ['override'], { priority: 1, guardrails: [guardrail('cards', 'Block')] }),
      policy('high', ['override'], { priority: 2, guardrails: [guardrail('cards', 'AllowAndLog')] }),
      policy('teams', [], { scope: { teams: ['hospital*'] }, guardrails: [guardrail('cards', 'Block')] }),
      virtualKey('block', daily('1')),
      virtualKey('block-rpm', { rateLimit: { rpm: 2 } }),
      virtualKey('redact'),
      virtualKey('log'),
      virtualKey('shadow'),
      virtualKey('replies', daily('1')),
      virtualKey('override'),
      virtualKey('doctor', { team: 'hospital-west' }),
      virtualKey('free'),
      virtualKey('admin', { role: 'ProxyAdmin' }),
    ),
  )

interface Compliance {
  readonly compliance_status: string
  readonly compliance_violations?: string
  readonly policies: readonly string[]
  readonly cost: number
  readonly tokens_used: number
  readonly request_content?: string
  readonly response_content?: string
  readonly attempts: readonly object[]
  readonly outcome: string
}

describe.skipIf(redisUrl === '')('policies (skipped without a Redis)', () => {
  let upstream: Upstream
  let gateway: GatewayProcess

  beforeAll(async () => {
    upstream = await startUpstream()
    gateway = await startGateway({ redisUrl, gateway: TENANT, resources: RESOURCES(upstream.url) })
  })

  afterAll(async () => {
    await cleanUp()
    await upstream?.close()
  })

  beforeEach(() => {
    upstream.answer = whole('All is well.')
    upstream.seen.length = 0
  })

  const send = (key: string, content: string, more: object = {}): Promise<Answer> =>
    ask(gateway.proxy, gateway.token(`${key}-key`), chat('m', content, { max_tokens: 10, ...more }))

  async function recordOf({ headers }: Answer): Promise<Compliance> {
    const url = `${gateway.management}/api/vas/logs/${headers.get('x-smartflow-request-id')}`
    return eventually(
      'the record is there',
      async () => (await get(url, gateway.token('admin-key'))).json?.['data'] as Compliance | undefined,
    )
  }

  test(`a blocked request is a 403 that names compliance, violations and risk, costs nothing and reaches nobody ${verifies('P01', 'P03')}`, async () => {
    const answer = await send('block', `My card is ${CARD}.`)
    expect(answer.status).toBe(403)
    expect(answer.json?.error).toMatchObject({
      code: 'policy_blocked',
      message: expect.stringMatching(/compliance.*cards.*card/s),
      violations: [expect.stringContaining('blocking/cards: card')],
      risk_score: expect.any(Number),
    })
    expect(upstream.seen).toHaveLength(0)
    expect(answer.headers.get('x-smartflow-policies')).toContain('blocking')
    expect(answer.headers.get('x-smartflow-policy-action')).toBe('block')
    expect(answer.text).not.toContain('4111')
    const record = await recordOf(answer)
    expect(record).toMatchObject({ cost: 0, tokens_used: 0, attempts: [], compliance_status: 'violated' })
    expect(record.compliance_violations).toContain('"entity":"card"')
    expect(JSON.stringify(record)).not.toContain('4111')
    const next = await eventually('the hold is back', async () => {
      const again = await send('block', 'Hello')
      return again.headers.get('x-smartflow-budget-spent') === '0' && again
    })
    expect(next.status).toBe(200)
  })

  test(`a blocked request counts against the requests a minute, not against the tokens ${verifies('P01')}`, async () => {
    for (let i = 0; i < 2; i++) expect((await send('block-rpm', CARD)).status).toBe(403)
    expect((await send('block-rpm', 'Hello')).status).toBe(429)
  })

  test(`a redacted request reaches the provider without its values, and the log too ${verifies('P03')}`, async () => {
    const answer = await send('redact', `Card ${CARD}, mail jane.doe@example.com, thanks.`)
    expect(answer.status).toBe(200)
    expect(upstream.seen[0]?.body['messages']).toEqual([
      { role: 'user', content: 'Card [CARD], mail [EMAIL], thanks.' },
    ])
    expect(answer.headers.get('x-smartflow-policy-action')).toBe('redact')
    expect(answer.headers.get('x-smartflow-policy-reason')).toMatch(/card/)
    const record = await recordOf(answer)
    expect(record.request_content).toContain('[CARD]')
    expect(JSON.stringify(record)).not.toMatch(/4111|jane\.doe/)
  })

  test(`a redacted answer is redacted from the cache as well, and in a stream ${verifies('P03')}`, async () => {
    upstream.answer = whole(`Use ${CARD} to pay.`)
    const first = await send('redact', 'Which card?')
    const second = await send('redact', 'Which card?')
    expect(second.headers.get('x-smartflow-cache-hit')).toBe('true')
    const streamed = await send('redact', 'Which card?', { stream: true })
    for (const { text } of [first, second, streamed]) {
      expect(text).toContain('[CARD]')
      expect(text).not.toContain('4111')
    }
    expect(upstream.seen).toHaveLength(1)
    expect((await recordOf(second)).response_content).not.toContain('4111')
  })

  test(`requests that differ only in what was masked share an answer, and never the unmasked one's ${verifies('P03')}`, async () => {
    await send('redact', `Pay with ${CARD} please`)
    const other = await send('redact', 'Pay with 5555 5555 5555 4444 please')
    expect(other.headers.get('x-smartflow-cache-hit')).toBe('true')
    expect(upstream.seen).toHaveLength(1)
  })

  test(`AllowAndLog lets everything pass and says so ${verifies('P01')}`, async () => {
    const answer = await send('log', `Card ${CARD}`)
    expect(answer.status).toBe(200)
    expect(upstream.seen[0]?.text).toContain('4111')
    expect(answer.headers.get('x-smartflow-policy-action')).toBe('log')
    expect(await recordOf(answer)).toMatchObject({ compliance_status: 'violated', policies: ['logging'] })
  })

  test(`shadow mode changes nothing and only records ${verifies('P01')}`, async () => {
    const answer = await send('shadow', `Card ${CARD}`)
    expect(answer.status).toBe(200)
    expect(upstream.seen[0]?.text).toContain('4111')
    const record = await recordOf(answer)
    expect(record).toMatchObject({ compliance_status: 'compliant' })
    expect(JSON.stringify(record)).toContain('"shadow":true')
  })

  test(`an answer that is blocked after the provider gave it is paid for ${verifies('P03')}`, async () => {
    upstream.answer = whole(`Use ${CARD}.`)
    const answer = await send('replies', `Card ${CARD}`)
    expect(answer.status).toBe(403)
    expect(answer.text).not.toContain('4111')
    const record = await recordOf(answer)
    expect(record.cost).toBeGreaterThan(0)
    expect(record.attempts).toHaveLength(1)
  })

  test(`a stream that is blocked ends in an error event, and the provider is left ${verifies('P03')}`, async () => {
    const heard = Promise.withResolvers<void>()
    const left = Promise.withResolvers<void>()
    upstream.answer = async (seen, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(chunk('m', { content: 'Use ' }))
      await heard.promise
      for (const content of ['4111 ', '1111 11', '11 1111', ' to pay.']) response.write(chunk('m', { content }))
      await seen.gone
      left.resolve()
    }
    const response = await fetch(`${gateway.proxy}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gateway.token('replies-key')}` },
      body: JSON.stringify(chat('m', 'Which?', { stream: true })),
    })
    expect(response.status).toBe(200)
    let text = ''
    for await (const part of response.body ?? []) {
      text += Buffer.from(part).toString()
      if (text.includes('Use ')) heard.resolve()
    }
    await left.promise
    expect(text).toContain('"content":"Use "')
    expect(text).toContain('"code":"policy_blocked"')
    expect(text).not.toMatch(/4111|1111|to pay/)
  })

  test(`a stream that is blocked before anything left is a plain 403 ${verifies('P03')}`, async () => {
    upstream.answer = stream([`${CARD} is the card`])
    const { status, json } = await send('replies', 'Which?', { stream: true })
    expect(status).toBe(403)
    expect(json?.error?.code).toBe('policy_blocked')
  })

  test(`of guardrails with one name the policy with the higher priority wins ${verifies('P01')}`, async () => {
    const answer = await send('override', CARD)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('x-smartflow-policy-action')).toBe('log')
  })

  test(`scopes decide whom a policy concerns: keys, and teams by a pattern ${verifies('P01')}`, async () => {
    expect((await send('doctor', CARD)).status).toBe(403)
    const free = await send('free', CARD)
    expect(free.status).toBe(200)
    expect(free.headers.get('x-smartflow-policies')).toBeNull()
    expect(upstream.seen).toHaveLength(1)
  })
})

describe.skipIf(redisUrl === '')('the samples (skipped without a Redis)', () => {
  let gateway: GatewayProcess

  beforeAll(async () => {
    gateway = await startGateway({ redisUrl, gateway: fresh('samples'), env: { SMARTFLOW_CONFIG_DIR: SAMPLE } })
  })
  afterAll(cleanUp)

  const send = (model: string, content: string): Promise<Answer> =>
    ask(gateway.proxy, gateway.token('admin-key'), chat(model, content))

  test(`enterprise-standard blocks cards, social security numbers and secrets, and notes the rest ${verifies('P01')}`, async () => {
    for (const bad of [CARD, 'SSN 219-09-9999', `key ${'sk-'}${'a1B2c3D4e5F6g7H8'.repeat(3)}`]) {
      const answer = await send('gpt-4o', `Here: ${bad}`)
      expect(answer.status).toBe(403)
      expect(answer.json?.error?.message).toContain('compliance')
    }
    const noted = await send('gpt-4o', 'Write to jane.doe@example.com')
    expect(noted.status).toBe(200)
    expect(noted.headers.get('x-smartflow-policies')).toContain('enterprise-standard')
    expect(noted.headers.get('x-smartflow-policy-action')).toBe('log')
    expect(noted.text).toContain('jane.doe@example.com')
  })
})
