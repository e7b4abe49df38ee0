// The exact cache of two processes on one Redis: which tier answers, what a caller may ask of it, what it says (C02–C04).
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { verifies } from '../requirements.ts'
import { type Answer, ask, chat, get } from './calls.ts'
import { cleanUp, eventually, type GatewayProcess, startGateway } from './gateway.ts'
import { fresh, price, resource, scripted, tenant, virtualKey, yaml } from './resources.ts'
import { raw, startUpstream, type Upstream, whole } from './upstream.ts'

const redisUrl = inject('redisUrl')
const TENANT = fresh('cache')
const OTHER = fresh('cache-other')

const RESOURCES = (url: string): string => {
  const provider = scripted('p', url, { pricing: [price('m', '100')] })
  const policy = resource('Policy', 'cached', { cache: { enabled: true, ttl: '1h' } })
  return yaml(
    ...tenant(TENANT, {}, ...provider, policy, virtualKey('app', { role: 'ProxyAdmin' }), virtualKey('colleague')),
    ...tenant(OTHER, {}, ...provider, policy, virtualKey('stranger')),
  )
}

describe.skipIf(redisUrl === '')('the cache (skipped without a Redis)', () => {
  let upstream: Upstream
  let first: GatewayProcess
  let second: GatewayProcess
  let serial = 0

  beforeAll(async () => {
    upstream = await startUpstream()
    first = await startGateway({ redisUrl, gateway: TENANT, resources: RESOURCES(upstream.url) })
    second = await startGateway({ redisUrl, gateway: TENANT, keysDir: join(first.stateDir, 'keys') })
  })

  afterAll(async () => {
    await cleanUp()
    await upstream?.close()
  })

  beforeEach(() => {
    upstream.answer = whole('Hello, how are you?')
    upstream.seen.length = 0
  })

  /** A question that nobody asked before. */
  const question = (more: object = {}): object => chat('m', `question ${++serial}`, more)

  function send(
    gateway: GatewayProcess,
    body: object,
    headers: Record<string, string> = {},
    key = 'app',
  ): Promise<Answer> {
    return ask(gateway.proxy, first.token(`${key}-key`), body, headers)
  }

  /** Where an answer came from, as its record says: memory, redis, or null for the provider. */
  async function tierOf({ headers }: Answer): Promise<unknown> {
    const url = `${first.management}/api/vas/logs/${headers.get('x-smartflow-request-id')}`
    const row = await eventually(
      'the record is there',
      async () => (await get(url, first.token('app-key'))).json?.['data'],
    )
    return (row as { metacache: { tier: string | null } }).metacache.tier
  }

  test(`a process answers from its own memory, the other from Redis and then from its own too ${verifies('C02', 'C04')}`, async () => {
    const body = question()
    const asked = await send(first, body)
    const again = await send(first, body)
    const elsewhere = await eventually('the other process has it', async () => {
      // One that asked the provider itself must not keep what it got: it would then answer from its own memory.
      const answer = await send(second, body, { 'x-smartflow-cache-ttl': '0' })
      return answer.headers.get('x-smartflow-cache-hit') === 'true' && answer
    })
    const elsewhereAgain = await send(second, body)
    expect(await tierOf(asked)).toBeNull()
    expect(await tierOf(again)).toBe('memory')
    expect(await tierOf(elsewhere)).toBe('redis')
    expect(await tierOf(elsewhereAgain)).toBe('memory')
    expect(asked.headers.get('x-smartflow-cache-hit')).toBe('false')
    for (const { headers, json } of [again, elsewhere, elsewhereAgain]) {
      expect(headers.get('x-smartflow-cache-hit')).toBe('true')
      expect(headers.get('x-smartflow-cache-phase')).toBe('exact')
      expect(headers.get('x-smartflow-cache-key')).toBe(asked.headers.get('x-smartflow-cache-key'))
      expect(headers.get('x-cache-key')).toBe(asked.headers.get('x-smartflow-cache-key'))
      expect(headers.get('x-smartflow-response-cost')).toBe('0')
      expect(headers.get('x-smartflow-provider')).toBe('openai')
      expect(json).toMatchObject({ ...asked.json, cached: true, cache_hit_type: 'exact' })
    }
  })

  test(`a stream is answered from a whole answer and the other way round ${verifies('C04')}`, async () => {
    const body = question()
    await send(first, { ...body, stream: true })
    const wholeAgain = await send(first, body)
    expect(wholeAgain.json).toMatchObject({ cached: true, choices: [{ message: { content: 'Hello, how are you?' } }] })
    const streamed = await send(first, { ...body, stream: true, stream_options: { include_usage: true } })
    expect(streamed.headers.get('x-smartflow-cache-hit')).toBe('true')
    expect(streamed.text).toContain('"content":"Hello, how are you?"')
    expect(streamed.text).toContain('"prompt_tokens":10')
    expect(streamed.text.endsWith('data: [DONE]\n\n')).toBe(true)
    expect(upstream.seen.length).toBe(1)
  })

  describe('what a caller may ask of it', () => {
    for (const { name, headers, reads, writes } of [
      {
        name: 'no-cache asks the provider anew, and that answer is remembered',
        headers: { 'cache-control': 'no-cache' },
        reads: false,
        writes: true,
      },
      {
        name: 'no-store neither reads nor writes',
        headers: { 'cache-control': 'no-store' },
        reads: false,
        writes: false,
      },
      {
        name: 'x-smartflow-cache: skip neither reads nor writes',
        headers: { 'x-smartflow-cache': 'skip' },
        reads: false,
        writes: false,
      },
      {
        name: 'x-smartflow-cache-ttl: 0 writes nothing',
        headers: { 'x-smartflow-cache-ttl': '0' },
        reads: true,
        writes: false,
      },
    ]) {
      test(`${name} ${verifies('C03')}`, async () => {
        const known = question()
        await send(first, known)
        upstream.answer = whole('anew')
        const answer = await send(first, known, headers as Record<string, string>)
        expect(answer.text.includes('anew')).toBe(!reads)
        const unknown = question()
        await send(first, unknown, headers as Record<string, string>)
        expect((await send(first, unknown)).headers.get('x-smartflow-cache-hit')).toBe(String(writes))
      })
    }

    test(`x-smartflow-cache-ttl bounds how long an answer is kept, in each tier of each process ${verifies('C03')}`, async () => {
      const body = question()
      await send(first, body, { 'x-smartflow-cache-ttl': '5' })
      const startedAt = performance.now()
      for (const gateway of [first, second]) {
        await eventually(
          'it is there',
          async () =>
            (await send(gateway, body, { 'x-smartflow-cache-ttl': '0' })).headers.get('x-smartflow-cache-hit') ===
            'true',
        )
      }
      expect(performance.now() - startedAt).toBeLessThan(5_000)
      for (const gateway of [first, second]) {
        await eventually(
          'it is gone',
          async () =>
            (await send(gateway, body, { 'x-smartflow-cache-ttl': '0' })).headers.get('x-smartflow-cache-hit') ===
            'false',
        )
      }
    })

    test(`x-smartflow-cache-namespace keeps answers apart ${verifies('C03')}`, async () => {
      const body = question()
      await send(first, body, { 'x-smartflow-cache-namespace': 'blue' })
      expect((await send(first, body)).headers.get('x-smartflow-cache-hit')).toBe('false')
      expect(
        (await send(first, body, { 'x-smartflow-cache-namespace': 'green' })).headers.get('x-smartflow-cache-hit'),
      ).toBe('false')
      expect(
        (await send(first, body, { 'x-smartflow-cache-namespace': 'blue' })).headers.get('x-smartflow-cache-hit'),
      ).toBe('true')
    })
  })

  test(`keys of one tenant share answers, another tenant never sees them ${verifies('C02')}`, async () => {
    const body = question()
    await send(first, body)
    expect((await send(first, body, {}, 'colleague')).headers.get('x-smartflow-cache-hit')).toBe('true')
    expect((await send(first, body, {}, 'stranger')).headers.get('x-smartflow-cache-hit')).toBe('false')
  })

  test('equal calls at once ask the provider once', async () => {
    const gate = Promise.withResolvers<void>()
    upstream.answer = async (seen, response) => {
      await gate.promise
      await whole('once')(seen, response)
    }
    const body = question()
    const calls = Array.from({ length: 20 }, () => send(first, body))
    await eventually('the provider is asked', () => upstream.seen.length > 0)
    gate.resolve()
    const answers = await Promise.all(calls)
    expect(upstream.seen.length).toBe(1)
    expect(answers.filter(({ headers }) => headers.get('x-smartflow-cache-hit') === 'false').length).toBe(1)
    expect(answers.every(({ text }) => text.includes('once'))).toBe(true)
  })

  test('errors, cut answers and tool calls are not remembered', async () => {
    const tool = { id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }
    const bad = [
      raw(500, '{"error":{"message":"oops"}}'),
      raw(
        200,
        JSON.stringify({
          choices: [{ index: 0, message: { role: 'assistant', content: 'cut' }, finish_reason: 'length' }],
        }),
      ),
      raw(
        200,
        JSON.stringify({
          choices: [
            {
              index: 0,
              message: { role: 'assistant', content: null, tool_calls: [tool] },
              finish_reason: 'tool_calls',
            },
          ],
        }),
      ),
    ]
    for (const answer of bad) {
      const body = question()
      upstream.answer = answer
      await send(first, body)
      upstream.answer = whole('anew')
      expect((await send(first, body)).text).toContain('anew')
    }
  })
})
