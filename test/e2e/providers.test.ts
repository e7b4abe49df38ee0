// Where calls go and what they cost: local servers, failover before the first byte, prices known and unknown.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { verifies } from '../requirements.ts'
import { type Answer, ask, chat, get } from './calls.ts'
import { cleanUp, eventually, type GatewayProcess, startGateway } from './gateway.ts'
import { daily, fresh, price, resource, scripted, tenant, virtualKey, yaml } from './resources.ts'
import { chunk, hang, raw, reset, type Script, startUpstream, stream, type Upstream, whole } from './upstream.ts'

const redisUrl = inject('redisUrl')
const TENANT = fresh('providers')

interface Places {
  readonly one: string
  readonly two: string
  readonly local: string
}

const RESOURCES = ({ one, two, local }: Places): string =>
  yaml(
    ...tenant(
      TENANT,
      {},
      ...scripted('one', one, { models: { allow: ['one-*'] }, timeouts: { request: '1s' } }),
      ...scripted('two', two, {
        models: { allow: ['two-*', 'priced', 'cached-priced'] },
        pricing: [price('priced', '100'), { ...price('cached-priced', '100'), cachedInputPerMillionUSD: '10' }],
      }),
      resource('AIProvider', 'ollama', { preset: 'ollama', baseURL: local, allowPrivateEndpoint: true }),
      resource('FallbackChain', 'resilient', {
        models: ['resilient'],
        targets: [
          { name: 'first', providerRef: { name: 'one' }, model: 'one-a', retry: { attempts: 0 } },
          { name: 'second', providerRef: { name: 'two' }, model: 'two-b', retry: { attempts: 0 } },
        ],
        breaker: { failures: 100, openFor: '1s' },
      }),
      virtualKey('admin', { role: 'ProxyAdmin' }),
      virtualKey('budgeted', daily('1')),
    ),
  )

describe.skipIf(redisUrl === '')('providers (skipped without a Redis)', () => {
  let one: Upstream
  let two: Upstream
  let local: Server
  let localSeen: {
    readonly url: string | undefined
    readonly authorization: string | undefined
    readonly text: string
  }[]
  let gateway: GatewayProcess
  let admin: string

  beforeAll(async () => {
    ;[one, two, local] = await Promise.all([startUpstream(), startUpstream(), startLocal()])
    const { port } = local.address() as AddressInfo
    const places = { one: one.url, two: two.url, local: `http://127.0.0.1:${port}/v1` }
    gateway = await startGateway({ redisUrl, gateway: TENANT, resources: RESOURCES(places) })
    admin = gateway.token('admin-key')
  })

  afterAll(async () => {
    await cleanUp()
    await Promise.all([one?.close(), two?.close()])
    local?.close()
  })

  beforeEach(() => {
    one.answer = whole('from one')
    two.answer = whole('from two')
    for (const { seen } of [one, two]) seen.length = 0
    localSeen = []
  })

  /** As Ollama: wants no key, and says nothing of its usage in a whole answer of an old version. */
  async function startLocal(): Promise<Server> {
    const server = createServer((request, response) => {
      void (async () => {
        let text = ''
        for await (const part of request) text += String(part)
        localSeen.push({ url: request.url, authorization: request.headers.authorization, text })
        const message = { role: 'assistant', content: 'from this machine' }
        response
          .writeHead(200, { 'content-type': 'application/json' })
          .end(JSON.stringify({ id: 'l', model: 'llama3.2', choices: [{ index: 0, message, finish_reason: 'stop' }] }))
      })()
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return server
  }

  const send = (model: string, more: object = {}, key = 'admin'): Promise<Answer> =>
    ask(gateway.proxy, gateway.token(`${key}-key`), chat(model, 'Hello', more))

  async function recordOf({ headers }: Answer): Promise<Record<string, unknown>> {
    const url = `${gateway.management}/api/vas/logs/${headers.get('x-smartflow-request-id')}`
    return eventually(
      'the record is there',
      async () => (await get(url, admin)).json?.['data'] as Record<string, unknown> | undefined,
    )
  }

  test(`a local server is called without a key and without its prefix, and costs nothing ${verifies('L06', 'L03')}`, async () => {
    const { status, json, headers } = await send('ollama/llama3.2')
    expect(status).toBe(200)
    expect(json).toMatchObject({ provider: 'ollama', choices: [{ message: { content: 'from this machine' } }] })
    expect(headers.get('x-smartflow-response-cost')).toBe('0')
    expect(localSeen).toMatchObject([{ url: '/v1/chat/completions', authorization: undefined }])
    expect(localSeen[0]?.text).toBe(JSON.stringify(chat('llama3.2', 'Hello')))
  })

  describe('failover', () => {
    const failures: { readonly what: string; readonly answer: Script; readonly status: number }[] = [
      { what: 'an error', answer: raw(500, '{"error":{"message":"oops"}}'), status: 500 },
      { what: 'a rate limit', answer: raw(429, '{"error":{"message":"slow down"}}'), status: 429 },
      { what: 'a closed connection', answer: reset, status: 502 },
      { what: 'no answer in time', answer: hang, status: 504 },
      { what: 'a body that is none', answer: raw(200, '<html>'), status: 502 },
    ]
    for (const { what, answer, status } of failures) {
      test(`after ${what} the next target answers ${verifies('R04')}`, async () => {
        one.answer = answer
        const answered = await send('resilient')
        expect(answered.status).toBe(200)
        expect(answered.text).toContain('from two')
        expect(one.seen[0]?.body['model']).toBe('one-a')
        expect(two.seen[0]?.body['model']).toBe('two-b')
        const { attempts } = await recordOf(answered)
        expect(attempts).toMatchObject([
          { target: 'first', status },
          { target: 'second', status: 200 },
        ])
      })
    }

    test(`an error event in place of the first of a stream counts as one ${verifies('R04')}`, async () => {
      one.answer = raw(200, 'data: {"error":{"message":"overloaded"}}\n\n', { 'content-type': 'text/event-stream' })
      two.answer = stream(['from ', 'two'])
      const { text, headers } = await send('resilient', { stream: true })
      expect(headers.get('content-type')).toMatch(/^text\/event-stream/)
      expect(text).toContain('"content":"two"')
      expect(text).not.toContain('overloaded')
    })

    test(`after the first event nobody else is asked ${verifies('R04')}`, async () => {
      one.answer = (_seen, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        response.write(chunk('one-a', { content: 'begun' }), () => response.destroy())
      }
      const { text } = await send('resilient', { stream: true })
      expect(text).toContain('begun')
      expect(text).toContain('"error"')
      expect(two.seen).toHaveLength(0)
    })

    test('what one target does not take, the next may; when none does, the caller gets its words', async () => {
      const tooLong = raw(400, '{"error":{"message":"too long","code":"context_length_exceeded"}}')
      one.answer = tooLong
      expect((await send('resilient')).text).toContain('from two')
      two.answer = tooLong
      const { status, json } = await send('resilient')
      expect(status).toBe(400)
      expect(json?.error?.code).toBe('context_length_exceeded')
    })

    test('when none answers, the caller is told what the last one said', async () => {
      one.answer = hang
      two.answer = raw(500, '{"error":{"message":"two is down"}}')
      const { status, json } = await send('resilient')
      expect(status).toBe(502)
      expect(json?.error?.message).toContain('two is down')
    })
  })

  describe('cost', () => {
    const used = (more: object = {}): object => ({
      prompt_tokens: 1_000,
      completion_tokens: 100,
      total_tokens: 1_100,
      ...more,
    })

    test(`is the real usage at the declared price ${verifies('K07')}`, async () => {
      two.answer = whole('ok', used())
      const answer = await send('priced', {}, 'budgeted')
      expect(answer.headers.get('x-smartflow-response-cost')).toBe('0.11')
      expect(await recordOf(answer)).toMatchObject({ cost: 0.11, cost_known: true })
    })

    test(`counts cached tokens at their own price ${verifies('K07')}`, async () => {
      two.answer = whole('ok', used({ prompt_tokens_details: { cached_tokens: 600 } }))
      expect((await send('cached-priced')).headers.get('x-smartflow-response-cost')).toBe('0.056')
    })

    test(`of a stream stands in a comment before its end, and in the log ${verifies('K07')}`, async () => {
      two.answer = stream(['a', 'b'], used())
      const answer = await send('priced', { stream: true })
      expect(answer.text).toMatch(/\n\n: x-smartflow-response-cost 0\.11\n\ndata: \[DONE\]\n\n$/)
      expect(await recordOf(answer)).toMatchObject({ cost: 0.11, cost_known: true })
    })

    test(`of an answer that says nothing of its usage is counted from its words ${verifies('K07')}`, async () => {
      const message = { role: 'assistant', content: 'one two three four five six seven eight' }
      two.answer = raw(
        200,
        JSON.stringify({ id: 'x', model: 'priced', choices: [{ index: 0, message, finish_reason: 'stop' }] }),
      )
      const answer = await send('priced')
      expect(Number(answer.headers.get('x-smartflow-response-cost'))).toBeGreaterThan(0)
      expect(await recordOf(answer)).toMatchObject({ metrics: { usage_source: 'counted' } })
    })

    test(`that nobody knows is flagged, and counted where operators look ${verifies('K07')}`, async () => {
      const answer = await send('two-unpriced')
      expect(answer.status).toBe(200)
      expect(answer.headers.get('x-smartflow-response-cost')).toBe('unknown')
      expect(await recordOf(answer)).toMatchObject({ cost_known: false, cost: 0 })
      const { text } = await get(`${gateway.metrics}/metrics`)
      expect(text).toMatch(/smartflow_unpriced_calls_total\{provider="openai",model="two-unpriced"\} 1/)
    })
  })
})
