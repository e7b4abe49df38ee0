// A chain whose targets speak different formats: the next answers in its own, and the caller reads it in the caller's (R04, L08).
import Anthropic from '@anthropic-ai/sdk'
import type { FormatName } from '@smartflow/core/providers'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { anthropicNode } from '../clients/anthropic.ts'
import type { ClientKind } from '../clients/client.ts'
import { openaiNode } from '../clients/openai.ts'
import { verifies } from '../requirements.ts'
import * as anthropic from './anthropic-upstream.ts'
import { ask, chat } from './calls.ts'
import { cleanUp, type GatewayProcess, startGateway } from './gateway.ts'
import { askedOf, PLAYS, type Plays } from './plays.ts'
import { fresh, resource, scripted, tenant, virtualKey, yaml } from './resources.ts'
import { hang, raw, reset, type Script, type Upstream } from './upstream.ts'

const redisUrl = inject('redisUrl')
const TENANT = fresh('failover-formats')
const CLIENTS: readonly ClientKind[] = [openaiNode, anthropicNode]
const ORDERS = [
  { model: 'claude-first', first: 'anthropic-messages', second: 'openai-chat' },
  { model: 'gpt-first', first: 'openai-chat', second: 'anthropic-messages' },
] as const

const RESOURCES = (urls: Readonly<Record<FormatName, string>>): string => {
  const once = { timeout: '1s', retry: { attempts: 0 } }
  const targets = {
    'anthropic-messages': { name: 'claude', providerRef: { name: 'a' }, model: 'claude-sonnet-4-5', ...once },
    'openai-chat': { name: 'gpt', providerRef: { name: 'o' }, model: 'gpt-4o', ...once },
  }
  return yaml(
    ...tenant(
      TENANT,
      {},
      ...scripted('a', urls['anthropic-messages'], { preset: 'anthropic', models: { allow: ['claude-sonnet-*'] } }),
      ...scripted('o', urls['openai-chat'], { models: { allow: ['gpt-4o'] } }),
      ...ORDERS.map(({ model, first, second }) =>
        resource('FallbackChain', model, {
          models: [model],
          targets: [targets[first], targets[second]],
          breaker: { failures: 100, openFor: '1s' },
        }),
      ),
      virtualKey('app', { role: 'ProxyAdmin' }),
    ),
  )
}

/** Bytes that come, but never to an end. */
const trickle: Script = async (seen, response) => {
  response.writeHead(200, { 'content-type': seen.body['stream'] === true ? 'text/event-stream' : 'application/json' })
  const timer = setInterval(() => response.write(seen.body['stream'] === true ? ': wait\n\n' : ' '), 20)
  await seen.gone
  clearInterval(timer)
}

/** Ways to fail before anything is said. */
const TROUBLES: Readonly<Record<string, (plays: Plays) => Script>> = {
  '529': plays => plays.fails(529, 'overloaded_error', 'Overloaded'),
  '429': plays => plays.fails(429, 'rate_limit_error', 'slow down'),
  '400': plays => plays.fails(400, 'invalid_request_error', 'not like this'),
  'an error inside a 200': plays => plays.overloadedInStream(),
  'no answer': () => hang,
  'a trickle': () => trickle,
  'a reset': () => reset,
  garbage: () => raw(200, '<html>', { 'content-type': 'text/html' }),
}

describe.skipIf(redisUrl === '')('failover over formats (skipped without a Redis)', () => {
  let upstreams: Readonly<Record<FormatName, Upstream>>
  let gateway: GatewayProcess

  beforeAll(async () => {
    const [openai, claude] = await Promise.all([PLAYS['openai-chat'].start(), anthropic.startAnthropic()])
    upstreams = { 'openai-chat': openai, 'anthropic-messages': claude }
    const urls = { 'openai-chat': openai.url, 'anthropic-messages': claude.url }
    gateway = await startGateway({ redisUrl, gateway: TENANT, resources: RESOURCES(urls) })
  })

  afterAll(async () => {
    await cleanUp()
    await Promise.all(Object.values(upstreams ?? {}).map(upstream => upstream.close()))
  })

  beforeEach(() => {
    for (const format of ['openai-chat', 'anthropic-messages'] as const) {
      upstreams[format].answer = PLAYS[format].says(`Hello from ${format}`)
      upstreams[format].seen.length = 0
    }
  })

  for (const kind of CLIENTS) {
    for (const { model, first, second } of ORDERS) {
      describe(`${kind.name}, ${first} before ${second}`, () => {
        for (const [what, trouble] of Object.entries(TROUBLES)) {
          test(`${what}: the other answers, whole and streamed ${verifies('R04', 'L08')}`, async () => {
            const client = kind.connect(gateway.proxy, gateway.token('app-key'))
            for (const stream of [false, true]) {
              // An error inside a 200 is a thing of streams; a whole answer of that kind is one that nobody can read.
              upstreams[first].answer = trouble(PLAYS[first])
              const said = await client.ask({ model, text: 'Hi', stream, system: 'Be brief.' })
              expect(said).toMatchObject({ text: `Hello from ${second}`, finish: 'stop' })
            }
            expect([upstreams[first].seen.length, upstreams[second].seen.length]).toEqual([2, 2])
          })
        }

        test(`behind the first words nobody else is asked ${verifies('R04', 'L08')}`, async () => {
          const client = kind.connect(gateway.proxy, gateway.token('app-key'))
          for (const script of [PLAYS[first].overloadedInStream('so far'), PLAYS[first].dies('so far')]) {
            upstreams[first].answer = script
            expect((await client.raised({ model, text: 'Hi', stream: true })).message).not.toBe('')
          }
          expect(upstreams[second].seen).toHaveLength(0)
        })

        test(`when both fail, the error is one of the caller's dialect ${verifies('R04', 'L08')}`, async () => {
          for (const format of [first, second]) upstreams[format].answer = PLAYS[format].fails(503, 'api_error', 'away')
          const client = kind.connect(gateway.proxy, gateway.token('app-key'))
          const raised = await client.raised({ model, text: 'Hi', stream: false })
          expect(raised.status).toBe(second === 'anthropic-messages' && kind === anthropicNode ? 503 : 502)
          expect(raised.message).toContain('away')
        })
      })
    }
  }

  describe('thoughts', () => {
    const TOOLS = [{ name: 'weather', input_schema: { type: 'object' as const } }]
    const QUESTION = { role: 'user' as const, content: 'Weather?' }
    const THINKING = { type: 'enabled' as const, budget_tokens: 1_024 }
    const RESULT = { type: 'tool_result' as const, tool_use_id: 'call_1', content: 'rain' }

    const claude = (): Anthropic =>
      new Anthropic({ baseURL: gateway.proxy, apiKey: gateway.token('app-key'), maxRetries: 0 })
    const base = { model: 'claude-first', max_tokens: 4_000, tools: TOOLS, thinking: THINKING }

    /** An answer of a provider that shows what it thought, with a tool's call. */
    const reasoning: Script = (_seen, response) => {
      const call = { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{}' } }
      const message = { role: 'assistant', content: null, reasoning_content: 'I have to look.', tool_calls: [call] }
      const choices = [{ index: 0, message, finish_reason: 'tool_calls' }]
      const usage = { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 }
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ id: 'x', object: 'chat.completion', created: 1, model: 'gpt-4o', choices, usage }))
    }

    test(`that another provider had do not stop Claude in the middle of a turn ${verifies('L08')}`, async () => {
      upstreams['anthropic-messages'].answer = anthropic.failing(529, 'overloaded_error', 'Overloaded')
      upstreams['openai-chat'].answer = reasoning
      const { content } = await claude().messages.create({ ...base, messages: [QUESTION] })
      expect(content).toMatchObject([
        { type: 'thinking', thinking: 'I have to look.', signature: '' },
        { type: 'tool_use', id: 'call_1' },
      ])
      // It is back.
      upstreams['anthropic-messages'].answer = anthropic.message([anthropic.text('It rains.')])
      const answered = { role: 'user' as const, content: [RESULT] }
      const turns = [QUESTION, { role: 'assistant' as const, content }, answered]
      const { data, response } = await claude()
        .messages.create({ ...base, messages: turns })
        .withResponse()
      expect(data.content).toMatchObject([{ type: 'text', text: 'It rains.' }])
      expect(response.headers.get('x-smartflow-dropped')).toBe('thinking')
      expect(upstreams['openai-chat'].seen).toHaveLength(1)
      // Nor in the turns behind it, where it may think again.
      upstreams['anthropic-messages'].answer = anthropic.message([anthropic.signed('So?'), anthropic.text('Yes.')])
      const later = await claude().messages.create({
        ...base,
        messages: [...turns, { role: 'assistant', content: data.content }, { role: 'user', content: 'Really?' }],
      })
      expect(later.content).toMatchObject([{ type: 'thinking' }, { type: 'text', text: 'Yes.' }])
      expect(upstreams['anthropic-messages'].seen.at(-1)?.body['thinking']).toEqual(THINKING)
      expect(upstreams['openai-chat'].seen).toHaveLength(1)
    })

    test(`that Claude signed do not stop another provider, nor Claude afterwards ${verifies('L08')}`, async () => {
      const call = anthropic.toolUse('weather', {}, 'call_1')
      upstreams['anthropic-messages'].answer = anthropic.message([anthropic.signed('I have to look.'), call])
      const { content } = await claude().messages.create({ ...base, messages: [QUESTION] })
      const answered = { role: 'user' as const, content: [RESULT] }
      const messages = [QUESTION, { role: 'assistant' as const, content }, answered]
      upstreams['anthropic-messages'].answer = anthropic.failing(529, 'overloaded_error', 'Overloaded')
      const { data, response } = await claude()
        .messages.create({ ...base, messages })
        .withResponse()
      expect(data.content).toMatchObject([{ type: 'text', text: 'Hello from openai-chat' }])
      expect(response.headers.get('x-smartflow-dropped')).toContain('thinking')
      const seen = upstreams['openai-chat'].seen[0]
      expect(seen && askedOf('openai-chat', seen).results).toEqual([{ id: 'call_1', text: 'rain' }])
      upstreams['anthropic-messages'].answer = anthropic.message([anthropic.text('It rains.')])
      const back = await claude().messages.create({ ...base, messages })
      expect(back.content).toMatchObject([{ type: 'text', text: 'It rains.' }])
    })

    test(`of an OpenAI caller's history are left out for Claude, and named ${verifies('L08')}`, async () => {
      const call = { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{}' } }
      const function_ = { name: 'weather', parameters: { type: 'object', properties: {} } }
      const { status, headers } = await ask(
        gateway.proxy,
        gateway.token('app-key'),
        chat('claude-first', '', {
          messages: [
            { role: 'user', content: 'Weather?' },
            { role: 'assistant', content: null, reasoning_content: 'I have to look.', tool_calls: [call] },
            { role: 'tool', tool_call_id: 'call_1', content: 'rain' },
          ],
          tools: [{ type: 'function', function: function_ }],
          reasoning_effort: 'medium',
        }),
      )
      expect(status).toBe(200)
      expect(headers.get('x-smartflow-dropped')?.split(', ').sort()).toEqual(['reasoning', 'reasoning_content'])
      expect(upstreams['openai-chat'].seen).toHaveLength(0)
    })
  })
})
