// The native route for Anthropic callers: what they send reaches an Anthropic provider byte for byte but for the model's name,
// and what it answers reaches them so, errors included (L02).
import { createHash, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { verifies } from '../requirements.ts'
import * as anthropic from './anthropic-upstream.ts'
import { cleanUp, type GatewayProcess, startGateway } from './gateway.ts'
import { PLAYS } from './plays.ts'
import { daily, fresh, price, resource, scripted, tenant, virtualKey, yaml } from './resources.ts'
import { hang, raw, type Script, type Upstream } from './upstream.ts'

const redisUrl = inject('redisUrl')
const TENANT = fresh('messages')
const MODEL = 'claude-sonnet-4-5'
const RUNS = { numRuns: 40 }

const RESOURCES = (native: string, openai: string): string =>
  yaml(
    ...tenant(
      TENANT,
      {},
      ...scripted('p', native, {
        preset: 'anthropic',
        models: { allow: ['claude-*'] },
        pricing: [price(MODEL, '100')],
        timeouts: { request: '3s' },
      }),
      ...scripted('o', openai, { models: { allow: ['gpt-4o'] } }),
      virtualKey('app', { role: 'ProxyAdmin' }),
      virtualKey('suspended', { suspend: true }),
      virtualKey('narrow', { models: ['claude-haiku-*'] }),
      virtualKey('poor', daily('0.0001')),
      virtualKey('slow', { rateLimit: { rpm: 1 } }),
      resource('Policy', 'content', { audit: { content: 'Keep' } }),
    ),
  )

interface Reply {
  readonly status: number
  readonly headers: Headers
  readonly bytes: Buffer
}

interface Sending {
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly key?: string
}

describe.skipIf(redisUrl === '')('Anthropic messages, native (skipped without a Redis)', () => {
  let upstream: Upstream
  let openai: Upstream
  let gateway: GatewayProcess

  beforeAll(async () => {
    ;[upstream, openai] = await Promise.all([anthropic.startAnthropic(), PLAYS['openai-chat'].start()])
    gateway = await startGateway({ redisUrl, gateway: TENANT, resources: RESOURCES(upstream.url, openai.url) })
  })

  afterAll(async () => {
    await cleanUp()
    await Promise.all([upstream?.close(), openai?.close()])
  })

  beforeEach(() => {
    upstream.answer = anthropic.message([anthropic.text('Hello!')])
    upstream.seen.length = 0
    openai.answer = PLAYS['openai-chat'].says('Hello!')
    openai.seen.length = 0
  })

  async function post(body: string | Buffer | object, sending: Sending = {}): Promise<Reply> {
    const { path = '/v1/messages', headers, key = 'app' } = sending
    const bytes =
      typeof body === 'string' || Buffer.isBuffer(body) ? Buffer.from(body) : Buffer.from(JSON.stringify(body))
    const response = await fetch(`${gateway.proxy}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': gateway.token(`${key}-key`), ...headers },
      body: bytes,
    })
    return { status: response.status, headers: response.headers, bytes: Buffer.from(await response.arrayBuffer()) }
  }

  const hello = (more: object = {}): object => ({
    model: MODEL,
    max_tokens: 100,
    messages: [{ role: 'user', content: 'Hi' }],
    ...more,
  })

  const errorOf = ({ bytes }: Reply): Record<string, unknown> & { error: Record<string, unknown> } =>
    JSON.parse(bytes.toString())

  describe('requests', () => {
    test(`any body arrives as it was written, its model's name apart ${verifies('L02')}`, async () => {
      const space = fc.string({ unit: fc.constantFrom(' ', '\n', '\t', '\r'), maxLength: 3 })
      const names = fc.constantFrom(
        [MODEL, MODEL],
        [`anthropic/${MODEL}`, MODEL],
        [`${MODEL}[1m]`, MODEL],
        ['claude-\\u0073onnet-4-5', 'claude-\\u0073onnet-4-5'],
      )
      const more = fc.dictionary(fc.stringMatching(/^x_[a-z]{1,8}$/), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 3 })
      const texts = fc.constantFrom('"\\u00e9\\ud83d\\ude00 é 😀 \\/"', '"model"', '"\\"model\\":\\"x\\""')
      await fc.assert(
        fc.asyncProperty(
          fc.record({ names, gap: space, extra: more, text: texts, last: fc.boolean() }),
          async ({ names: [asked = '', sent = ''], gap, extra, text, last }) => {
            upstream.seen.length = 0
            const write = (model: string): string => {
              const name = `"model"${gap}:${gap}"${model}"`
              const rest = [
                `"max_tokens":${gap}1e2`,
                `"messages":[${gap}{"content":${text},"role":"user"}]`,
                ...Object.entries(extra).map(([member, value]) => `"${member}":${gap}${JSON.stringify(value)}`),
              ]
              return `{${gap}${(last ? [...rest, name] : [name, ...rest]).join(`${gap},`)}${gap}}`
            }
            const { status } = await post(write(asked), { headers: { 'anthropic-beta': 'some-2026-01-01' } })
            expect(status).toBe(200)
            expect(upstream.seen[0]?.bytes.equals(Buffer.from(write(sent)))).toBe(true)
          },
        ),
        RUNS,
      )
    })

    test(`a body of megabytes arrives whole ${verifies('L02')}`, async () => {
      const data = randomBytes(3_000_000).toString('base64')
      const source = { type: 'base64', media_type: 'image/png', data }
      const body = JSON.stringify(hello({ messages: [{ role: 'user', content: [{ type: 'image', source }] }] }))
      expect((await post(body)).status).toBe(200)
      expect(upstream.seen[0]?.text === body).toBe(true)
    })

    for (const version of ['2023-06-01', '2026-10-21']) {
      test(`version ${version} and any betas arrive as they are ${verifies('L02')}`, async () => {
        const beta = 'context-management-2025-06-27,  interleaved-thinking-2025-05-14 ,not-yet-known-2027-01-01'
        const headers = { 'anthropic-version': version, 'anthropic-beta': beta }
        const { status } = await post(hello({ not_yet_known: { a: 1 } }), { headers })
        expect(status).toBe(200)
        expect(upstream.seen[0]?.headers).toMatchObject(headers)
      })
    }

    test(`a version that the provider does not know is for the provider to refuse ${verifies('L02')}`, async () => {
      const reply = await post(hello(), { headers: { 'anthropic-version': '2030-01-01' } })
      expect(reply.status).toBe(400)
      expect(errorOf(reply).error['message']).toBe('anthropic-version: 2030-01-01 is not a valid version')
    })

    test(`sampling with the version that knows none is refused in the provider's words ${verifies('L02')}`, async () => {
      const reply = await post(hello({ temperature: 1 }), { headers: { 'anthropic-version': '2026-10-21' } })
      expect(reply.status).toBe(400)
      expect(errorOf(reply)).toMatchObject({
        type: 'error',
        error: { message: 'temperature: Extra inputs are not permitted' },
      })
      expect((await post(hello({ temperature: 1 }), { headers: { 'anthropic-version': '2023-06-01' } })).status).toBe(
        200,
      )
    })

    test(`the provider gets ?beta=true, and nothing else of a query or of the caller's headers ${verifies('L02')}`, async () => {
      const headers = { 'x-stainless-lang': 'js', 'x-app': 'cli', cookie: 'a=b', 'user-agent': 'test/1' }
      await post(hello(), { path: '/v1/messages?beta=true', headers })
      await post(hello(), { path: '/v1/messages?key=abc&beta=true&x=/../y' })
      await post(hello(), { path: '/anthropic/v1/messages?beta=false' })
      expect(upstream.seen.map(({ path }) => path)).toEqual([
        '/v1/messages?beta=true',
        '/v1/messages?beta=true',
        '/v1/messages',
      ])
      const { host: _, ...sent } = upstream.seen[0]?.headers ?? {}
      const usual = ['accept', 'accept-encoding', 'anthropic-version', 'connection', 'content-length', 'content-type']
      expect(Object.keys(sent).sort()).toEqual([...usual, 'x-api-key'].sort())
    })

    test(`the key comes as a bearer or as x-api-key ${verifies('L02')}`, async () => {
      const token = gateway.token('app-key')
      for (const headers of [{ authorization: `Bearer ${token}`, 'x-api-key': '' }, { 'x-api-key': token }]) {
        expect((await post(hello(), { headers })).status).toBe(200)
      }
    })

    test(`[1m] becomes the beta where it is not there yet ${verifies('L02')}`, async () => {
      const body = hello({ model: `${MODEL}[1m]` })
      const betas = ['', 'a-2025-01-01', 'context-1m-2025-08-07,b-2025-01-01']
      for (const beta of betas) await post(body, { headers: beta === '' ? {} : { 'anthropic-beta': beta } })
      expect(upstream.seen.map(({ headers }) => headers['anthropic-beta'])).toEqual([
        'context-1m-2025-08-07',
        'a-2025-01-01,context-1m-2025-08-07',
        'context-1m-2025-08-07,b-2025-01-01',
      ])
      expect(new Set(upstream.seen.map(({ body: sent }) => sent['model']))).toEqual(new Set([MODEL]))
    })

    test(`count_tokens passes as well, and is estimated where no provider counts ${verifies('L02')}`, async () => {
      upstream.answer = raw(200, '{ "input_tokens" : 42 , "more":1}')
      const body = '{"model":"claude-sonnet-4-5","messages":[{"role":"user","content":"Hi"}], "system":"Be brief."}'
      const reply = await post(body, { path: '/v1/messages/count_tokens?beta=true' })
      expect(reply.bytes.toString()).toBe('{ "input_tokens" : 42 , "more":1}')
      expect(upstream.seen[0]).toMatchObject({ path: '/v1/messages/count_tokens?beta=true', text: body })
      const other = await post({ ...JSON.parse(body), model: 'gpt-4o' }, { path: '/v1/messages/count_tokens' })
      expect(JSON.parse(other.bytes.toString())).toEqual({ input_tokens: expect.any(Number) })
      expect(other.headers.get('x-smartflow-estimated')).toBe('input_tokens')
      expect(openai.seen).toHaveLength(0)
    })
  })

  describe('answers', () => {
    test(`a whole message arrives as it was written, with the provider's id ${verifies('L02')}`, async () => {
      const known = { id: 'msg_1', type: 'message', role: 'assistant', model: MODEL, stop_sequence: null }
      const blocks = [{ type: 'text', text: 'Hi' }, { type: 'not_yet_known', x: [1] }, anthropic.toolUse('f', {})]
      await fc.assert(
        fc.asyncProperty(fc.jsonValue(), fc.constantFrom('', ' ', '\n'), async (extra, gap) => {
          const said = { ...known, content: blocks, stop_reason: 'not_yet_known', usage: anthropic.usage(9, 3), extra }
          const text = gap + JSON.stringify(said, null, gap) + gap
          upstream.answer = raw(200, text, { 'content-type': 'application/json', 'request-id': 'req_abc' })
          const reply = await post(hello())
          expect(reply.bytes.equals(Buffer.from(text))).toBe(true)
          expect(reply.headers.get('request-id')).toBe('req_abc')
        }),
        RUNS,
      )
    })

    test(`a stream arrives as it was written, however it was cut ${verifies('L02')}`, async () => {
      const blocks = [
        anthropic.signed('Let me think about "error" and event: error'),
        anthropic.text('Hello – 😀 out there'),
        { type: 'redacted_thinking' as const, data: 'c2VjcmV0' },
        anthropic.toolUse('weather', { place: 'Wien', 'data: [DONE]': '\n\n' }),
      ]
      const odd = fc.constantFrom(
        ': a comment\n\n',
        'event: not_yet_known\ndata: {"type":"not_yet_known","x":1}\n\n',
        'event: ping\r\ndata: {"type": "ping"}\r\n\r\n',
        'data: {"type":"content_block_delta","index":9,"delta":{"type":"not_yet_known_delta","y":"é"}}\n\n',
        'id: 7\nretry: 100\nevent: ping\ndata: {\ndata: "type":"ping"}\n\n',
      )
      const oddities = fc.array(fc.tuple(fc.nat(), odd), { maxLength: 4 })
      await fc.assert(
        fc.asyncProperty(oddities, fc.array(fc.nat(), { maxLength: 6 }), async (extra, cuts) => {
          const sent: Buffer[] = []
          upstream.answer = async (seen, response) => {
            const events = anthropic.events(seen, blocks)
            // Neither before the first event nor behind the last.
            for (const [at, event] of extra) events.splice(1 + (at % (events.length - 1)), 0, event)
            const all = Buffer.from(events.join(''))
            sent.push(all)
            response.writeHead(200, anthropic.streamHeaders())
            const places = cuts.map(cut => cut % all.length).sort((a, b) => a - b)
            for (const [index, place] of [...places, all.length].entries()) {
              await new Promise(resolve => response.write(all.subarray(places[index - 1] ?? 0, place), resolve))
            }
            response.end()
          }
          const reply = await post(hello({ stream: true }))
          expect(hashOf(reply.bytes)).toBe(hashOf(sent[0] ?? Buffer.alloc(0)))
          expect(reply.headers.get('content-type')).toMatch(/^text\/event-stream/)
        }),
        RUNS,
      )
    })

    test(`an answer that is a stream although a whole one was asked, and the reverse ${verifies('L02')}`, async () => {
      upstream.answer = raw(
        200,
        '{"id":"m","type":"message","role":"assistant","model":"x","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":1}}',
      )
      const reply = await post(hello({ stream: true }))
      expect(reply.headers.get('content-type')).toMatch(/^text\/event-stream/)
      expect(reply.bytes.toString()).toMatch(/^event: message_start\n[^]*"text":"Hi"[^]*event: message_stop\n/)
      upstream.answer = (seen, response) =>
        void response
          .writeHead(200, anthropic.streamHeaders())
          .end(anthropic.events(seen, [anthropic.text('Hi')]).join(''))
      expect((await post(hello())).status).toBe(502)
    })
  })

  describe('errors of the provider', () => {
    const bodies = {
      400: '{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"},"x":[ 1 ]}',
      404: '{"type":"error","error":{"type":"not_found_error","message":"model: claude-sonnet-4-5"}}',
      413: '{"type":"error","error":{"type":"request_too_large","message":"Request exceeds the maximum size"}}',
      429: '{"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed your rate limit"}} ',
      500: '{"type":"error","error":{"type":"api_error","message":"Internal server error"},"request_id":"req_9"}',
      504: '{"type":"error","error":{"type":"timeout_error","message":"Took too long"}}',
      529: '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_8"}',
    }
    for (const [status, body] of Object.entries(bodies)) {
      for (const stream of [false, true]) {
        test(`${status} ${stream ? 'for a stream ' : ''}arrives unwrapped ${verifies('L02', 'L05')}`, async () => {
          upstream.answer = raw(Number(status), body, { 'content-type': 'application/json', 'retry-after': '17' })
          const reply = await post(hello({ stream }))
          expect(reply.status).toBe(Number(status))
          expect(reply.bytes.toString()).toBe(body)
          expect(reply.headers.get('content-type')).toBe('application/json')
          expect(reply.headers.get('retry-after')).toBe('17')
        })
      }
    }

    test(`a refused credential is the gateway's affair, and nothing of it is told ${verifies('L02')}`, async () => {
      const words = anthropic.failing(401, 'authentication_error', 'invalid x-api-key upstream-secret')
      const event = `event: error\ndata: ${anthropic.failure('authentication_error', 'invalid x-api-key')}\n\n`
      for (const answer of [words, raw(200, event, anthropic.streamHeaders())]) {
        upstream.answer = answer
        const reply = await post(hello({ stream: true }))
        expect(reply.status).toBe(502)
        expect(errorOf(reply)).toMatchObject({ type: 'error', error: { type: 'api_error', code: 'upstream_failed' } })
        expect(reply.bytes.toString()).not.toContain('x-api-key')
      }
    })

    const kinds = { overloaded_error: 529, rate_limit_error: 429, api_error: 500, invalid_request_error: 400 } as const
    for (const [type, status] of Object.entries(kinds)) {
      test(`${type} as the first event of a stream is an error with its status ${verifies('L02', 'R04')}`, async () => {
        const data = `{"type":"error", "error":{"type":"${type}","message":"so it is"}}`
        upstream.answer = raw(200, `event: error\ndata: ${data}\n\n`, anthropic.streamHeaders())
        const reply = await post(hello({ stream: true }))
        expect(reply.status).toBe(status)
        expect(reply.bytes.toString()).toBe(data)
      })
    }

    test(`an error event behind a text ends the stream as it came ${verifies('L02')}`, async () => {
      upstream.answer = PLAYS['anthropic-messages'].overloadedInStream('so far')
      const reply = await post(hello({ stream: true }))
      expect(reply.status).toBe(200)
      const text = reply.bytes.toString()
      expect(text).toContain('"text":"so"')
      expect(text.endsWith(`event: error\ndata: ${anthropic.failure('overloaded_error', 'Overloaded')}\n\n`)).toBe(true)
      expect(text).not.toContain('message_stop')
    })

    test(`a provider that dies or falls silent in a stream is an error event of ours ${verifies('L02')}`, async () => {
      upstream.answer = PLAYS['anthropic-messages'].dies('so far')
      const text = (await post(hello({ stream: true }))).bytes.toString()
      const [, data = '{}'] = /\nevent: error\ndata: (.*)\n\n$/.exec(text) ?? []
      expect(JSON.parse(data)).toMatchObject({ type: 'error', error: { type: 'api_error', code: 'upstream_failed' } })
    })

    const garbage: Readonly<Record<string, Script>> = {
      HTML: raw(200, '<html>maintenance</html>', { 'content-type': 'text/html' }),
      'JSON that is no message': raw(200, '{"ok":true}'),
      'a stream of something else': raw(200, 'data: {"choices":[]}\n\ndata: [DONE]\n\n', anthropic.streamHeaders()),
      'a stream without an end': (seen, response) =>
        void response.writeHead(200, anthropic.streamHeaders()).end(anthropic.event({ type: 'ping' })),
    }
    for (const [what, answer] of Object.entries(garbage)) {
      test(`${what} is a 502, or an error at the stream's end ${verifies('L02')}`, async () => {
        upstream.answer = answer
        const reply = await post(hello({ stream: true }))
        const error =
          reply.status === 200 ? /event: error\ndata: (.*)\n\n$/.exec(reply.bytes.toString())?.[1] : reply.bytes
        expect(JSON.parse(String(error))).toMatchObject({ type: 'error', error: { type: 'api_error', provider: 'p' } })
        if (reply.status !== 200) expect(reply.status).toBe(502)
      })
    }

    test(`nothing at all is a 504 ${verifies('L02')}`, async () => {
      upstream.answer = hang
      const reply = await post(hello())
      expect(reply.status).toBe(504)
      expect(errorOf(reply)).toMatchObject({
        type: 'error',
        error: { type: 'timeout_error', code: 'upstream_timeout' },
      })
    })
  })

  describe("errors of the gateway are Anthropic's error object", () => {
    const cases: Readonly<
      Record<string, { sending?: Sending; body?: object | string; status: number; type: string; code: string }>
    > = {
      'no key': {
        sending: { headers: { 'x-api-key': '' } },
        status: 401,
        type: 'authentication_error',
        code: 'missing_api_key',
      },
      'a key that nobody knows': {
        sending: { headers: { 'x-api-key': 'sk-ant-nobody' } },
        status: 401,
        type: 'authentication_error',
        code: 'invalid_api_key',
      },
      'a suspended key': {
        sending: { key: 'suspended' },
        status: 403,
        type: 'permission_error',
        code: 'key_suspended',
      },
      'a model that the key may not use': {
        sending: { key: 'narrow' },
        status: 403,
        type: 'permission_error',
        code: 'model_not_allowed',
      },
      'a model that nobody serves': {
        body: hello({ model: 'nobody/knows' }),
        status: 404,
        type: 'not_found_error',
        code: 'model_not_found',
      },
      'a budget that is spent': {
        sending: { key: 'poor' },
        status: 429,
        type: 'rate_limit_error',
        code: 'insufficient_quota',
      },
      'no max_tokens': {
        body: { model: MODEL, messages: [{ role: 'user', content: 'Hi' }] },
        status: 400,
        type: 'invalid_request_error',
        code: 'invalid_request',
      },
      'no JSON': { body: '{"model":', status: 400, type: 'invalid_request_error', code: 'invalid_body' },
    }
    for (const [what, { sending, body = hello(), status, type, code }] of Object.entries(cases)) {
      test(`${what}: ${status} ${type} ${verifies('L02')}`, async () => {
        const reply = await post(body, sending)
        expect(reply.status).toBe(status)
        const id = reply.headers.get('request-id')
        expect(errorOf(reply)).toMatchObject({
          type: 'error',
          error: { type, code, message: expect.any(String) },
          request_id: id,
        })
        expect(upstream.seen).toHaveLength(0)
      })
    }

    test(`a limit of requests: 429 with the time to wait ${verifies('L02', 'K03')}`, async () => {
      await post(hello(), { key: 'slow' })
      const reply = await post(hello(), { key: 'slow' })
      expect(reply.status).toBe(429)
      expect(errorOf(reply)).toMatchObject({
        type: 'error',
        error: { type: 'rate_limit_error', code: 'rate_limit_exceeded' },
      })
      expect(Number(reply.headers.get('retry-after'))).toBeGreaterThan(1)
    })
  })
})

function hashOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
