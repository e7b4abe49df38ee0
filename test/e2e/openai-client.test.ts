// The official OpenAI client against a real gateway: only the base URL and the key change (L01).
import { join } from 'node:path'
import OpenAI, {
  APIConnectionError,
  APIError,
  APIUserAbortError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
} from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { verifies } from '../requirements.ts'
import { ask, get } from './calls.ts'
import { cleanUp, eventually, type GatewayProcess, startGateway } from './gateway.ts'
import { daily, fresh, price, resource, scripted, tenant, virtualKey, yaml } from './resources.ts'
import { chunk, hang, raw, reset, type Script, startUpstream, type Upstream, usage, whole } from './upstream.ts'

const redisUrl = inject('redisUrl')
const SAMPLE = join(import.meta.dirname, '../../config/samples/standalone')
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

const TENANT = fresh('openai-client')

const RESOURCES = (url: string): string =>
  yaml(
    ...tenant(
      TENANT,
      {},
      ...scripted('p', url, {
        models: { allow: ['m', 'm-*'] },
        pricing: [price('m', '100')],
        timeouts: { request: '3s' },
      }),
      virtualKey('app', { role: 'ProxyAdmin' }),
      virtualKey('suspended', { suspend: true }),
      virtualKey('narrow', { models: ['m-other'] }),
      virtualKey('poor', daily('0.0001')),
      virtualKey('slow', { rateLimit: { rpm: 1 } }),
      virtualKey('single', { rateLimit: { concurrency: 1 } }),
      resource('Policy', 'content', { audit: { content: 'Keep' } }),
    ),
  )

const HELLO = [{ role: 'user' as const, content: 'Hello' }]
const WEATHER = {
  type: 'function' as const,
  function: {
    name: 'weather',
    description: 'The weather of a place – now',
    parameters: {
      type: 'object',
      properties: { place: { type: 'string' } },
      required: ['place'],
      additionalProperties: false,
    },
    strict: true,
  },
}
const CALL = { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"place":"Wien"}' } }

/** A whole answer with these choices. */
function choices(...list: readonly object[]): Script {
  const body = {
    id: 'chatcmpl-test',
    object: 'chat.completion',
    created: 1_700_000_000,
    model: 'm-2026',
    choices: list,
    usage: usage(10, 5),
  }
  return raw(200, JSON.stringify(body))
}

/** The answer of a provider that fails. */
function failing(status: number, code: string | null, message: string): Script {
  return raw(status, JSON.stringify({ error: { message, type: 'invalid_request_error', param: null, code } }))
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

describe.skipIf(redisUrl === '')('the OpenAI client (skipped without a Redis)', () => {
  let upstream: Upstream
  let gateway: GatewayProcess
  let client: OpenAI

  beforeAll(async () => {
    upstream = await startUpstream()
    gateway = await startGateway({ redisUrl, gateway: TENANT, resources: RESOURCES(upstream.url) })
    client = clientOf('app')
  })

  afterAll(async () => {
    await cleanUp()
    await upstream?.close()
  })

  beforeEach(() => {
    upstream.answer = whole('Hello, how are you?')
    upstream.seen.length = 0
  })

  function clientOf(key: string, maxRetries = 0): OpenAI {
    return new OpenAI({ baseURL: `${gateway.proxy}/v1`, apiKey: gateway.token(`${key}-key`), maxRetries })
  }

  /** Whatever the client throws has to be typed by a status: a connection error would mean a broken answer. */
  async function thrown(call: PromiseLike<unknown>): Promise<APIError> {
    const error = await Promise.resolve(call).then(
      () => undefined,
      (reason: unknown) => reason,
    )
    expect(error).toBeInstanceOf(APIError)
    expect(error).not.toBeInstanceOf(APIConnectionError)
    return error as APIError
  }

  describe('answers', () => {
    test(`a chat ${verifies('L01')}`, async () => {
      const completion = await client.chat.completions.create({ model: 'm', messages: HELLO })
      expect(completion.choices).toHaveLength(1)
      expect(completion.choices[0]?.message).toMatchObject({ role: 'assistant', content: 'Hello, how are you?' })
      expect(completion.choices[0]?.finish_reason).toBe('stop')
      expect(completion.usage?.total_tokens).toBe(15)
      expect(completion.model).toBe('m-2026')
      expect(completion).toMatchObject({
        provider: 'openai',
        cached: false,
        cache_hit_type: null,
        _request_id: expect.stringMatching(UUID),
      })
    })

    test(`a stream, without the usage that only the gateway asked for ${verifies('L01')}`, async () => {
      const chunks = await collect(await client.chat.completions.create({ model: 'm', messages: HELLO, stream: true }))
      expect(chunks.map(each => each.choices[0]?.delta.content ?? '').join('')).toBe('Hello, how are you?')
      expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe('stop')
      expect(chunks.every(each => each.choices.length === 1 && (each.usage ?? null) === null)).toBe(true)
      expect(upstream.seen[0]?.body['stream_options']).toEqual({ include_usage: true })
    })

    test(`a stream with its usage, when that was asked for ${verifies('L01')}`, async () => {
      const stream = await client.chat.completions.create({
        model: 'm',
        messages: HELLO,
        stream: true,
        stream_options: { include_usage: true },
      })
      const chunks = await collect(stream)
      expect(chunks.at(-1)).toMatchObject({
        choices: [],
        usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
      })
      expect(chunks.filter(each => each.choices.length === 0)).toHaveLength(1)
    })

    test(`a stream that the client puts together itself ${verifies('L01')}`, async () => {
      const completion = await client.chat.completions.stream({ model: 'm', messages: HELLO }).finalChatCompletion()
      expect(completion.choices[0]?.message.content).toBe('Hello, how are you?')
      expect(completion.choices[0]?.finish_reason).toBe('stop')
    })

    test(`several choices, each with its own text ${verifies('L01')}`, async () => {
      const choice = (index: number): object => ({
        index,
        message: { role: 'assistant', content: `number ${index}` },
        logprobs: null,
        finish_reason: 'stop',
      })
      upstream.answer = choices(choice(0), choice(1))
      const completion = await client.chat.completions.create({ model: 'm', messages: HELLO, n: 2 })
      expect(completion.choices.map(each => each.message.content)).toEqual(['number 0', 'number 1'])
      expect(upstream.seen[0]?.body['n']).toBe(2)
    })

    test(`headers beside the data ${verifies('O02')}`, async () => {
      const {
        data,
        response,
        request_id: id,
      } = await client.chat.completions.create({ model: 'm', messages: HELLO }).withResponse()
      expect(id).toMatch(UUID)
      expect(data).toMatchObject({ _request_id: id })
      expect(response.headers.get('x-smartflow-call-id')).toBe(id)
      expect(response.headers.get('x-smartflow-request-id')).toBe(id)
      expect(response.headers.get('x-smartflow-provider')).toBe('openai')
      expect(response.headers.get('x-smartflow-response-cost')).toBe('0.0015')
      expect(response.headers.get('x-smartflow-cache-hit')).toBe('false')
      expect(Number(response.headers.get('x-smartflow-duration-ms'))).toBeGreaterThan(0)
    })
  })

  describe('requests', () => {
    test(`a body reaches the provider byte for byte ${verifies('L01')}`, async () => {
      const body = String.raw`{ "messages" : [ {"role":"user", "content":"\u00e9\ud83d\ude00 é 😀 \/"} ] ,"model":"m", "seed":12345678901234567890,
        "tools":[ {"type":"function","function":{"name":"f","parameters":{"b":1.0,"a":1e2}}} ], "x_unknown":[null , {} ], "temperature":0.70 }`
      const response = await fetch(`${gateway.proxy}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${gateway.token('app-key')}`, 'content-type': 'application/json' },
        body,
      })
      expect(response.status).toBe(200)
      expect(upstream.seen[0]?.text).toBe(body)
    })

    test(`tools go to the provider as they are, tool calls come back typed ${verifies('L01')}`, async () => {
      const request = {
        model: 'm',
        messages: HELLO,
        tools: [WEATHER],
        tool_choice: 'auto' as const,
        parallel_tool_calls: false,
      }
      upstream.answer = choices({
        index: 0,
        message: { role: 'assistant', content: null, tool_calls: [CALL] },
        logprobs: null,
        finish_reason: 'tool_calls',
      })
      const completion = await client.chat.completions.create(request)
      expect(upstream.seen[0]?.text).toBe(JSON.stringify(request))
      expect(completion.choices[0]?.finish_reason).toBe('tool_calls')
      expect(completion.choices[0]?.message.tool_calls).toEqual([CALL])
    })

    test(`tool calls of a stream are put together from their pieces ${verifies('L01')}`, async () => {
      upstream.answer = (_seen, response) => {
        const piece = (call: object): string => chunk('m-2026', { tool_calls: [{ index: 0, ...call }] })
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        response.write(chunk('m-2026', { role: 'assistant', content: null }))
        response.write(piece({ id: CALL.id, type: 'function', function: { name: 'weather', arguments: '' } }))
        for (const part of ['{"pla', 'ce":"W', 'ien"}']) response.write(piece({ function: { arguments: part } }))
        response.end(`${chunk('m-2026', {}, 'tool_calls')}data: [DONE]\n\n`)
      }
      const stream = client.chat.completions.stream({ model: 'm', messages: HELLO, tools: [WEATHER] })
      const completion = await stream.finalChatCompletion()
      expect(completion.choices[0]?.message.tool_calls).toMatchObject([CALL])
    })

    test(`a tool loop of the client runs through ${verifies('L01')}`, async () => {
      upstream.answer = (seen, response) => {
        const answered = (seen.body['messages'] as { role: string }[]).some(({ role }) => role === 'tool')
        const script = answered
          ? whole('It rains in Wien.')
          : choices({
              index: 0,
              message: { role: 'assistant', content: null, tool_calls: [CALL] },
              logprobs: null,
              finish_reason: 'tool_calls',
            })
        return script(seen, response)
      }
      const asked: unknown[] = []
      const runner = client.chat.completions.runTools({
        model: 'm',
        messages: HELLO,
        tools: [
          {
            ...WEATHER,
            function: {
              ...WEATHER.function,
              parse: JSON.parse,
              function: (place: object) => String(asked.push(place)),
            },
          },
        ],
      })
      expect(await runner.finalContent()).toBe('It rains in Wien.')
      expect(asked).toEqual([{ place: 'Wien' }])
      expect(upstream.seen.at(-1)?.body['messages']).toMatchObject([
        { role: 'user' },
        { role: 'assistant', tool_calls: [CALL] },
        { role: 'tool', tool_call_id: 'call_1', content: '1' },
      ])
    })

    test(`a JSON schema is passed on and its answer parsed ${verifies('L01')}`, async () => {
      const format = {
        type: 'json_schema' as const,
        json_schema: {
          name: 'person',
          strict: true,
          schema: { type: 'object', properties: { name: { type: 'string' } } },
        },
      }
      upstream.answer = whole('{"name":"Ada"}')
      const completion = await client.chat.completions.parse({ model: 'm', messages: HELLO, response_format: format })
      expect(completion.choices[0]?.message.parsed).toEqual({ name: 'Ada' })
      expect(upstream.seen[0]?.body['response_format']).toEqual(format)
    })

    test(`parts of a message, pictures among them, are passed on ${verifies('L01')}`, async () => {
      const content = [
        { type: 'text' as const, text: 'What is this?' },
        {
          type: 'image_url' as const,
          image_url: { url: `data:image/png;base64,${'iVBORw0KGgo'.repeat(5_000)}`, detail: 'low' as const },
        },
      ]
      await client.chat.completions.create({ model: 'm', messages: [{ role: 'user', content }] })
      expect(upstream.seen[0]?.body['messages']).toEqual([{ role: 'user', content }])
    })

    test(`a header overrides the model ${verifies('L11')}`, async () => {
      await client.chat.completions.create(
        { model: 'm', messages: HELLO },
        { headers: { 'x-smartflow-model': 'm-other' } },
      )
      expect(upstream.seen[0]?.text).toBe(JSON.stringify({ model: 'm-other', messages: HELLO }))
    })
  })

  describe('streams that end early', () => {
    test(`leaving a stream ends the provider's too ${verifies('L01')}`, async () => {
      upstream.answer = async (seen, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        response.write(chunk('m-2026', { role: 'assistant', content: 'endless' }))
        await seen.gone
      }
      const { data, request_id: id } = await client.chat.completions
        .create({ model: 'm', messages: HELLO, stream: true })
        .withResponse()
      const texts: unknown[] = []
      for await (const each of data) {
        texts.push(each.choices[0]?.delta.content)
        data.controller.abort()
      }
      expect(texts).toEqual(['endless'])
      await upstream.seen[0]?.gone
      const record = await eventually(
        'the record is there',
        async () => (await get(`${gateway.management}/api/vas/logs/${id}`, gateway.token('app-key'))).json?.['data'],
      )
      expect(record).toMatchObject({ outcome: 'client_gone', stream: true, metrics: { usage_source: 'counted' } })
    })

    test("aborting a whole answer is the caller's own error, and ends the provider's work", async () => {
      upstream.answer = hang
      const controller = new AbortController()
      const call = client.chat.completions.create({ model: 'm', messages: HELLO }, { signal: controller.signal })
      const error = call.then(
        () => undefined,
        (reason: unknown) => reason,
      )
      const seen = await eventually('the provider has the call', () => upstream.seen[0])
      controller.abort()
      expect(await error).toBeInstanceOf(APIUserAbortError)
      await seen.gone
    })

    test('a stream that breaks is an error of the provider, not of the connection', async () => {
      upstream.answer = (_seen, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        response.write(chunk('m-2026', { role: 'assistant', content: 'so far' }), () => response.destroy())
      }
      const stream = await client.chat.completions.create({ model: 'm', messages: HELLO, stream: true })
      const texts: unknown[] = []
      const error = await thrown(
        (async () => {
          for await (const each of stream) texts.push(each.choices[0]?.delta.content)
        })(),
      )
      expect(texts).toEqual(['so far'])
      expect(error.code).toBe('upstream_failed')
      expect(error.type).toBe('provider_error')
    })
  })

  describe('errors have the types that the client knows', () => {
    const chat = (own: OpenAI, model = 'm', more: object = {}): PromiseLike<unknown> =>
      own.chat.completions.create({ model, messages: HELLO, ...more })

    test('an unknown key is an AuthenticationError', async () => {
      const error = await thrown(
        chat(new OpenAI({ baseURL: `${gateway.proxy}/v1`, apiKey: `sk-sf-${'0'.repeat(48)}`, maxRetries: 0 })),
      )
      expect(error).toBeInstanceOf(AuthenticationError)
      expect(error).toMatchObject({ status: 401, code: 'invalid_api_key', requestID: expect.stringMatching(UUID) })
      expect(upstream.seen).toHaveLength(0)
    })

    test('a suspended key and a model that a key may not use are PermissionDeniedErrors', async () => {
      const suspended = await thrown(chat(clientOf('suspended')))
      expect(suspended).toBeInstanceOf(PermissionDeniedError)
      expect(suspended.code).toBe('key_suspended')
      const narrow = await thrown(chat(clientOf('narrow')))
      expect(narrow).toBeInstanceOf(PermissionDeniedError)
      expect(narrow).toMatchObject({ code: 'model_not_allowed', param: 'model' })
      expect(upstream.seen).toHaveLength(0)
    })

    test('a model that nobody serves is a NotFoundError', async () => {
      const error = await thrown(chat(client, 'unheard-of/model'))
      expect(error).toBeInstanceOf(NotFoundError)
      expect(error).toMatchObject({ code: 'model_not_found', param: 'model' })
    })

    test('a request that the gateway or the provider does not take is a BadRequestError', async () => {
      const ours = await thrown(chat(client, 'm', { temperature: 3 }))
      expect(ours).toBeInstanceOf(BadRequestError)
      expect(ours).toMatchObject({ code: 'invalid_request', param: 'temperature' })
      upstream.answer = failing(400, 'context_length_exceeded', 'This model takes at most 8192 tokens.')
      const theirs = await thrown(chat(client))
      expect(theirs).toBeInstanceOf(BadRequestError)
      expect(theirs).toMatchObject({ code: 'context_length_exceeded', message: expect.stringContaining('8192') })
    })

    test(`a budget and a rate limit are RateLimitErrors with codes of their own ${verifies('K02', 'K03')}`, async () => {
      const poor = await thrown(chat(clientOf('poor')))
      expect(poor).toBeInstanceOf(RateLimitError)
      expect(poor).toMatchObject({ code: 'insufficient_quota', type: 'budget_exceeded' })
      expect(poor.headers?.get('x-smartflow-budget-limit')).toBe('0.0001')
      expect(upstream.seen).toHaveLength(0)
      const slow = clientOf('slow')
      await chat(slow)
      const limited = await thrown(chat(slow))
      expect(limited).toBeInstanceOf(RateLimitError)
      expect(limited.code).toBe('rate_limit_exceeded')
      expect(Number(limited.headers?.get('retry-after'))).toBeGreaterThan(1)
    })

    test('a rate limit of the provider is a RateLimitError too', async () => {
      upstream.answer = raw(429, '{"error":{"message":"slow down"}}', {
        'content-type': 'application/json',
        'retry-after': '7',
      })
      const error = await thrown(chat(client))
      expect(error).toBeInstanceOf(RateLimitError)
      expect(error.headers?.get('retry-after')).toBe('7')
    })

    for (const { what, answer, status } of [
      { what: 'an error', answer: failing(500, null, 'oops'), status: 502 },
      { what: 'HTML', answer: raw(200, '<html>maintenance</html>', { 'content-type': 'text/html' }), status: 502 },
      { what: 'a refused credential', answer: failing(401, 'invalid_api_key', 'who are you'), status: 502 },
      { what: 'a closed connection', answer: reset, status: 502 },
      { what: 'nothing at all', answer: hang, status: 504 },
    ]) {
      test(`${what} of the provider is an InternalServerError`, async () => {
        upstream.answer = answer
        const error = await thrown(chat(client))
        expect(error).toBeInstanceOf(InternalServerError)
        expect(error.status).toBe(status)
        expect(error.message).toContain('"p"')
      })
    }

    test('a refusal before a stream begins is thrown by the call itself', async () => {
      upstream.answer = raw(200, 'data: {"error":{"message":"overloaded","type":"server_error"}}\n\n', {
        'content-type': 'text/event-stream',
      })
      const error = await thrown(chat(client, 'm', { stream: true }))
      expect(error).toBeInstanceOf(InternalServerError)
      expect(error.message).toContain('overloaded')
    })

    test('the retries of the client wait as long as they are told, and then succeed', async () => {
      const gate = Promise.withResolvers<void>()
      upstream.answer = async (seen, response) => {
        await gate.promise
        await whole('late')(seen, response)
      }
      const first = chat(clientOf('single'))
      await eventually('the first call is with the provider', () => upstream.seen.length === 1)
      const startedAt = performance.now()
      const second = clientOf('single', 3).chat.completions.create({ model: 'm', messages: HELLO })
      const record = await eventually('the second was refused once', async () => {
        const { json } = await get(`${gateway.management}/api/vas/logs?limit=1`, gateway.token('app-key'))
        const rows = json?.['data'] as { outcome: string }[] | undefined
        return rows?.[0]?.outcome === 'rate_limited'
      })
      expect(record).toBe(true)
      gate.resolve()
      expect((await second).choices[0]?.message.content).toBe('late')
      expect(performance.now() - startedAt).toBeGreaterThan(990)
      await first
    })
  })

  describe('models', () => {
    test(`are listed, and found by their name ${verifies('L07')}`, async () => {
      const models = await collect(client.models.list())
      const entry = { id: 'm', object: 'model', created: expect.any(Number), owned_by: 'openai' }
      expect(models).toContainEqual(expect.objectContaining(entry))
      expect(await client.models.retrieve('m')).toMatchObject({ id: 'm', owned_by: 'openai' })
      const error = await thrown(client.models.retrieve('unheard-of'))
      expect(error).toBeInstanceOf(NotFoundError)
    })

    test(`are only those that a key may use ${verifies('L07')}`, async () => {
      expect(await collect(clientOf('narrow').models.list())).toEqual([])
    })
  })
})

describe.skipIf(redisUrl === '')('the OpenAI client with the demo upstream (skipped without a Redis)', () => {
  let gateway: GatewayProcess
  let client: OpenAI

  beforeAll(async () => {
    gateway = await startGateway({ redisUrl, gateway: fresh('openai-demo'), env: { SMARTFLOW_CONFIG_DIR: SAMPLE } })
    client = new OpenAI({ baseURL: `${gateway.proxy}/v1`, apiKey: gateway.token('admin-key'), maxRetries: 0 })
  })

  afterAll(cleanUp)

  test(`the sample folder answers without any provider's key, and says so ${verifies('D04', 'L01')}`, async () => {
    const { data, response } = await client.chat.completions.create({ model: 'gpt-4o', messages: HELLO }).withResponse()
    expect(response.headers.get('x-smartflow-demo')).toBe('true')
    expect(data.choices[0]?.message.content).toMatch(/^\[demo\] .*Hello/)
    expect(data.usage?.completion_tokens).toBeGreaterThan(0)
  })

  for (const [model, provider] of [
    ['gpt-4o-mini', 'openai'],
    ['o3-mini', 'openai'],
    ['chatgpt-4o-latest', 'openai'],
    ['claude-haiku-4-5', 'anthropic'],
    ['gemini-2.5-flash', 'gemini'],
    ['grok-4', 'xai'],
    ['mistral-large-latest', 'mistral'],
    ['groq/llama-3.3-70b-versatile', 'groq'],
    ['deepseek/deepseek-chat', 'deepseek'],
    ['openrouter/meta-llama/llama-3-70b', 'openrouter'],
    ['a-name-that-no-rule-knows', 'openai'],
  ] as const) {
    test(`the name ${model} leads to ${provider} ${verifies('L03')}`, async () => {
      const { data, response } = await client.chat.completions.create({ model, messages: HELLO }).withResponse()
      expect(response.headers.get('x-smartflow-provider')).toBe(provider)
      expect(data).toMatchObject({ provider })
      expect(data.model).toBe(model.includes('/') ? model.slice(model.indexOf('/') + 1) : model)
    })
  }

  test(`a prefix that nobody has is refused with those that there are ${verifies('L03')}`, async () => {
    const { status, json } = await ask(gateway.proxy, gateway.token('admin-key'), {
      model: 'nobody/model',
      messages: HELLO,
    })
    expect(status).toBe(404)
    expect(json?.error).toMatchObject({ code: 'model_not_found', message: expect.stringContaining('groq/') })
  })

  test(`streams, with the usage and without ${verifies('L01')}`, async () => {
    const plain = await collect(
      await client.chat.completions.create({
        model: 'claude-haiku-4-5',
        messages: [{ role: 'user', content: 'Something else' }],
        stream: true,
      }),
    )
    expect(plain.length).toBeGreaterThan(3)
    expect(plain.map(each => each.choices[0]?.delta.content ?? '').join('')).toMatch(/^\[demo\] /)
    const messages = [{ role: 'user' as const, content: 'Another one' }]
    const more = await collect(
      await client.chat.completions.create({
        model: 'gpt-4o',
        messages,
        stream: true,
        stream_options: { include_usage: true },
      }),
    )
    expect(more.at(-1)?.usage?.total_tokens).toBeGreaterThan(0)
  })

  test(`a tool that has to be called is called ${verifies('L01')}`, async () => {
    const completion = await client.chat.completions.create({
      model: 'gpt-4o',
      messages: HELLO,
      tools: [WEATHER],
      tool_choice: 'required',
    })
    expect(completion.choices[0]?.message.tool_calls).toMatchObject([
      { type: 'function', function: { name: 'weather' } },
    ])
  })

  test(`the first model of the list chats, and each has a provider ${verifies('L07', 'D04')}`, async () => {
    const models = await collect(client.models.list())
    expect(models.length).toBeGreaterThan(20)
    const [first] = models
    const completion = await client.chat.completions.create({ model: first?.id ?? '', messages: HELLO })
    expect(completion.choices[0]?.message.content).toMatch(/^\[demo\]/)
    const slashed = models.find(({ id }) => id.startsWith('groq/'))
    expect(await client.models.retrieve(slashed?.id ?? '')).toEqual(slashed)
  })
})
