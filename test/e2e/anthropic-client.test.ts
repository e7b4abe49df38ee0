// What only @anthropic-ai/sdk asks of its server, beside clients.test.ts: models, counts, betas, ids, thoughts, retries (L02).
import Anthropic, { APIError, NotFoundError, OverloadedError } from '@anthropic-ai/sdk'
import type { BetaRunnableTool } from '@anthropic-ai/sdk/lib/tools/BetaRunnableTool'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { verifies } from '../requirements.ts'
import * as anthropic from './anthropic-upstream.ts'
import { cleanUp, type GatewayProcess, startGateway } from './gateway.ts'
import { PLAYS, type Plays } from './plays.ts'
import { fresh, scripted, tenant, virtualKey, yaml } from './resources.ts'
import type { Script, Upstream } from './upstream.ts'

const redisUrl = inject('redisUrl')
const TENANT = fresh('anthropic-client')
const MODEL = 'claude-sonnet-4-5'
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const ASK = { model: MODEL, max_tokens: 2_000, messages: [{ role: 'user' as const, content: 'Hi' }] }

describe.skipIf(redisUrl === '')('the Anthropic client (skipped without a Redis)', () => {
  let native: Upstream
  let openai: Upstream
  let gateway: GatewayProcess
  let client: Anthropic

  beforeAll(async () => {
    ;[native, openai] = await Promise.all([anthropic.startAnthropic(), PLAYS['openai-chat'].start()])
    const resources = yaml(
      ...tenant(
        TENANT,
        {},
        ...scripted('a', native.url, { preset: 'anthropic' }),
        ...scripted('o', openai.url, { models: { allow: ['gpt-4o'] } }),
        virtualKey('app', { role: 'ProxyAdmin' }),
      ),
    )
    gateway = await startGateway({ redisUrl, gateway: TENANT, resources })
    client = new Anthropic({ baseURL: gateway.proxy, apiKey: gateway.token('app-key'), maxRetries: 0 })
  })

  afterAll(async () => {
    await cleanUp()
    await Promise.all([native?.close(), openai?.close()])
  })

  beforeEach(() => {
    native.answer = anthropic.message([anthropic.text('Hello!')])
    native.seen.length = 0
    openai.answer = PLAYS['openai-chat'].says('Hello!')
    openai.seen.length = 0
  })

  test(`lists the models page by page, forth and back ${verifies('L07', 'L02')}`, async () => {
    const all = (await client.models.list({ limit: 1_000 })).data
    expect(all.length).toBeGreaterThan(4)
    const forth: string[] = []
    for await (const { id } of client.models.list({ limit: 2 })) {
      forth.push(id)
      if (forth.length > all.length) break
    }
    expect(forth).toEqual(all.map(({ id }) => id))
    const last = await client.models.list({ limit: 2, before_id: forth[3] ?? '' })
    expect(last.data.map(({ id }) => id)).toEqual(forth.slice(1, 3))
    expect(last.has_more).toBe(true)
    const first = await client.models.list({ limit: 5, before_id: forth[1] ?? '' })
    expect([first.data.map(({ id }) => id), first.has_more]).toEqual([forth.slice(0, 1), false])
    expect((await client.models.list({ after_id: 'nobody' })).data).toEqual([])
  })

  test(`finds one model, or none ${verifies('L07', 'L02')}`, async () => {
    expect(await client.models.retrieve(MODEL)).toMatchObject({ id: MODEL, type: 'model', display_name: MODEL })
    const error: unknown = await client.models.retrieve('nobody-knows').catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(NotFoundError)
  })

  test(`counts tokens ${verifies('L02')}`, async () => {
    native.answer = anthropic.count(12)
    const { model, messages } = ASK
    expect(await client.messages.countTokens({ model, messages })).toMatchObject({ input_tokens: 12 })
    const estimate = await client.messages.countTokens({ model: 'gpt-4o', messages })
    expect(estimate.input_tokens).toBeGreaterThan(0)
  })

  test(`uses betas, by their header ${verifies('L02')}`, async () => {
    const message = await client.beta.messages.create({ ...ASK, betas: ['one-2026-01-01', 'two-2026-02-02'] })
    expect(message.content).toMatchObject([{ type: 'text', text: 'Hello!' }])
    expect(native.seen[0]).toMatchObject({
      path: '/v1/messages',
      headers: { 'anthropic-beta': 'one-2026-01-01,two-2026-02-02', 'anthropic-version': '2026-10-21' },
    })
  })

  test(`knows the id of every answer and of every error ${verifies('L02', 'O02')}`, async () => {
    expect((await client.messages.create(ASK))._request_id).toBe('req_test')
    expect((await client.messages.create({ ...ASK, model: 'gpt-4o' }))._request_id).toMatch(UUID)
    const streamed = await client.messages.stream({ ...ASK, model: 'gpt-4o' }).withResponse()
    expect(streamed.request_id).toMatch(UUID)
    await streamed.data.finalMessage()
    const error: unknown = await client.messages
      .create({ ...ASK, model: 'nobody/knows' })
      .catch((reason: unknown) => reason)
    expect(error).toMatchObject({ requestID: expect.stringMatching(UUID), type: 'not_found_error' })
  })

  test(`puts thoughts and their signatures together as they were given ${verifies('L02')}`, async () => {
    const blocks = [
      anthropic.signed('Two and two – 4?'),
      { type: 'redacted_thinking' as const, data: 'c2VjcmV0' },
      anthropic.text('Four.'),
    ]
    native.answer = anthropic.message(blocks)
    const ask = { ...ASK, thinking: { type: 'enabled' as const, budget_tokens: 1_024 } }
    expect((await client.messages.stream(ask).finalMessage()).content).toMatchObject(blocks)
    expect((await client.messages.create(ask)).content).toEqual(blocks)
  })

  /** Scripts for the answers of a loop, and what its tool was asked. */
  function loopOver(upstream: Upstream, plays: Plays): { asked: unknown[]; tool: BetaRunnableTool } {
    const turns: Script[] = [
      plays.calls({ id: 'call_1', name: 'weather', input: { place: 'Wien' } }),
      plays.calls({ id: 'call_2', name: 'weather', input: { place: 'Graz' } }),
      plays.says('It rains in both.'),
    ]
    let count = 0
    upstream.answer = (seen, response) => turns[count++]?.(seen, response)
    const asked: unknown[] = []
    const tool = {
      type: 'custom' as const,
      name: 'weather',
      input_schema: { type: 'object' as const, properties: { place: { type: 'string' } } },
      parse: (input: unknown) => input,
      run: (input: unknown) => String(asked.push(input)),
    }
    return { asked, tool }
  }

  test(`runs its own loop of tools in a thread that the provider holds ${verifies('L02')}`, async () => {
    const { asked, tool } = loopOver(native, PLAYS['anthropic-messages'])
    const last = await client.beta.messages.toolRunner({ ...ASK, tools: [tool] })
    expect(last.content).toMatchObject([{ type: 'text', text: 'It rains in both.' }])
    expect(asked).toEqual([{ place: 'Wien' }, { place: 'Graz' }])
    expect(native.seen.map(({ body }) => body['thread'])).toEqual([
      { type: 'create' },
      { type: 'continue', previous_message_id: 'msg_01Test' },
      { type: 'continue', previous_message_id: 'msg_01Test' },
    ])
  })

  test(`runs it without one, told that there is none, over another format ${verifies('L02', 'L08')}`, async () => {
    const { asked, tool } = loopOver(openai, PLAYS['openai-chat'])
    const last = await client.beta.messages.toolRunner({ ...ASK, model: 'gpt-4o', tools: [tool] })
    expect(last.content).toMatchObject([{ type: 'text', text: 'It rains in both.' }])
    expect(asked).toEqual([{ place: 'Wien' }, { place: 'Graz' }])
    expect(openai.seen.map(({ body }) => (body['messages'] as object[]).length)).toEqual([1, 3, 5])
  })

  test(`goes on in a thread without a word, and from one that another format cannot have ${verifies('L02')}`, async () => {
    const thread = { type: 'continue' as const, previous_message_id: 'msg_01Test' }
    const ask = { ...ASK, messages: [], thread, betas: ['message-threads-2026-08-12'] }
    expect((await client.beta.messages.create(ask)).content).toMatchObject([{ text: 'Hello!' }])
    const error: unknown = await client.beta.messages
      .create({ ...ask, model: 'gpt-4o' })
      .catch((reason: unknown) => reason)
    expect(error).toMatchObject({ status: 400, errorCode: 'thread_not_found' })
  })

  test(`repeats what may be repeated, and says what was wrong when it gives up ${verifies('L02')}`, async () => {
    const overloaded = anthropic.failing(529, 'overloaded_error', 'Overloaded', { 'retry-after': '0' })
    let count = 0
    native.answer = (seen, response) =>
      (count++ < 2 ? overloaded : anthropic.message([anthropic.text('At last')]))(seen, response)
    const patient = client.withOptions({ maxRetries: 2 })
    expect((await patient.messages.create(ASK)).content).toMatchObject([{ text: 'At last' }])
    expect(native.seen).toHaveLength(3)
    native.answer = overloaded
    const error: unknown = await client.messages.create(ASK).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(OverloadedError)
    expect(error).toMatchObject({ type: 'overloaded_error', apiMessage: 'Overloaded' })
  })

  test(`throws what a stream says of an error, with its type ${verifies('L02')}`, async () => {
    native.answer = PLAYS['anthropic-messages'].overloadedInStream('so far')
    const stream = client.messages.stream(ASK)
    const texts: string[] = []
    stream.on('text', text => texts.push(text))
    const error: unknown = await stream.finalMessage().catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(APIError)
    expect(error).toMatchObject({ type: 'overloaded_error' })
    expect(texts.join('')).toBe('so far')
  })
})
