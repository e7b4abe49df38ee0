// The published Python client (smartflow-sdk) in real Python against a real gateway: the ten methods of this release, and
// its exceptions (S01; what it reads is in the wire contract).
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { type ClientArguments, PythonClient, sdkFolder, type SdkVersion } from '../python/client.ts'
import { verifies } from '../requirements.ts'
import { failing, message, startAnthropic, text } from './anthropic-upstream.ts'
import { chat, ask } from './calls.ts'
import { cleanUp, eventually, type GatewayProcess, startGateway } from './gateway.ts'
import { daily, fresh, price, resource, scripted, tenant, virtualKey, yaml } from './resources.ts'
import { hang, raw, startUpstream, type Upstream, whole } from './upstream.ts'

const redisUrl = inject('redisUrl')
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const VERSIONS = ['0.4.0', '0.5.1'] as const

const RESOURCES = (url: string, anthropic: string, name: string): string =>
  yaml(
    ...tenant(
      name,
      {},
      ...scripted('p', url, {
        models: { allow: ['m', 'gpt-4o'] },
        pricing: [price('m', '100')],
        timeouts: { request: '3s' },
      }),
      ...scripted('a', anthropic, { preset: 'anthropic', models: { allow: ['claude-*'] } }),
      virtualKey('admin', { role: 'ProxyAdmin' }),
      virtualKey('plain'),
      virtualKey('suspended', { suspend: true }),
      virtualKey('poor', daily('0.0001')),
      virtualKey('slow', { rateLimit: { rpm: 1 } }),
      resource('Policy', 'everything', { cache: { enabled: true }, audit: { content: 'Keep' } }),
    ),
  )

for (const version of VERSIONS) {
  const packages = redisUrl === '' ? undefined : await sdkFolder(version)

  describe.skipIf(packages === undefined)(`smartflow-sdk ${version} (skipped without Redis, Python or pip)`, () => {
    let upstream: Upstream
    let anthropic: Upstream
    let gateway: GatewayProcess
    let python: PythonClient

    beforeAll(async () => {
      ;[upstream, anthropic] = await Promise.all([startUpstream(), startAnthropic()])
      const name = fresh(`sdk-${version.replaceAll('.', '-')}`)
      gateway = await startGateway({ redisUrl, gateway: name, resources: RESOURCES(upstream.url, anthropic.url, name) })
      python = new PythonClient(packages ?? '')
      await use('admin')
    })

    afterAll(async () => {
      python?.close()
      await cleanUp()
      await Promise.all([upstream?.close(), anthropic?.close()])
    })

    beforeEach(() => {
      upstream.answer = whole('Hello, how are you?')
      anthropic.answer = message([text('Hello from Claude'), text('unread')])
    })

    function argumentsFor(token: string, own = gateway): ClientArguments {
      return { base_url: own.proxy, api_key: token, management_port: Number(new URL(own.management).port) }
    }

    /** Calls go out with the token of this key from now on. */
    function use(key: string): Promise<void> {
      return python.use(argumentsFor(gateway.token(`${key}-key`)))
    }

    /** Text that no other test asks: what is equal comes from the cache. */
    const unique = (text: string): string => `${text} (${version}, ${Math.random()})`

    describe('methods', () => {
      test(`chat gives the text ${verifies('S01')}`, async () => {
        expect(await python.call('chat', [unique('Hello')])).toBe('Hello, how are you?')
        expect(upstream.seen.at(-1)?.body).toMatchObject({ model: 'gpt-4o', temperature: 0.7, stream: false })
      })

      test(`chat gives None for an answer without text ${verifies('S01')}`, async () => {
        const call = { id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }
        const message = { role: 'assistant', content: null, tool_calls: [call] }
        upstream.answer = raw(
          200,
          JSON.stringify({ id: 'x', choices: [{ index: 0, message, finish_reason: 'tool_calls' }] }),
        )
        expect(
          await python.call('chat', [unique('Hello')], { model: 'm', system_prompt: 'Be brief.', max_tokens: 5 }),
        ).toBeNull()
        expect(upstream.seen.at(-1)?.body).toMatchObject({
          max_tokens: 5,
          messages: [{ role: 'system' }, { role: 'user' }],
        })
      })

      test(`chat_completions gives provider, usage and what the cache did ${verifies('S01', 'C04')}`, async () => {
        const ask = (): Promise<unknown> =>
          python.call('chat_completions', [[{ role: 'user', content: `${version}: the same` }]], { model: 'm' })
        expect(await ask()).toMatchObject({
          content: 'Hello, how are you?',
          model: 'm-2026',
          provider: 'openai',
          cached: false,
          cache_hit_type: null,
          usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15, cached_tokens: 0 },
          choices: [{ index: 0, finish_reason: 'stop' }],
        })
        expect(await ask()).toMatchObject({
          content: 'Hello, how are you?',
          provider: 'openai',
          cached: true,
          cache_hit_type: 'exact',
        })
      })

      test(`stream_chat gives the text as it comes ${verifies('S01')}`, async () => {
        const pieces = await python.call('stream_chat', [unique('Hello')], { model: 'm' })
        expect(pieces).toEqual(['Hello,', ' how', ' are', ' you?'])
      })

      test(`list_models gives the models of the key ${verifies('S01', 'L07')}`, async () => {
        expect(await python.call('list_models')).toContainEqual(
          expect.objectContaining({ id: 'm', object: 'model', owned_by: 'openai' }),
        )
      })

      test(`health and readiness need no key ${verifies('S01', 'O08')}`, async () => {
        const { base_url, management_port } = argumentsFor('')
        await python.use({ base_url, management_port })
        expect(await python.call('health')).toEqual({ status: 'ok' })
        expect(await python.call('readiness')).toEqual({ status: 'ready' })
        await use('admin')
      })

      test(`health_comprehensive gives providers and cache as it reads them ${verifies('S01', 'O08')}`, async () => {
        const health = await python.call('health_comprehensive')
        expect(health).toMatchObject({
          status: 'healthy',
          version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
          uptime_seconds: expect.any(Number),
        })
        expect(health).toMatchObject({
          providers: [
            {
              provider: 'openai',
              success_rate: expect.any(Number),
              latency_ms: expect.any(Number),
              requests_total: expect.any(Number),
            },
          ],
          cache: { hit_rate: expect.any(Number), entries: expect.any(Number) },
        })
      })

      test(`get_logs gives the newest first, with content, by provider too ${verifies('S01', 'O03')}`, async () => {
        const text = unique('What is in the log?')
        await python.call('chat', [text], { model: 'm' })
        const logs = (await eventually('the record is there', async () => {
          const found = (await python.call('get_logs', [], { limit: 5, provider: 'openai' })) as {
            request_content: string
          }[]
          return found[0]?.request_content.includes(text) === true && found
        })) as object[]
        expect(logs[0]).toMatchObject({
          request_id: expect.stringMatching(UUID),
          timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
          provider: 'openai',
          model: 'm-2026',
          response_content: expect.stringContaining('how are you?'),
          tokens_used: 15,
          latency_ms: expect.any(Number),
          cached: false,
          compliance: null,
        })
        expect(logs.length).toBeLessThanOrEqual(5)
        expect(await python.call('get_logs', [], { provider: 'nobody' })).toEqual([])
      })

      test(`get_cache_stats counts hits, misses and what they saved ${verifies('S01', 'C07')}`, async () => {
        type Stats = Record<
          'hits' | 'misses' | 'exact_matches' | 'l1_hits' | 'tokens_saved' | 'cost_saved_cents' | 'hit_rate',
          number
        >
        const read = async (): Promise<Stats> => (await python.call('get_cache_stats')) as Stats
        const before = await read()
        const text = unique('Counted?')
        for (let i = 0; i < 3; i++) await python.call('chat', [text], { model: 'm' })
        const after = await eventually('the hits are counted', async () => {
          const stats = await read()
          return stats.hits === before.hits + 2 && stats.misses === before.misses + 1 && stats
        })
        expect(after.exact_matches - before.exact_matches).toBe(2)
        expect(after.l1_hits - before.l1_hits).toBe(2)
        expect(after.tokens_saved - before.tokens_saved).toBe(30)
        expect(after.cost_saved_cents - before.cost_saved_cents).toBeCloseTo(0.3)
        expect(after.hit_rate).toBeCloseTo(after.hits / (after.hits + after.misses))
      })

      test(`the synchronous client works too ${verifies('S01')}`, async () => {
        expect(await python.sync('health')).toEqual({ status: 'ok' })
        expect(await python.sync('get_cache_stats')).toMatchObject({ hits: expect.any(Number) })
      })
    })

    describe('exceptions', () => {
      const raisedBy = (text = unique('Hello'), more: object = {}): ReturnType<PythonClient['raised']> =>
        python.raised('chat', [text], { model: 'm', ...more })

      test(`AuthenticationError for a key that is unknown or not sent ${verifies('S01')}`, async () => {
        await python.use(argumentsFor(`sk-sf-${'0'.repeat(48)}`))
        expect(await raisedBy()).toMatchObject({ type: 'AuthenticationError', code: 'invalid_api_key' })
        expect(await python.raised('get_logs')).toMatchObject({ type: 'AuthenticationError', code: 'invalid_api_key' })
        expect(await python.call('stream_chat', ['silent, as that client is'])).toEqual([])
        await python.use({ base_url: gateway.proxy, management_port: argumentsFor('').management_port })
        expect(await raisedBy()).toMatchObject({ type: 'AuthenticationError', code: 'missing_api_key' })
        await use('admin')
      })

      test(`SmartflowError for a suspended key, a role that is too low, an unknown model ${verifies('S01')}`, async () => {
        await use('suspended')
        expect(await raisedBy()).toMatchObject({ type: 'SmartflowError', code: 'key_suspended' })
        await use('plain')
        expect(await python.raised('get_logs')).toMatchObject({ type: 'SmartflowError', code: 'insufficient_role' })
        await use('admin')
        expect(await raisedBy('Hello', { model: 'nobody/knows' })).toMatchObject({
          type: 'SmartflowError',
          code: 'model_not_found',
        })
      })

      test(`a budget that is spent, and a rate limit with its wait ${verifies('S01', 'K02', 'K03')}`, async () => {
        await use('poor')
        const type = version === '0.5.1' ? 'BudgetExceededError' : 'RateLimitError'
        const poor = await raisedBy()
        expect(poor).toMatchObject({ type, code: 'insufficient_quota' })
        expect(poor.bases).toContain('SmartflowError')
        await use('slow')
        await python.call('chat', [unique('first')], { model: 'm' })
        const limited = await raisedBy()
        expect(limited).toMatchObject({ type: 'RateLimitError', code: 'rate_limit_exceeded' })
        expect(limited['retry_after']).toBeGreaterThan(1)
        await use('admin')
      })

      test(`ValidationError for a request that is wrong ${verifies('S01')}`, async () => {
        expect(await python.raised('chat_completions', [[]], { model: 'm' })).toMatchObject({
          type: 'ValidationError',
          code: 'invalid_request',
        })
        expect(await raisedBy('Hello', { temperature: 9 })).toMatchObject({
          type: 'ValidationError',
          message: expect.stringContaining('temperature'),
        })
      })

      test(`ProviderError for a provider that fails, with its name ${verifies('S01')}`, async () => {
        upstream.answer = raw(500, '{"error":{"message":"oops"}}')
        expect(await raisedBy()).toMatchObject({
          type: 'ProviderError',
          provider: 'p',
          message: expect.stringContaining('oops'),
        })
        upstream.answer = raw(200, '<html>')
        expect(await raisedBy()).toMatchObject({ type: 'ProviderError', provider: 'p' })
      })

      test(`TimeoutError for a provider that does not answer ${verifies('S01')}`, async () => {
        upstream.answer = hang
        expect(await raisedBy()).toMatchObject({ type: 'TimeoutError', code: 'upstream_timeout' })
      })
    })

    describe('claude_message', () => {
      test(`claude_message gives the text, of a provider of either format ${verifies('S01', 'L02', 'L08')}`, async () => {
        const asked = unique('Hello')
        expect(await python.call('claude_message', [asked], { system: 'Be brief.' })).toBe('Hello from Claude')
        expect(anthropic.seen.at(-1)).toMatchObject({
          headers: { 'anthropic-version': '2023-06-01' },
          body: {
            model: 'claude-3-5-sonnet-20241022',
            max_tokens: 1_024,
            system: 'Be brief.',
            messages: [{ role: 'user', content: asked }],
          },
        })
        expect(await python.call('claude_message', [asked], { model: 'm', max_tokens: 9 })).toBe('Hello, how are you?')
        expect(upstream.seen.at(-1)?.body).toMatchObject({ model: 'm', max_tokens: 9 })
      })

      test(`claude_message keeps the caller's own Anthropic key from everybody ${verifies('S01', 'L02')}`, async () => {
        const key = ['sk', 'ant', 'mine'].join('-')
        expect(await python.call('claude_message', [unique('Hello')], { anthropic_key: key })).toBe('Hello from Claude')
        expect(JSON.stringify(anthropic.seen.at(-1)?.headers)).not.toContain(key)
      })

      test(`claude_message raises the same exceptions ${verifies('S01', 'L02')}`, async () => {
        const raised = (more: object = {}): ReturnType<PythonClient['raised']> =>
          python.raised('claude_message', [unique('Hello')], more)
        expect(await raised({ model: 'nobody/knows' })).toMatchObject({
          type: 'SmartflowError',
          code: 'model_not_found',
        })
        anthropic.answer = failing(400, 'invalid_request_error', 'prompt is too long')
        expect(await raised()).toMatchObject({ type: 'ValidationError', message: 'prompt is too long' })
        anthropic.answer = failing(429, 'rate_limit_error', 'slow down')
        expect(await raised()).toMatchObject({ type: 'RateLimitError', message: 'slow down' })
        anthropic.answer = failing(503, 'api_error', 'away')
        expect(await raised()).toMatchObject({ type: 'ProviderError', message: 'away' })
        upstream.answer = raw(500, '{"error":{"message":"oops"}}')
        expect(await raised({ model: 'm' })).toMatchObject({ type: 'ProviderError', provider: 'p' })
        await use('suspended')
        expect(await raised()).toMatchObject({ type: 'SmartflowError', code: 'key_suspended' })
        await use('admin')
      })
    })
  })
}

describe.skipIf(redisUrl === '')('one port for everything (skipped without Redis, Python or pip)', () => {
  afterAll(cleanUp)

  test(`the client finds every service on the port that it is told ${verifies('S01')}`, async ({ skip }) => {
    const newest: SdkVersion = '0.5.1'
    const packages = await sdkFolder(newest)
    if (packages === undefined) return skip('no Python that can have the package')
    const name = fresh('sdk-one-port')
    const resources = yaml(...tenant(name, {}, virtualKey('admin', { role: 'ProxyAdmin' })))
    const gateway = await startGateway({ redisUrl, gateway: name, resources, env: { SMARTFLOW_SINGLE_PORT: 'true' } })
    expect(gateway.management).toBe(gateway.proxy)
    const python = new PythonClient(packages)
    await python.use({
      base_url: gateway.proxy,
      api_key: gateway.token('admin-key'),
      management_port: Number(new URL(gateway.proxy).port),
    })
    expect((await ask(gateway.proxy, gateway.token('admin-key'), chat('nobody/knows'))).status).toBe(404)
    expect(await python.call('health')).toEqual({ status: 'ok' })
    expect(await python.call('health_comprehensive')).toMatchObject({ status: 'healthy' })
    expect(await python.call('get_cache_stats')).toMatchObject({ hits: 0 })
    python.close()
  })
})
