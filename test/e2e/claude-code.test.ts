// What Claude Code asks of a gateway, replayed from requests of our own making in its shape (testdata/claude-code): no change
// but the base URL and the key (L05).
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { verifies } from '../requirements.ts'
import * as anthropic from './anthropic-upstream.ts'
import { get } from './calls.ts'
import { cleanUp, eventually, type GatewayProcess, startGateway } from './gateway.ts'
import { askedOf, PLAYS } from './plays.ts'
import { fresh, resource, scripted, tenant, virtualKey, yaml } from './resources.ts'
import { raw, type Upstream } from './upstream.ts'

const redisUrl = inject('redisUrl')
const TENANT = fresh('claude-code')
const OPUS = 'claude-opus-4-8'
/** It waits so long for the list of models. */
const LIST_MS = 3_000

const HEADERS = fixture('headers') as Readonly<Record<string, string>>
const COUNT = fixture('count')
/** Its system prompt is long. */
const GUIDE = 'Be careful with files, "quotes" and \\ backslashes – always.\n'.repeat(1_500)

const RESOURCES = (native: string, openai: string): string =>
  yaml(
    ...tenant(
      TENANT,
      {},
      ...scripted('a', native, { preset: 'anthropic' }),
      ...scripted('o', openai, { models: { allow: ['gpt-5.1'] } }),
      resource('FallbackChain', 'big', {
        models: ['claude-by-another'],
        targets: [{ name: 'only', providerRef: { name: 'o' }, model: 'gpt-5.1', retry: { attempts: 0 } }],
      }),
      virtualKey('app', { role: 'ProxyAdmin' }),
    ),
  )

function fixture(name: string): object {
  return JSON.parse(readFileSync(join(import.meta.dirname, 'testdata/claude-code', `${name}.json`), 'utf8'))
}

/** The first turn as it is sent: compact, with members changed. */
function turn(more: object = {}): Record<string, unknown> {
  const text = JSON.stringify(fixture('turn')).replace('"@GUIDE@"', () => JSON.stringify(GUIDE))
  return { ...JSON.parse(text), ...more }
}

/** The turn behind it: the answer of the first, with a thought and a tool's call, and the tool's result. */
function nextTurn(content: readonly object[], more: object = {}): object {
  const first = turn(more)
  const result = { type: 'tool_result', tool_use_id: 'toolu_01', content: 'console.log(42)', is_error: false }
  const messages = [
    ...(first['messages'] as object[]),
    { role: 'assistant', content },
    { role: 'user', content: [{ ...result, cache_control: { type: 'ephemeral' } }] },
  ]
  return { ...first, messages }
}

const THOUGHT = anthropic.signed('The file has to be read first.')
const READING = anthropic.toolUse('Read', { file_path: '/project/main.ts' }, 'toolu_01')

describe.skipIf(redisUrl === '')('Claude Code (skipped without a Redis)', () => {
  let native: Upstream
  let openai: Upstream
  let gateway: GatewayProcess

  beforeAll(async () => {
    ;[native, openai] = await Promise.all([anthropic.startAnthropic(), PLAYS['openai-chat'].start()])
    gateway = await startGateway({ redisUrl, gateway: TENANT, resources: RESOURCES(native.url, openai.url) })
  })

  afterAll(async () => {
    await cleanUp()
    await Promise.all([native?.close(), openai?.close()])
  })

  beforeEach(() => {
    native.answer = anthropic.message([THOUGHT, anthropic.text('Let me look.'), READING])
    native.seen.length = 0
    openai.answer = PLAYS['openai-chat'].calls({ id: 'call_1', name: 'Read', input: { file_path: '/project/main.ts' } })
    openai.seen.length = 0
  })

  const credentials = (): readonly Readonly<Record<string, string>>[] => [
    { authorization: `Bearer ${gateway.token('app-key')}` },
    { 'x-api-key': gateway.token('app-key') },
  ]

  function post(body: object, path = '/v1/messages?beta=true', headers: object = {}): Promise<Response> {
    return fetch(`${gateway.proxy}${path}`, {
      method: 'POST',
      headers: { ...HEADERS, ...credentials()[0], ...headers },
      body: JSON.stringify(body),
    })
  }

  test(`asks whether anybody is there ${verifies('L05')}`, async () => {
    for (const path of ['/', '/anthropic']) {
      const response = await fetch(`${gateway.proxy}${path}`, { method: 'HEAD' })
      expect(response.status).toBe(200)
      expect(await response.text()).toBe('')
    }
  })

  test(`lists the models, with either header of the key ${verifies('L05', 'L07')}`, async () => {
    for (const credential of credentials()) {
      for (const version of [{}, { 'anthropic-version': '2023-06-01' }]) {
        const response = await fetch(`${gateway.proxy}/v1/models?limit=1000`, {
          headers: { ...credential, ...version },
          redirect: 'error',
          signal: AbortSignal.timeout(LIST_MS),
        })
        const { data } = (await response.json()) as { data: { id: string; display_name: string; type: string }[] }
        const own = data.filter(({ id }) => id.startsWith('claude'))
        expect(own.map(({ id }) => id)).toContain('claude-by-another')
        expect(own.length).toBeGreaterThan(3)
        expect(own.every(({ display_name: name, type }) => name !== '' && type === 'model')).toBe(true)
      }
    }
  })

  test(`sends a turn: all of it reaches the provider, and the session stands in the log ${verifies('L05', 'L02')}`, async () => {
    const body = turn()
    const response = await post(body)
    expect(response.status).toBe(200)
    const text = await response.text()
    const [seen] = native.seen
    if (!seen) throw new Error('the provider was not asked')
    expect(seen.path).toBe('/v1/messages?beta=true')
    expect(seen.text === JSON.stringify(body)).toBe(true)
    expect(seen.headers).toMatchObject({
      'anthropic-version': HEADERS['anthropic-version'],
      'anthropic-beta': HEADERS['anthropic-beta'],
    })
    expect(text).toBe(anthropic.events(seen, [THOUGHT, anthropic.text('Let me look.'), READING]).join(''))
    const id = response.headers.get('x-smartflow-request-id')
    const record = await eventually('the record is there', async () => {
      const { json } = await get(`${gateway.management}/api/vas/logs/${id}`, gateway.token('app-key'))
      return json?.['data']
    })
    expect(record).toMatchObject({ conversation_id: HEADERS['x-claude-code-session-id'], model: OPUS, stream: true })
  })

  test(`gets each event as soon as the provider sends it ${verifies('L05')}`, async () => {
    const gate = Promise.withResolvers<void>()
    native.answer = async (seen, response) => {
      const events = anthropic.events(seen, [THOUGHT, anthropic.text('Done.')])
      response.writeHead(200, anthropic.streamHeaders()).write(events.slice(0, 4).join(''))
      await gate.promise
      response.end(events.slice(4).join(''))
    }
    const reader = (await post(turn())).body?.getReader()
    let text = ''
    while (!text.includes('content_block_start')) {
      const part = await reader?.read()
      if (part?.done !== false) throw new Error(`the stream ended after: ${text}`)
      text += Buffer.from(part.value).toString()
    }
    expect(text).not.toContain('message_stop')
    gate.resolve()
    for (;;) {
      const part = await reader?.read()
      if (part?.done !== false) break
      text += Buffer.from(part.value).toString()
    }
    expect(text).toContain('event: message_stop')
  })

  test(`gives back thoughts and results, which the provider knows as its own ${verifies('L05', 'L02')}`, async () => {
    native.answer = anthropic.message([anthropic.text('It prints 42.')])
    const body = nextTurn([THOUGHT, anthropic.text('Let me look.'), READING])
    const response = await post(body)
    expect(response.status).toBe(200)
    expect(await response.text()).toContain('"text":" 42."')
    expect(native.seen[0]?.text === JSON.stringify(body)).toBe(true)
  })

  test(`counts tokens ${verifies('L05')}`, async () => {
    native.answer = anthropic.count(4_242)
    const response = await post(COUNT, '/v1/messages/count_tokens?beta=true')
    expect(await response.json()).toEqual({ input_tokens: 4_242 })
    expect(native.seen[0]).toMatchObject({ path: '/v1/messages/count_tokens?beta=true', text: JSON.stringify(COUNT) })
  })

  for (const { status, type, words } of [
    { status: 529, type: 'overloaded_error', words: 'Overloaded' },
    { status: 429, type: 'rate_limit_error', words: 'This request would exceed the rate limit for your organization' },
    { status: 400, type: 'invalid_request_error', words: 'prompt is too long: 201234 tokens > 200000 maximum' },
  ]) {
    test(`reads ${status} in the provider's own words ${verifies('L05')}`, async () => {
      native.answer = anthropic.failing(status, type, words, { 'retry-after': '3' })
      const response = await post(turn())
      expect(response.status).toBe(status)
      expect(await response.text()).toBe(anthropic.failure(type, words))
      expect(response.headers.get('retry-after')).toBe('3')
    })
  }

  test(`may name the long context by its suffix ${verifies('L05', 'L02')}`, async () => {
    expect((await post(turn({ model: `${OPUS}[1m]` }))).status).toBe(200)
    expect(native.seen[0]?.body['model']).toBe(OPUS)
    expect(native.seen[0]?.headers['anthropic-beta']).toBe(`${HEADERS['anthropic-beta']},context-1m-2025-08-07`)
  })

  describe('with a model that is no Claude', () => {
    const model = 'claude-by-another'

    test(`works through a turn with a tool, and the next ${verifies('L05', 'L08')}`, async () => {
      const response = await post(turn({ model }))
      expect(response.status).toBe(200)
      const text = await response.text()
      expect(text).toContain('"type":"tool_use","id":"call_1","name":"Read"')
      expect(text).toContain('"stop_reason":"tool_use"')
      const dropped = response.headers.get('x-smartflow-dropped')
      expect(dropped?.split(', ').sort()).toEqual(['cache_control', 'context_management'])
      const [seen] = openai.seen
      if (!seen) throw new Error('the provider was not asked')
      const { model: sent, max_completion_tokens: bound, reasoning_effort: effort } = seen.body
      expect({ sent, bound, effort }).toEqual({ sent: 'gpt-5.1', bound: 64_000, effort: 'high' })
      expect(askedOf('openai-chat', seen)).toMatchObject({
        system: `You help with programs from a terminal.\n\n${GUIDE}`,
        tools: ['Bash', 'Read', 'Edit', 'TodoWrite'],
        text: expect.stringContaining('What does main.ts print?'),
      })
      openai.answer = PLAYS['openai-chat'].says('It prints 42.')
      const read = anthropic.toolUse('Read', { file_path: '/project/main.ts' }, 'toolu_01')
      const next = await post(nextTurn([read], { model }))
      expect(await next.text()).toContain('"text":" 42."')
      const asked = openai.seen[1] && askedOf('openai-chat', openai.seen[1])
      expect(asked?.results).toEqual([{ id: 'toolu_01', text: 'console.log(42)' }])
    })

    test(`counts tokens by an estimate ${verifies('L05', 'L08')}`, async () => {
      const response = await post({ ...COUNT, model }, '/v1/messages/count_tokens?beta=true')
      expect(((await response.json()) as { input_tokens: number }).input_tokens).toBeGreaterThan(0)
    })

    test(`reads errors as Anthropic's ${verifies('L05', 'L08')}`, async () => {
      openai.answer = raw(503, '{"error":{"message":"busy"}}')
      const response = await post(turn({ model }))
      expect(response.status).toBe(502)
      expect(await response.json()).toMatchObject({ type: 'error', error: { type: 'api_error' } })
    })
  })
})
