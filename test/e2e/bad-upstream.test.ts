// Providers that fail, lie or never end: the caller gets a clear answer in its dialect, the budget is whole again, and one
// record says what happened.
import { lookup } from 'node:dns/promises'
import { createServer, type Server } from 'node:net'
import { hostname } from 'node:os'
import { deflateSync, gzipSync } from 'node:zlib'
import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { type RedisServer, startRedis } from '../../hack/redis.ts'
import { verifies } from '../requirements.ts'
import { type Answer, ask, chat } from './calls.ts'
import { cleanUp, eventually, type GatewayProcess, startGateway, temporary } from './gateway.ts'
import {
  complaintsOf,
  type ErrorBody,
  type Expected,
  expectRefusal,
  memoryOf,
  recordOf,
  recordsOf,
  type Row,
} from './observe.ts'
import { price, type Resource, scripted, virtualKey, yaml } from './resources.ts'
import { chunk, hang, raw, reset, type Script, startUpstream, stream, type Upstream, usage, whole } from './upstream.ts'

const MIB = 1024 * 1024
/** A call may cost $0.6 at most; a key has $1: a hold that is not released leaves no room for the next call. */
const BUDGET = '1'
const PRICE = price('gpt-test', '1000')
const MAX_TOKENS = 600
/** What one call holds: its tokens, and a few for its prompt. */
const HOLD = 0.61
const KEYS = 150
/** An answer that costs nothing: it shows what is left without changing it. */
const FREE = whole('free', usage(0, 0))
const DONE = 'data: [DONE]\n\n'
const SSE = { 'content-type': 'text/event-stream' }

/** Writes bytes past HTTP, then ends the connection in order or breaks it. */
function bytes(text: string | Buffer, how: 'end' | 'break' | 'stay' = 'end'): Script {
  return (_seen, response) => {
    const { socket } = response
    socket?.write(text, () => {
      if (how === 'end') socket.end()
      if (how === 'break') socket.resetAndDestroy()
    })
  }
}

/** Begins a stream with events, then does something else. */
function begun(events: readonly string[], then: Script): Script {
  return (seen, response) => {
    response.writeHead(200, SSE)
    for (const event of events) response.write(event)
    return then(seen, response)
  }
}

/** Writes `piece` again and again, as fast as it is read or every `ms`, until nobody listens. */
function endless(head: Readonly<Record<string, string>>, piece: string | Buffer, ms = 0): Script {
  return async (_seen, response) => {
    if (!response.headersSent) response.writeHead(200, head)
    const closed = new Promise<void>(resolve => response.once('close', resolve))
    while (!response.destroyed) {
      const taken = response.write(piece)
      const pause =
        ms > 0
          ? new Promise<void>(resolve => setTimeout(resolve, ms))
          : new Promise<void>(resolve => response.once('drain', resolve))
      if (!taken || ms > 0) await Promise.race([pause, closed])
    }
  }
}

const HELLO = [chunk('m', { role: 'assistant', content: '' }), chunk('m', { content: 'Hello there' })]

describe.skipIf(inject('redisUrl') === '')('bad providers (skipped without a Redis)', () => {
  let redis: RedisServer
  let upstream: Upstream
  let inside: Server
  let connections = 0
  let gateway: GatewayProcess
  let admin: string
  let used = 0

  beforeAll(async () => {
    redis = await startRedis({ dir: temporary(), persist: false })
    upstream = await startUpstream()
    inside = createServer(socket => {
      connections++
      socket.destroy()
    })
    await new Promise<void>(resolve => inside.listen(0, '0.0.0.0', resolve))
    gateway = await startGateway({ redisUrl: redis.url, gateway: 'bad-upstream', resources: resources() })
    admin = gateway.token('bad-admin-key')
  })

  afterAll(async () => {
    await redis?.stop()
    await cleanUp()
    await upstream?.close()
    inside?.close()
  })

  beforeEach(() => {
    upstream.seen.length = 0
  })

  /** A provider of its own for every way to be reached; `allow` keeps the model with it. */
  function resources(): string {
    const at = (name: string, url: string, spec: object = {}): Resource[] =>
      scripted(name, url, {
        models: { allow: [`${name}-model`] },
        pricing: [{ ...PRICE, model: `${name}-model` }],
        ...spec,
      })
    const { port } = inside.address() as { port: number }
    return yaml(
      ...scripted('mock', upstream.url, { models: { allow: ['gpt-test'] }, pricing: [PRICE] }),
      ...at('hasty', upstream.url, { timeouts: { request: '1s', streamIdle: '1s' } }),
      ...at('brief', upstream.url, { timeouts: { request: '1s', streamIdle: '10m' } }),
      ...at('closed', 'http://127.0.0.1:9'),
      ...at('nowhere', 'https://provider.invalid/v1', { allowPrivateEndpoint: false }),
      ...at('inside', `https://${hostname()}:${port}/v1`, { allowPrivateEndpoint: false }),
      ...at('undeclared', `https://127.0.0.1:${port}/v1`, { allowPrivateEndpoint: false }),
      ...at('metadata', 'http://169.254.169.254/v1'),
      virtualKey('bad-admin', { role: 'ProxyAdmin' }),
      ...Array.from({ length: KEYS }, (_, index) =>
        virtualKey(`bad-${index}`, {
          budget: { amountUSD: BUDGET, period: 'Lifetime' },
          rateLimit: { concurrency: 1 },
        }),
      ),
    )
  }

  interface Call {
    readonly key: string
    readonly token: string
    readonly answer: Answer
    readonly record: Row
  }

  /** One call with a key of its own at a provider that answers like this, and the record of it. */
  async function call(script: Script, more: object = {}, model = 'gpt-test'): Promise<Call> {
    const name = `bad-${used++}`
    const token = gateway.token(`${name}-key`)
    upstream.answer = script
    const answer = await ask(gateway.proxy, token, chat(model, 'Hello', { max_tokens: MAX_TOKENS, ...more }))
    const record = await recordOf(gateway, admin, answer.headers.get('x-request-id') ?? '')
    return { key: `default/${name}`, token, answer, record }
  }

  /** Room for the next call, and what was spent so far; one record a call. */
  async function expectRoom({ token, key, record }: Call, spent = '0'): Promise<void> {
    upstream.answer = FREE
    const next = await eventually('room in the budget', async () => {
      const answer = await ask(gateway.proxy, token, chat('gpt-test', 'Hello', { max_tokens: MAX_TOKENS }))
      return answer.status === 200 && answer
    })
    expect(next.headers.get('x-smartflow-budget-spent')).toBe(spent)
    expect(Number(next.headers.get('x-smartflow-budget-remaining'))).toBeGreaterThan(
      Number(BUDGET) - Number(spent) - HOLD,
    )
    await eventually('the record of the call that was answered', async () =>
      (await recordsOf(gateway, admin, key)).some(({ outcome }) => outcome === 'complete'),
    )
    const rows = await recordsOf(gateway, admin, key)
    expect(rows.filter(({ request_id: id }) => id === record.request_id)).toHaveLength(1)
  }

  interface Failure extends Expected {
    readonly outcome: string
    /** The provider's own status, when the caller gets another one. */
    readonly given?: number
  }

  /** The whole of what has to hold for a call that failed before its answer began. */
  async function expectFailure(made: Call, { outcome, given, ...expected }: Failure): Promise<ErrorBody> {
    const body = expectRefusal(made.answer, expected)
    expect(Object.keys(body.error)).toEqual(expect.arrayContaining(['message', 'type', 'param', 'code']))
    expect(made.record).toMatchObject({ status: expected.status, outcome, cost: 0, tokens_used: 0, key: made.key })
    expect(made.record.attempts).toEqual([
      expect.objectContaining({ status: given ?? expected.status, error: outcome }),
    ])
    await expectRoom(made)
    return body
  }

  const failed = (says: RegExp, given = 502): Failure => ({
    status: 502,
    code: 'upstream_failed',
    outcome: 'upstream_failed',
    says,
    given,
  })
  const invalid = (says: RegExp): Failure => ({
    status: 502,
    code: 'upstream_invalid_reply',
    outcome: 'upstream_invalid',
    says,
  })
  const late: Failure = { status: 504, code: 'upstream_timeout', outcome: 'upstream_timeout', says: /in time/ }

  describe('an answer that is none', () => {
    const message = { role: 'assistant', content: 'x' }
    const bomb = Buffer.concat(Array.from({ length: 100 }, () => gzipSync(Buffer.alloc(10 * MIB))))
    const json = (body: unknown): Script => raw(200, JSON.stringify(body))

    test.each<[string, Script, Failure]>([
      ['garbage in place of HTTP', bytes('this is no HTTP\r\n\r\n'), failed(/broke/)],
      ['garbage in place of JSON', raw(200, 'garbage'), invalid(/not JSON/)],
      ['nothing at all', raw(200, ''), invalid(/not JSON/)],
      ['JSON that is cut off', raw(200, '{"choices":[{"index":0'), invalid(/not JSON/)],
      ['JSON that is no completion', json({ hello: 'world' }), invalid(/no chat completion/)],
      ['a JSON list', json([{ choices: [] }]), invalid(/no chat completion/)],
      ['choices that are none', json({ choices: 'x' }), invalid(/no chat completion/)],
      ['a choice that is null', json({ choices: [null] }), invalid(/no chat completion/)],
      ['a choice without a message', json({ choices: [{ index: 0 }] }), invalid(/no chat completion/)],
      ['a message that is text', json({ choices: [{ index: 0, message: 'x' }] }), invalid(/no chat completion/)],
      [
        'an HTML page with status 502',
        raw(502, '<html><body>Bad Gateway</body></html>', { 'content-type': 'text/html' }),
        failed(/status 502/),
      ],
      ['an HTML page with status 200', raw(200, '<html></html>', { 'content-type': 'text/html' }), invalid(/not JSON/)],
      [
        'a stream nobody asked for',
        begun([...HELLO, DONE], (_seen, response) => void response.end()),
        invalid(/not JSON/),
      ],
      ['a redirect', raw(307, '', { location: 'http://127.0.0.1:9/v1/chat/completions' }), failed(/redirect/, 307)],
      ['status 204', raw(204, ''), failed(/status 204/, 204)],
      ['status 206', raw(206, JSON.stringify({ choices: [{ index: 0, message }] })), failed(/status 206/, 206)],
      [
        'status 101',
        bytes('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n', 'stay'),
        failed(/./),
      ],
      [
        'a gzip bomb',
        raw(200, bomb, { 'content-type': 'application/json', 'content-encoding': 'gzip' }),
        invalid(/more than 64 MiB/),
      ],
      ['gzip that is none', raw(200, 'no gzip', { 'content-encoding': 'gzip' }), invalid(/unzip/)],
      [
        'gzip that is cut off',
        raw(200, gzipSync('{"choices":[]}').subarray(0, -9), { 'content-encoding': 'gzip' }),
        invalid(/unzip/),
      ],
      ['deflate', raw(200, deflateSync('{"choices":[]}'), { 'content-encoding': 'deflate' }), invalid(/deflate/)],
      ['100 MB', raw(200, Buffer.alloc(100 * MIB, 'x')), invalid(/more than 64 MiB/)],
      ['100 MB with status 500', raw(500, Buffer.alloc(100 * MIB, 'x')), failed(/status 500/, 500)],
      ['64 KB of headers', bytes(`HTTP/1.1 200 OK\r\nx-long: ${'x'.repeat(64 * 1024)}\r\n\r\n`), failed(/./)],
      [
        'a header with a zero byte',
        bytes('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-bad: a\0b\r\ncontent-length: 2\r\n\r\n{}'),
        failed(/./),
      ],
      ['a header name with a space', bytes('HTTP/1.1 200 OK\r\nx bad: 1\r\ncontent-length: 2\r\n\r\n{}'), failed(/./)],
      ['two lengths', bytes('HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}}'), failed(/./)],
      [
        'a length and chunks',
        bytes('HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n'),
        failed(/./),
      ],
      [
        'fewer bytes than announced',
        bytes('HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\n{"choices":[]}'),
        failed(/broke/),
      ],
      ['a connection closed before the answer', bytes(''), failed(/broke/)],
      ['a connection reset before the answer', reset, failed(/broke/)],
      [
        'a connection reset after the headers',
        bytes('HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\n', 'break'),
        failed(/broke/),
      ],
    ])('%s: 502', async (_title, script, failure) => {
      await expectFailure(await call(script), failure)
    })

    test('bombs and floods are bounded in memory', async () => {
      await call(FREE)
      const before = memoryOf(gateway)
      await call(raw(200, bomb, { 'content-encoding': 'gzip' }))
      await call(raw(200, Buffer.alloc(200 * MIB, 'x')))
      await call(endless({ 'content-type': 'application/json' }, Buffer.alloc(MIB, 'x')))
      expect(memoryOf(gateway) - before).toBeLessThan(300 * MIB)
    })

    test('gzip although identity was asked for: unzipped and served', async () => {
      const body = JSON.stringify({
        id: 'zipped',
        object: 'chat.completion',
        choices: [{ index: 0, message, finish_reason: 'stop' }],
        usage: usage(1, 1),
      })
      const made = await call(
        raw(200, gzipSync(body), { 'content-type': 'application/json', 'content-encoding': 'gzip' }),
      )
      expect(made.answer).toMatchObject({ status: 200, json: { id: 'zipped', choices: [{ message }] } })
      expect(made.answer.headers.get('content-encoding')).toBeNull()
      await expectRoom(made, '0.002')
    })

    test('a redirect is not followed', async () => {
      const made = await call(
        raw(307, '', {
          location: `http://127.0.0.1:${(inside.address() as { port: number }).port}/v1/chat/completions`,
        }),
      )
      await expectFailure(made, failed(/redirect/, 307))
      expect(connections).toBe(0)
    })

    test('members of its own that the gateway has too stand once in what the caller gets', async () => {
      const body = JSON.stringify({
        provider: 'Someone',
        cached: 'x',
        cache_hit_type: 7,
        id: 'own',
        choices: [{ index: 0, message, finish_reason: 'stop' }],
        usage: usage(0, 0),
      })
      const { answer } = await call(raw(200, body))
      expect(answer.json).toMatchObject({ provider: 'openai', cached: false, cache_hit_type: null, id: 'own' })
      for (const name of ['provider', 'cached', 'cache_hit_type'])
        expect(answer.text.split(`"${name}":`)).toHaveLength(2)
    })

    test('header values that no header of ours may carry are left out, and the answer is served', async () => {
      const body = JSON.stringify({ choices: [{ index: 0, message, finish_reason: 'stop' }], usage: usage(0, 0) })
      for (const value of ['caf\xe9', 'caf\u00e9 \u2713', '\x01bell', 'a\tb', '\x7f']) {
        const head = Buffer.from(
          `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nopenai-version: 2020\r\nopenai-organization: ${value}\r\ncontent-length: ${body.length}\r\n\r\n`,
        )
        const { answer, record } = await call(bytes(Buffer.concat([head, Buffer.from(body)])))
        expect([200, 502]).toContain(answer.status)
        expect(record.outcome).toBe(answer.status === 200 ? 'complete' : 'upstream_failed')
        if (answer.status === 200) expect(answer.headers.get('openai-version')).toBe('2020')
      }
      expect(complaintsOf(gateway)).toEqual([])
    })

    test('a second answer behind the first is nobody\u2019s answer', async () => {
      const part = (content: string): string => {
        const body = JSON.stringify({
          choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
          usage: usage(0, 0),
        })
        return `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`
      }
      const made = await call(bytes(part('mine') + part('injected'), 'stay'))
      expect(made.answer.text).toContain('mine')
      for (let count = 0; count < 5; count++) {
        upstream.answer = FREE
        expect((await ask(gateway.proxy, admin, chat('gpt-test'))).text).toContain('"free"')
      }
    })

    test('news before the answer (103) are no answer', async () => {
      const made = await call((seen, response) => {
        response.writeEarlyHints({ link: '</x>; rel=preload' })
        return FREE(seen, response)
      })
      expect(made.answer.status).toBe(200)
    })
  })

  describe('an error of the provider', () => {
    const error = (status: number, body: object, headers: Record<string, string> = {}): Script =>
      raw(status, JSON.stringify({ error: body }), { 'content-type': 'application/json', ...headers })

    test.each([500, 503, 529])('%i: 502 with its words', async status => {
      const { error: said } = await expectFailure(
        await call(error(status, { message: 'The engine is on fire', type: 'server_error' })),
        failed(/engine is on fire/, status),
      )
      expect(said.provider).toBe('mock')
    })

    test('503 with Retry-After: error.retry_after and the header', async () => {
      const made = await call(error(503, { message: 'Overloaded' }, { 'retry-after': '7' }))
      expect((await expectFailure(made, failed(/Overloaded/, 503))).error.retry_after).toBe(7)
      expect(made.answer.headers.get('retry-after')).toBe('7')
    })

    test.each([
      ['seconds', () => '17'],
      ['a date', () => new Date(Date.now() + 17_000).toUTCString()],
    ])('429 with Retry-After as %s: 429, error.retry_after and the header', async (_title, header) => {
      const made = await call(
        error(429, { message: 'Slow down', code: 'rate_limit_exceeded' }, { 'retry-after': header() }),
      )
      const body = await expectFailure(made, {
        status: 429,
        code: 'upstream_rate_limited',
        outcome: 'upstream_rate_limited',
        says: /Slow down/,
      })
      expect(body.error.retry_after).toBeGreaterThan(0)
      expect(body.error.retry_after).toBeLessThanOrEqual(17)
      expect(made.answer.headers.get('retry-after')).toBe(String(body.error.retry_after))
    })

    test.each(['-5', 'soon', '1e400', '99999999999'])(
      '429 with Retry-After "%s": no nonsense is passed on',
      async header => {
        const { answer } = await call(error(429, { message: 'Slow down' }, { 'retry-after': header }))
        expect(answer.status).toBe(429)
        const after = (answer.json as unknown as ErrorBody).error.retry_after
        expect(after === undefined || (after >= 0 && after <= 3_600)).toBe(true)
      },
    )

    test.each([401, 403])(
      '%i, because it does not know our credential: 502 that sends nobody to look at his own key',
      async status => {
        const made = await call(error(status, { message: 'Incorrect API key provided: upstream-secret' }))
        await expectFailure(made, failed(/gateway's credential.*administrator/, status))
        expect(made.answer.text).not.toContain('upstream-secret')
      },
    )

    test('400 about an API key is about ours: 502', async () => {
      const made = await call(
        error(400, { message: 'Incorrect API key provided: upstream-secret.', code: 'invalid_argument' }),
      )
      await expectFailure(made, failed(/gateway's credential.*administrator/, 400))
    })

    test('our credential in its words is not passed on', async () => {
      const made = await call(
        error(400, { message: 'Account upstream-secret has no such model', code: 'upstream-secret' }),
      )
      expect(made.answer).toMatchObject({
        status: 400,
        json: { error: { message: 'Account *** has no such model', code: '***' } },
      })
      expect(JSON.stringify(made.record)).not.toContain('upstream-secret')
    })

    test.each([
      [400, 'context_length_exceeded', 'messages'],
      [404, 'model_not_found', 'model'],
      [422, 'unprocessable', 'tools[0].function'],
    ])('%i: the same, with its message, code and parameter', async (status, code, param) => {
      const made = await call(
        error(status, { message: 'That is too long for me', type: 'invalid_request_error', code, param }),
      )
      const body = await expectFailure(made, {
        status,
        code,
        outcome: 'upstream_rejected',
        says: /^That is too long for me$/,
      })
      expect(body.error).toMatchObject({ param, type: 'invalid_request_error', provider: 'mock' })
    })

    test('an error that is compressed, or no JSON, or text, is an error all the same', async () => {
      expect(
        (await call(raw(429, gzipSync('{"error":{"message":"Zipped"}}'), { 'content-encoding': 'gzip' }))).answer,
      ).toMatchObject({ status: 429, json: { error: { message: expect.stringMatching(/Zipped/) } } })
      expect((await call(raw(429, 'no gzip', { 'content-encoding': 'gzip' }))).answer.status).toBe(429)
      expect((await call(raw(400, '{"error":"Just text"}'))).answer).toMatchObject({
        status: 400,
        json: { error: { message: 'Just text' } },
      })
      expect((await call(raw(400, '{"error":null}'))).answer.status).toBe(400)
      expect((await call(raw(400, 'null'))).answer.status).toBe(400)
    })

    test('is an APIError of the right class for the OpenAI client, with status, code, type and param', async () => {
      const client = new OpenAI({ baseURL: `${gateway.proxy}/v1`, apiKey: admin, maxRetries: 0 })
      const caught = async (script: Script, options: { stream?: true } = {}): Promise<unknown> => {
        upstream.answer = script
        return client.chat.completions
          .create({ model: 'gpt-test', messages: [{ role: 'user', content: 'Hello' }], ...options })
          .then(
            () => undefined,
            (thrown: unknown) => thrown,
          )
      }
      expect(await caught(error(400, { message: 'No', code: 'bad', param: 'messages' }))).toBeInstanceOf(
        OpenAI.BadRequestError,
      )
      expect(await caught(error(400, { message: 'No', code: 'bad', param: 'messages' }))).toMatchObject({
        status: 400,
        code: 'bad',
        param: 'messages',
        type: 'invalid_request_error',
      })
      expect(await caught(error(429, { message: 'No' }))).toBeInstanceOf(OpenAI.RateLimitError)
      expect(await caught(error(401, { message: 'No' }))).toBeInstanceOf(OpenAI.InternalServerError)
      expect(await caught(error(500, { message: 'No' }), { stream: true })).toMatchObject({
        status: 502,
        code: 'upstream_failed',
        type: 'provider_error',
      })
    })
  })

  describe('a provider that takes its time', () => {
    test.each<[string, Script, object]>([
      ['nothing for longer than timeouts.request', hang, {}],
      ['no stream for longer than timeouts.request', hang, { stream: true }],
      ['headers and then nothing', (seen, response) => (response.writeHead(200).flushHeaders(), seen.gone), {}],
      ['a stream without an event', begun([], seen => seen.gone), { stream: true }],
      ['a stream of comments', endless(SSE, ': still thinking\n\n', 100), { stream: true }],
      ['a body that trickles and never ends', endless({ 'content-type': 'application/json' }, ' ', 100), {}],
      [
        'an error that trickles and never ends',
        async (_seen, response) => {
          response.writeHead(500)
          while (!response.destroyed) {
            response.write(' ')
            await new Promise<void>(resolve => setTimeout(resolve, 100))
          }
        },
        {},
      ],
    ])('%s: 504', async (_title, script, more) => {
      await expectFailure(await call(script, more, 'hasty-model'), late)
    })

    test('a body that trickles is bounded as a whole, even where no pause is too long', async () => {
      await expectFailure(
        await call(endless({ 'content-type': 'application/json' }, ' ', 100), {}, 'brief-model'),
        late,
      )
    })

    test('a stream may go on for longer than timeouts.request', async () => {
      const made = await call(
        begun(HELLO, async (_seen, response) => {
          for (let count = 0; count < 8; count++) {
            await new Promise<void>(resolve => setTimeout(resolve, 200))
            response.write(chunk('m', { content: ` ${count}` }))
          }
          response.end(chunk('m', {}, 'stop') + DONE)
        }),
        { stream: true },
        'brief-model',
      )
      expect(made.answer.status).toBe(200)
      expect(made.answer.text).toContain(DONE)
      expect(made.record.outcome).toBe('complete')
    })

    test('a request that the provider does not read: 504', async () => {
      const deaf = createServer(socket => void socket.pause())
      await new Promise<void>(resolve => deaf.listen(0, '127.0.0.1', resolve))
      const { port } = deaf.address() as { port: number }
      const own = await startGateway({
        redisUrl: redis.url,
        gateway: 'bad-upstream-deaf',
        resources: yaml(
          ...scripted('deaf', `http://127.0.0.1:${port}/v1`, { timeouts: { request: '1s' } }),
          virtualKey('bad-deaf'),
        ),
      })
      const answer = await ask(own.proxy, own.token('bad-deaf-key'), chat('gpt-test', 'x'.repeat(20 * MIB)))
      expectRefusal(answer, late)
      await own.kill()
      deaf.close()
    })
  })

  describe('a provider that cannot or may not be reached', () => {
    const unreachable = (says: RegExp): Failure => ({
      status: 502,
      code: 'upstream_unreachable',
      outcome: 'upstream_unreachable',
      says,
    })

    test('a port where nobody listens: 502', async () => {
      await expectFailure(await call(FREE, {}, 'closed-model'), unreachable(/could not be reached/))
    })

    test('a name that nobody has: 502', async () => {
      await expectFailure(await call(FREE, {}, 'nowhere-model'), unreachable(/could not be reached/))
    })

    test('a name that leads to a private address which was not declared: 502, and no connection is made', async context => {
      const addresses = await lookup(hostname(), { all: true }).catch(() => [])
      if (
        !addresses.some(({ address }) => /^(127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|::1|f[cd])/.test(address))
      )
        return context.skip('the name of this machine does not lead to a private address')
      await expectFailure(await call(FREE, {}, 'inside-model'), unreachable(/private address.*allowPrivateEndpoint/))
      expect(connections).toBe(0)
    })

    test('this machine without allowPrivateEndpoint, and the metadata address with it, are refused when they are declared', async () => {
      for (const model of ['undeclared-model', 'metadata-model']) {
        const answer = await ask(gateway.proxy, admin, chat(`openai/${model}`))
        expectRefusal(answer, { status: 404, code: 'model_not_found' })
      }
      expect(gateway.log()).toMatch(/AIProvider default\/undeclared: Accepted=False .*allowPrivateEndpoint/)
      expect(gateway.log()).toMatch(/AIProvider default\/metadata: Accepted=False .*never calls/)
      expect(connections).toBe(0)
    })
  })

  describe('a stream', () => {
    const end =
      (text: string): Script =>
      (_seen, response) =>
        void response.end(text)
    const breaks: Script = (_seen, response) => {
      // Only what has left is certain to arrive before the reset.
      response.write('', () => setImmediate(() => response.socket?.resetAndDestroy()))
    }

    test.each<[string, Script, Failure]>([
      [
        'that is gzipped',
        raw(200, gzipSync(HELLO.join('') + DONE), { ...SSE, 'content-encoding': 'gzip' }),
        invalid(/compressed a stream/),
      ],
      ['that is empty', begun([], end('')), invalid(/before the first event/)],
      [
        'that is all comments',
        begun([': hello\n\n'], end('')),
        invalid(/before the (first event|answer was complete)/),
      ],
      ['that is no JSON', begun([], end('data: hello\n\ndata: there\n\n')), invalid(/no JSON/)],
      ['that ends in its first event', begun([], end('data: {"id":"x","choi')), invalid(/./)],
      ['whose only event is its end', begun([], end(DONE)), invalid(/./)],
      ['that breaks before its first event', begun([], breaks), failed(/broke/)],
      [
        `that begins with an error ${verifies('R04')}`,
        begun(['data: {"error":{"message":"The engine is on fire"}}\n\n'], end(DONE)),
        failed(/engine is on fire/),
      ],
      [
        'that begins with a comment and an error',
        begun([': hi\n\ndata: {"error":{"message":"The engine is on fire"}}\n\n'], end(DONE)),
        failed(/engine is on fire/),
      ],
      [
        'that begins with an error in words',
        begun(['data: {"error":"The engine is on fire"}\n\n'], end(DONE)),
        failed(/engine is on fire/),
      ],
      ['of one event that never ends', endless(SSE, Buffer.alloc(MIB, 'x')), invalid(/does not end/)],
      ['that floods us with comments', endless(SSE, Buffer.from(`: ${'x'.repeat(MIB)}\n\n`)), invalid(/./)],
    ])('%s: 502 in JSON', async (_title, script, failure) => {
      await expectFailure(await call(script, { stream: true }), failure)
    })

    test.each<[string, object]>([
      ['null for a choice', { choices: [null] }],
      ['a choice without a message', { choices: [{ index: 0 }] }],
      ['tool calls that are none', { choices: [{ index: 0, message: { role: 'assistant', tool_calls: [null] } }] }],
    ])('asked for, a whole answer given, with %s: 502 in JSON', async (_title, body) => {
      await expectFailure(await call(raw(200, JSON.stringify(body)), { stream: true }), invalid(/no chat completion/))
    })

    test.each<[string, object]>([
      ['in order', { id: 'a', created: 1, model: 'm', usage: usage(0, 0) }],
      [
        'of which little is as it should be',
        { id: 7, created: 'x', model: null, usage: usage(0, 0), system_fingerprint: 7 },
      ],
      ['without a usage', {}],
    ])('asked for, a whole answer %s given: served as a stream', async (_title, members) => {
      const body = {
        ...members,
        choices: [{ index: 0, message: { role: 'assistant', content: 'whole' }, finish_reason: 'stop' }],
      }
      const made = await call(raw(200, JSON.stringify(body)), { stream: true, stream_options: { include_usage: true } })
      expect(made.answer.headers.get('content-type')).toMatch(/event-stream/)
      expect(made.answer.text).toMatch(/"content":"whole"[^]*data: \[DONE\]\n\n$/)
      await expectRoom(made, String(made.record.cost))
    })

    /** A stream that failed after it had begun: an error event, the end marker, and what passed is paid for. */
    async function expectBroken(made: Call, outcome: string, says: RegExp): Promise<void> {
      const { answer, record } = made
      expect(answer.status).toBe(200)
      const events = answer.text.split('\n\n').filter(event => event.startsWith('data: '))
      expect(events.at(-1)).toBe('data: [DONE]')
      const { error, request_id: id } = JSON.parse(events.at(-2)?.slice('data: '.length) ?? '') as ErrorBody
      expect(error.message).toMatch(says)
      expect(error.code).toMatch(/^upstream_/)
      expect(id).toBe(record.request_id)
      expect(events.filter(event => event.includes('"error"'))).toHaveLength(1)
      expect(answer.text).toContain('Hello there')
      expect(record).toMatchObject({ status: 200, outcome, cost_known: true, metrics: { usage_source: 'counted' } })
      expect(record.metrics.completion_tokens).toBeGreaterThan(1)
      expect(record.cost).toBeGreaterThan(0)
      await expectRoom(made, String(record.cost))
    }

    test('that breaks after its first words: an error event, the end marker, and the words are paid for', async () => {
      await expectBroken(await call(begun(HELLO, breaks), { stream: true }), 'upstream_failed', /broke/)
    })

    test('that ends in the middle of an event: an error event, the end marker, and the words are paid for', async () => {
      await expectBroken(
        await call(begun(HELLO, end('data: {"id":"chatcmpl-1","choices":[{"del')), { stream: true }),
        'upstream_invalid',
        /middle of an event/,
      )
    })

    test('that ends before its answer is complete: an error event, the end marker, and the words are paid for', async () => {
      await expectBroken(
        await call(begun(HELLO, end('')), { stream: true }),
        'upstream_invalid',
        /before the answer was complete/,
      )
    })

    test('that says an error after its first words: one error event, the end marker, and the words are paid for', async () => {
      await expectBroken(
        await call(begun(HELLO, end(`data: {"error":{"message":"The engine is on fire"}}\n\n${DONE}`)), {
          stream: true,
        }),
        'upstream_failed',
        /engine is on fire/,
      )
    })

    test('that falls silent after its first words: an error event, the end marker, and the words are paid for', async () => {
      await expectBroken(
        await call(
          begun(HELLO, seen => seen.gone),
          { stream: true },
          'hasty-model',
        ),
        'upstream_timeout',
        /in time/,
      )
    })

    test('without its end marker, but complete: the end marker is put behind it', async () => {
      const made = await call(begun([...HELLO, chunk('m', {}, 'stop')], end('')), { stream: true })
      expect(made.answer.text.endsWith(DONE)).toBe(true)
      expect(made.answer.text).not.toContain('"error"')
      expect(made.record.outcome).toBe('complete')
      await expectRoom(made, String(made.record.cost))
    })

    test.each<[string, Script]>([
      ['and goes on without a word', seen => seen.gone],
      ['and breaks', breaks],
      ['and talks on', endless(SSE, ': still here\n\n', 50)],
    ])('that says its end %s: complete', async (_title, then) => {
      const made = await call(begun([...HELLO, chunk('m', {}, 'stop'), DONE], then), { stream: true })
      expect(made.answer.text.split(DONE)).toHaveLength(2)
      expect(made.answer.text).not.toContain('"error"')
      expect(made.record.outcome).toBe('complete')
    })

    test('with Content-Type written in capitals is a stream', async () => {
      const made = await call(
        raw(200, [...HELLO, chunk('m', {}, 'stop'), DONE].join(''), {
          'content-type': 'Text/Event-Stream; charset=UTF-8',
        }),
        { stream: true },
      )
      expect(made.answer.text).toContain('Hello there')
    })

    test('in order costs what the provider reports', async () => {
      const made = await call(stream(['one', 'two'], usage(10, 5)), { stream: true })
      expect(made.record).toMatchObject({ outcome: 'complete', cost: 0.015, metrics: { usage_source: 'reported' } })
      await expectRoom(made, '0.015')
    })
  })

  test('after all this the gateway serves, and has nothing to complain of', async () => {
    upstream.answer = FREE
    expect(await ask(gateway.proxy, admin, chat('gpt-test'))).toMatchObject({ status: 200 })
    expect(complaintsOf(gateway)).toEqual([])
  })
})
