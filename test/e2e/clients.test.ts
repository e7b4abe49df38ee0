// Official clients of either dialect over providers of either format: what the one says, the other understands (L01, L02, L08).
import type { FormatName } from '@smartflow/core/providers'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { aiAnthropic, aiCompatible, aiOpenai } from '../clients/ai-sdk.ts'
import { anthropicNode, anthropicNodeBefore } from '../clients/anthropic.ts'
import type { Ask, ClientKind, ModelClient } from '../clients/client.ts'
import { openaiNode } from '../clients/openai.ts'
import { pythonClients } from '../clients/python.ts'
import { packageFolder } from '../python/client.ts'
import { verifies } from '../requirements.ts'
import { cleanUp, type GatewayProcess, startGateway } from './gateway.ts'
import { type Asked, askedOf, PLAYS, type Plays, TOKENS } from './plays.ts'
import { daily, fresh, price, resource, scripted, tenant, virtualKey, yaml } from './resources.ts'
import type { Upstream } from './upstream.ts'

const redisUrl = inject('redisUrl')
const TENANT = fresh('clients')
const MAX_BODY_BYTES = 65_536
const FORMATS = ['openai-chat', 'anthropic-messages'] as const
const MODELS = { 'openai-chat': 'gpt-4o', 'anthropic-messages': 'claude-sonnet-4-5' } as const
const DEMO_MODELS = { 'openai-chat': 'demo-gpt', 'anthropic-messages': 'demo-claude' } as const
/** A PNG of one dot. */
const DOT = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const WIEN = { id: 'call_a1', name: 'weather', input: { place: 'Wien' } }
const GRAZ = { id: 'call_b2', name: 'weather', input: { place: 'Graz – or not?' } }

const packages = redisUrl === '' ? undefined : await packageFolder('model-clients')
const python = pythonClients(packages ?? '')
const NODE = [openaiNode, anthropicNode, anthropicNodeBefore, aiOpenai, aiCompatible, aiAnthropic]

const RESOURCES = (urls: Readonly<Record<FormatName, string>>): string =>
  yaml(
    ...tenant(
      TENANT,
      {},
      resource('AIGateway', 'gateway', { defaults: { maxBodyBytes: MAX_BODY_BYTES } }),
      ...FORMATS.flatMap(format => {
        const preset = format === 'openai-chat' ? 'openai' : 'anthropic'
        const model = MODELS[format]
        const spec = { preset, models: { allow: [model] }, pricing: [price(model, '100')] }
        return [
          ...scripted(`${preset}-strict`, urls[format], spec),
          resource('AIProvider', `${preset}-demo`, { preset, models: { allow: [DEMO_MODELS[format]] } }),
        ]
      }),
      virtualKey('app', { role: 'ProxyAdmin' }),
      virtualKey('suspended', { suspend: true }),
      virtualKey('poor', daily('0.0001')),
      virtualKey('slow', { rateLimit: { rpm: 1 } }),
    ),
  )

afterAll(() => python.close())

describe.skipIf(redisUrl === '')('official clients (skipped without a Redis)', () => {
  let upstreams: Readonly<Record<FormatName, Upstream>>
  let gateway: GatewayProcess

  beforeAll(async () => {
    const [openai, anthropic] = await Promise.all(FORMATS.map(format => PLAYS[format].start()))
    if (!openai || !anthropic) throw new Error('no providers')
    upstreams = { 'openai-chat': openai, 'anthropic-messages': anthropic }
    const urls = { 'openai-chat': openai.url, 'anthropic-messages': anthropic.url }
    gateway = await startGateway({ redisUrl, gateway: TENANT, resources: RESOURCES(urls) })
  })

  afterAll(async () => {
    await cleanUp()
    await Promise.all(FORMATS.map(format => upstreams?.[format].close()))
  })

  for (const kind of NODE)
    describe(kind.name, () => {
      suite(kind)
    })

  describe.skipIf(packages === undefined)('of Python (skipped without Python or pip)', () => {
    for (const kind of python.kinds)
      describe(kind.name, () => {
        suite(kind)
      })
  })

  function suite(kind: ClientKind): void {
    for (const format of FORMATS)
      describe(`over a provider of the format ${format}`, () => {
        pair(kind, format)
      })
    describe('over the demo upstream', () => {
      demo(kind)
    })
    describe('errors of the gateway', () => {
      refusals(kind)
    })
  }

  const connect = (kind: ClientKind, key = 'app'): ModelClient =>
    kind.connect(gateway.proxy, gateway.token(`${key}-key`))

  function pair(kind: ClientKind, format: FormatName): void {
    const plays: Plays = PLAYS[format]
    let client: ModelClient
    let upstream: Upstream

    beforeEach(() => {
      client = connect(kind)
      upstream = upstreams[format]
      upstream.seen.length = 0
      upstream.answer = plays.says('Hello, how are you?')
    })

    const asking = (text: string, stream: boolean, more: Partial<Ask> = {}): Ask => ({
      model: MODELS[format],
      text,
      stream,
      ...more,
    })
    const asked = (index = 0): Asked => {
      const seen = upstream.seen[index]
      if (!seen) throw new Error(`the provider was not asked ${index + 1} times`)
      return askedOf(format, seen)
    }

    for (const stream of [false, true]) {
      const how = stream ? 'streamed' : 'whole'

      test(`an answer, ${how}: text, end, tokens with those of the cache ${verifies('L01', 'L02', 'L08')}`, async () => {
        const said = await client.ask(asking('Hi', stream, { system: 'Be brief.', maxTokens: 500 }))
        expect(said).toEqual({
          text: 'Hello, how are you?',
          pieces: stream ? 4 : 1,
          calls: [],
          finish: 'stop',
          tokens: TOKENS,
        })
        expect(asked()).toMatchObject({ system: 'Be brief.', text: 'Hi', maxTokens: 500, tools: [] })
        expect(upstream.seen[0]?.body['stream'] ?? false).toBe(stream)
      })

      test(`tool calls, two at once, and their results given back, ${how} ${verifies('L01', 'L02', 'L08')}`, async () => {
        upstream.answer = (seen, response) => {
          const answered = askedOf(format, seen).results.length > 0
          return (answered ? plays.says('It rains.') : plays.calls(WIEN, GRAZ))(seen, response)
        }
        const said = await client.loop(asking('Weather?', stream, { tools: true }))
        expect(said).toMatchObject({ text: 'It rains.', calls: [], finish: 'stop' })
        expect(asked(0)).toMatchObject({ tools: ['weather'], results: [] })
        expect(asked(1).calls).toEqual([WIEN, GRAZ])
        expect(asked(1).results).toEqual([
          { id: WIEN.id, text: 'rain in Wien' },
          { id: GRAZ.id, text: 'rain in Graz – or not?' },
        ])
        expect(upstream.seen).toHaveLength(2)
      })

      test(`an answer that its bound cuts off, ${how} ${verifies('L08')}`, async () => {
        upstream.answer = plays.says('Once upon', TOKENS, 'length')
        const said = await client.ask(asking('A story', stream, { maxTokens: 2, stop: 'END' }))
        expect(said).toMatchObject({ text: 'Once upon', finish: 'length' })
        expect(asked()).toMatchObject({ maxTokens: 2 })
        expect([asked().stop].flat()).toEqual(['END'])
      })

      test(`errors of the provider, ${how} ${verifies('L01', 'L02', 'L08')}`, async () => {
        upstream.answer = plays.fails(400, 'invalid_request_error', 'prompt is too long: 9 tokens > 8 maximum')
        expect(await client.raised(asking('x', stream))).toMatchObject({
          type: kind.errors['bad-request'],
          status: 400,
          message: expect.stringContaining('prompt is too long'),
        })
        upstream.answer = plays.fails(429, 'rate_limit_error', 'slow down')
        const limited = await client.raised(asking('x', stream))
        expect(limited).toMatchObject({ type: kind.errors.limited, status: 429 })
        upstream.answer = plays.fails(529, 'overloaded_error', 'Overloaded')
        const native = kind.dialect === 'anthropic-messages' && format === kind.dialect
        const overloaded = native
          ? { type: kind.errors.overloaded, status: 529 }
          : { type: kind.errors['bad-gateway'], status: 502 }
        expect(await client.raised(asking('x', stream))).toMatchObject({
          ...overloaded,
          message: expect.stringContaining('Overloaded'),
        })
      })
    }

    test(`a picture ${verifies('L01', 'L02', 'L08')}`, async () => {
      await client.ask(asking('What is this?', false, { image: DOT }))
      expect(asked()).toMatchObject({ text: 'What is this?', images: [`data:image/png;base64,${DOT}`] })
    })

    test(`a stream that its reader leaves ends the provider's too ${verifies('L02', 'L08')}`, async () => {
      upstream.answer = plays.lingers('endless')
      expect(await client.leave(asking('Hi', true))).toBe('endless')
      await upstream.seen[0]?.gone
    })

    test(`a stream that breaks, or says an error, raises and is no short answer ${verifies('L08')}`, async () => {
      for (const script of [plays.dies('so far'), plays.overloadedInStream('so far')]) {
        upstream.answer = script
        expect((await client.raised(asking('Hi', true))).type).not.toBe('')
      }
    })
  }

  function demo(kind: ClientKind): void {
    for (const format of FORMATS) {
      test(`answers whole, streamed and with a tool, in the format ${format} ${verifies('L02', 'L08', 'D04')}`, async () => {
        const client = connect(kind)
        for (const stream of [false, true]) {
          const said = await client.ask({ model: DEMO_MODELS[format], text: 'Hello', stream, tools: true })
          expect(said).toMatchObject({ text: expect.stringMatching(/^\[demo\] .*Hello/), finish: 'stop' })
          expect(said.tokens.completion).toBeGreaterThan(0)
        }
      })
    }
  }

  function refusals(kind: ClientKind): void {
    const asking = (more: Partial<Ask> = {}): Ask => ({
      model: MODELS[kind.dialect],
      text: 'Hi',
      stream: false,
      ...more,
    })

    test(`a key that nobody knows, and one that is suspended ${verifies('L01', 'L02')}`, async () => {
      const nobody = kind.connect(gateway.proxy, `sk-sf-${'0'.repeat(48)}`)
      expect(await nobody.raised(asking())).toMatchObject({ type: kind.errors.unauthorized, status: 401 })
      expect(await connect(kind, 'suspended').raised(asking())).toMatchObject({
        type: kind.errors.forbidden,
        status: 403,
        message: expect.stringContaining('suspended'),
      })
    })

    test(`a model that nobody serves, and a body beyond the bound ${verifies('L01', 'L02')}`, async () => {
      const client = connect(kind)
      expect(await client.raised(asking({ model: 'nobody/knows', stream: true }))).toMatchObject({
        type: kind.errors['not-found'],
        status: 404,
        message: expect.stringContaining('nobody/knows'),
      })
      const image = DOT.repeat(Math.ceil(MAX_BODY_BYTES / DOT.length))
      expect(await client.raised(asking({ image }))).toMatchObject({ type: kind.errors['too-large'], status: 413 })
    })

    test(`a budget that is spent, and a limit of requests ${verifies('L01', 'L02', 'K02', 'K03')}`, async () => {
      const { limited: type } = kind.errors
      const poor = await connect(kind, 'poor').raised(asking())
      expect(poor).toMatchObject({ type, status: 429, message: expect.stringContaining('budget') })
      const slow = connect(kind, 'slow')
      // The minute's one call may have been made for another client.
      await slow.ask(asking()).catch(() => undefined)
      const limited = await slow.raised(asking())
      expect(limited).toMatchObject({ type, status: 429, message: expect.stringMatching(/request/i) })
    })
  }
})
