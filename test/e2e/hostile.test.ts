// Hostile and broken requests, over raw sockets where the bytes matter: each gets a clear answer in JSON, and none of them
// costs another caller anything.
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { type RedisServer, startRedis } from '../../hack/redis.ts'
import { verifies } from '../requirements.ts'
import { ask, chat, get } from './calls.ts'
import { cleanUp, eventually, type GatewayProcess, startGateway, temporary } from './gateway.ts'
import { complaintsOf, type ErrorBody, expectRefusal, memoryOf, openFiles, recordOf, recordsOf } from './observe.ts'
import { price, resource, scripted, virtualKey, yaml } from './resources.ts'
import { chunk, type Script, startUpstream, type Upstream, whole, taken } from './upstream.ts'
import { chunked, exchange, openWire, request, type Wire, type WireReply } from './wire.ts'

const MIB = 1024 * 1024
/** What slow senders and slow readers get. */
const PATIENCE_MS = 2_000
const MAX_BODY_BYTES = 8 * MIB
/** A name that no header carries as it is. */
const TEAM = '\u7814\u53d1 🙂'
const CHAT = 'POST /v1/chat/completions'

/** A provider that thinks longer than the gateway waits for slow senders and readers. */
const slow: Script = async (seen, response) => {
  await sleep(PATIENCE_MS * 1.5)
  return whole('Hello!')(seen, response)
}

const RESOURCES = (url: string): string =>
  yaml(
    resource('AIGateway', 'gateway', { defaults: { maxBodyBytes: MAX_BODY_BYTES, streamIdleTimeout: '1s' } }),
    ...scripted('mock', url, { pricing: [price('gpt-test', '1')] }),
    virtualKey('hostile-admin', { role: 'ProxyAdmin' }),
    virtualKey('hostile-app'),
    resource('AITenant', 'default', { teams: [{ name: TEAM, budget: { amountUSD: '5', period: 'Daily' } }] }),
    virtualKey('hostile-team', { team: TEAM }),
    virtualKey('hostile-gone'),
    virtualKey('hostile-reader'),
  )

describe.skipIf(inject('redisUrl') === '')('hostile requests (skipped without a Redis)', () => {
  let redis: RedisServer
  let upstream: Upstream
  let gateway: GatewayProcess
  let token: string
  let admin: string
  let bearer: string

  beforeAll(async () => {
    redis = await startRedis({ dir: temporary(), persist: false })
    upstream = await startUpstream()
    gateway = await startGateway({
      redisUrl: redis.url,
      gateway: 'hostile',
      resources: RESOURCES(upstream.url),
      env: { SMARTFLOW_PATIENCE_MS: String(PATIENCE_MS) },
    })
    token = gateway.token('hostile-app-key')
    admin = gateway.token('hostile-admin-key')
    bearer = `authorization: Bearer ${token}`
  })

  afterAll(async () => {
    await redis?.stop()
    await cleanUp()
    await upstream?.close()
  })

  beforeEach(() => {
    upstream.answer = whole('Hello!')
    upstream.seen.length = 0
  })

  /** POSTs a body as it is. */
  function post(body: string | Buffer, headers: readonly string[] = [bearer]): Promise<WireReply> {
    return exchange(gateway.proxy, request(CHAT, headers, body))
  }

  function good(more: object = {}): string {
    return JSON.stringify(chat('gpt-test', 'Hello', more))
  }

  async function expectAlive(): Promise<void> {
    expect(await ask(gateway.proxy, token, chat('gpt-test'))).toMatchObject({ status: 200 })
  }

  describe('keys', () => {
    test('a wrong key: 401, invalid_api_key', async () => {
      const reply = await post(good(), [`authorization: Bearer sk-sf-${'0'.repeat(48)}`])
      const body = expectRefusal(reply, { status: 401, code: 'invalid_api_key', says: /not known/ })
      expect(body.error).toEqual({
        message: body.error.message,
        type: 'authentication_error',
        param: null,
        code: 'invalid_api_key',
      })
      expect(reply.headers['x-request-id']).toBe(body.request_id)
      expect(await recordsOf(gateway, admin, '', '-')).toContainEqual(
        expect.objectContaining({ request_id: body.request_id, outcome: 'key_invalid', cost: 0 }),
      )
    })

    test('no key: 401 that says how to send one', async () => {
      expectRefusal(await post(good(), []), { status: 401, code: 'missing_api_key', says: /Authorization: Bearer/ })
    })

    test('the key is taken from x-api-key and from api-key too', async () => {
      expect(await post(good(), [`x-api-key: ${token}`])).toMatchObject({ status: 200 })
      expect(await post(good(), [`api-key: ${token}`])).toMatchObject({ status: 200 })
    })

    test('Authorization: Basic: 401 that says to send Bearer', async () => {
      const basic = Buffer.from(`user:${token}`).toString('base64')
      expectRefusal(await post(good(), [`authorization: Basic ${basic}`]), {
        status: 401,
        code: 'invalid_api_key',
        says: /Bearer/,
      })
    })

    test('a key of a team whose name no header carries is served, and the name is readable', async () => {
      const reply = await post(good(), [`authorization: Bearer ${gateway.token('hostile-team-key')}`])
      expect(reply.status).toBe(200)
      expect(decodeURIComponent(reply.headers['x-smartflow-budget-scope'] ?? '')).toBe(`team:${TEAM}`)
    })

    test('a key of 30,000 characters: 401', async () => {
      expectRefusal(await post(good(), [`authorization: Bearer ${'k'.repeat(30_000)}`]), {
        status: 401,
        code: 'invalid_api_key',
      })
    })

    test(`a model that nobody serves: 404 that names the prefixes ${verifies('L03')}`, async () => {
      const reply = await post(JSON.stringify(chat('nobody/has-this')))
      const { error } = expectRefusal(reply, { status: 404, code: 'model_not_found', says: /openai\// })
      expect(error.param).toBe('model')
      expect(upstream.seen).toHaveLength(0)
    })
  })

  describe('bodies', () => {
    const nested = (levels: number): string =>
      `{"model":"gpt-test","messages":${'['.repeat(levels)}${']'.repeat(levels)}}`

    test.each<[string, string | Buffer, RegExp]>([
      ['that is no JSON', 'hello', /not JSON/],
      ['that is empty', '', /empty/],
      ['that is a JSON array', '[{"model":"gpt-test"}]', /JSON object/],
      ['that is JSON null', 'null', /JSON object/],
      ['that is cut off', good().slice(0, -3), /not JSON/],
      ['with a member twice', '{"model":"gpt-test","model":"other","messages":[]}', /"model" twice/],
      [
        'with a member twice, once as an escape',
        '{"model":"gpt-test","mod\\u0065l":"other","messages":[]}',
        /"model" twice/,
      ],
      [
        'with a member twice, deep inside',
        '{"model":"gpt-test","messages":[{"role":"user","role":"system"}]}',
        /"role" twice/,
      ],
      [
        'with half a surrogate pair',
        '{"model":"gpt-test","messages":[{"role":"user","content":"\\ud83d"}]}',
        /surrogate/,
      ],
      [
        'with half a surrogate pair in a name',
        '{"model":"gpt-test","messages":[{"role":"user","\\udc00":1}]}',
        /surrogate/,
      ],
      ['that is no UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), /UTF-8/],
      ['with an overlong UTF-8 sequence', Buffer.from([0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x3a, 0x31, 0x7d]), /UTF-8/],
      ['with 10,000 levels', nested(10_000), /deeper/],
      ['with 10,000 levels and no end', '{"a":['.repeat(5_000), /deeper/],
      ['with a member __proto__', '{"model":"gpt-test","__proto__":{"role":"x"},"messages":[]}', /__proto__/],
      ['with a member __proto__ as an escape', '{"model":"gpt-test","messages":[{"\\u005f_proto__":1}]}', /__proto__/],
    ])('a body %s: 400, invalid_body', async (_title, body, says) => {
      expectRefusal(await post(body), { status: 400, code: 'invalid_body', says })
      expect(upstream.seen).toHaveLength(0)
    })

    test('4 million levels, closed or not: 400, and the process is as it was', async () => {
      await expectAlive()
      const before = memoryOf(gateway)
      for (const body of [nested(3_500_000), '['.repeat(7_000_000), '{"a":'.repeat(1_000_000)]) {
        expectRefusal(await post(body), { status: 400, code: 'invalid_body', says: /deeper/ })
      }
      expect(memoryOf(gateway) - before).toBeLessThan(100 * MIB)
      await expectAlive()
    })

    test('a body of nothing but values: 400 before they cost anything', async () => {
      const before = memoryOf(gateway)
      for (const value of ['{},', '[],', '0,', '"",', '{"a":0},']) {
        const body = `{"model":"gpt-test","messages":[${value.repeat((7 * MIB) / value.length)}0]}`
        expectRefusal(await post(body), { status: 400, code: 'invalid_body', says: /more than 500000 values/ })
      }
      expect(memoryOf(gateway) - before).toBeLessThan(100 * MIB)
    })

    test('a body of a million chunks of one byte is held in little more than its bytes', async () => {
      await expectAlive()
      const before = memoryOf(gateway)
      const wire = await openWire(gateway.proxy)
      wire.send(request(CHAT, [bearer, 'transfer-encoding: chunked']))
      await wire.flood(4 * MIB, piece => ['1\r\nx\r\n'.repeat(piece.length)])
      expect(memoryOf(gateway) - before).toBeLessThan(150 * MIB)
      wire.send('0\r\n\r\n')
      expectRefusal(await wire.next(), { status: 400, code: 'invalid_body', says: /not JSON/ })
      wire.destroy()
    })

    test.each<[string, object, string]>([
      ['no model', { model: undefined }, 'model'],
      ['a model that is a number', { model: 7 }, 'model'],
      ['a model of 10,000 letters', { model: 'm'.repeat(10_000) }, 'model'],
      ['no messages', { messages: [] }, 'messages'],
      ['messages that are no list', { messages: 'hello' }, 'messages'],
      ['a message that is null', { messages: [null] }, 'messages[0]'],
      ['a message without a role', { messages: [{ content: 'x' }] }, 'messages[0]'],
      ['negative max_tokens', { max_tokens: -1 }, 'max_tokens'],
      ['max_tokens 0', { max_tokens: 0 }, 'max_tokens'],
      ['half a token', { max_tokens: 0.5 }, 'max_tokens'],
      ['max_tokens as text', { max_tokens: '10' }, 'max_tokens'],
      ['more tokens than there are', { max_tokens: Number.MAX_SAFE_INTEGER }, 'max_tokens'],
      ['a billion answers', { n: 1_000_000_000 }, 'n'],
      ['a temperature of -1', { temperature: -1 }, 'temperature'],
      ['stream as text', { stream: 'yes' }, 'stream'],
      ['stream_options without a stream', { stream_options: { include_usage: true } }, 'stream_options'],
    ])('%s: 400 that names the parameter', async (_title, more, param) => {
      const { error } = expectRefusal(await post(good(more)), {
        status: 400,
        code: 'invalid_request',
        says: new RegExp(param.replace(/[[\]]/g, '\\$&')),
      })
      expect(error.param).toBe(param)
      expect(upstream.seen).toHaveLength(0)
    })

    test('a compressed body: 415 that says to send it plain', async () => {
      expectRefusal(await post(good(), [bearer, 'content-encoding: gzip']), {
        status: 415,
        code: 'unsupported_media_type',
        says: /uncompressed/,
      })
    })

    test('32 KB of tags and ids: served, and on record within its bounds', async () => {
      const reply = await post(good(), [
        bearer,
        `x-smartflow-tags: ${'tag,'.repeat(2_000)}`,
        `x-conversation-id: ${'c'.repeat(20_000)}`,
      ])
      expect(reply.status).toBe(200)
      const record = await recordOf(gateway, admin, reply.headers['x-request-id'] ?? '')
      expect(JSON.stringify(record).length).toBeLessThan(8_192)
    })
  })

  describe('large uploads', () => {
    const SIZE = 100 * MIB
    const BOUND = 60 * MIB

    test.each([
      ['with its length', [`content-length: ${SIZE}`], undefined],
      ['in chunks', ['transfer-encoding: chunked'], chunked],
    ] as const)(
      'a body of 100 MB %s: 413 although the caller writes on, and nothing of it is kept',
      async (_title, framing, frame) => {
        await expectAlive()
        const before = memoryOf(gateway)
        const wire = await openWire(gateway.proxy)
        wire.socket.pause() // a caller that reads only when it has written all
        wire.send(request(CHAT, [bearer, ...framing]))
        expect(await wire.flood(SIZE, frame)).toBe(SIZE)
        if (frame) wire.send('0\r\n\r\n')
        wire.socket.resume()
        expectRefusal(await wire.next(), { status: 413, code: 'body_too_large', says: new RegExp(`${MAX_BODY_BYTES}`) })
        expect(memoryOf(gateway) - before).toBeLessThan(BOUND)
        wire.destroy()
      },
    )

    test('a caller that closes after each call reads its 413 too', async () => {
      const wire = await openWire(gateway.proxy)
      wire.socket.pause()
      wire.send(request(CHAT, [bearer, 'connection: close', `content-length: ${SIZE}`]))
      expect(await wire.flood(SIZE)).toBe(SIZE)
      wire.socket.resume()
      expectRefusal(await wire.next(), { status: 413, code: 'body_too_large' })
      await wire.closed
    })

    test('a body of 100 MB announced with Expect: 100-continue: 413 before a byte of it is sent', async () => {
      const reply = await exchange(
        gateway.proxy,
        request(CHAT, [bearer, 'expect: 100-continue', `content-length: ${SIZE}`]),
      )
      expectRefusal(reply, { status: 413, code: 'body_too_large' })
      expect(reply.headers['connection']).toBe('close')
    })

    test('chunks of 100 MB announced with Expect: 100-continue: the go-ahead, then 413', async () => {
      const before = memoryOf(gateway)
      const wire = await openWire(gateway.proxy)
      wire.send(request(CHAT, [bearer, 'expect: 100-continue', 'transfer-encoding: chunked']))
      expect(await wire.next()).toMatchObject({ status: 100 })
      expect(await wire.flood(SIZE, chunked)).toBe(SIZE)
      expectRefusal(await wire.next(), { status: 413, code: 'body_too_large' })
      expect(memoryOf(gateway) - before).toBeLessThan(BOUND)
      wire.destroy()
    })

    test('Expect: 100-continue with a good body: the go-ahead, then the answer', async () => {
      const body = good()
      const wire = await openWire(gateway.proxy)
      wire.send(request(CHAT, [bearer, 'expect: 100-continue', `content-length: ${body.length}`]))
      expect(await wire.next()).toMatchObject({ status: 100 })
      expect(await wire.send(body).next()).toMatchObject({ status: 200 })
      wire.destroy()
    })

    test('any other expectation is no reason to refuse', async () => {
      expect(await post(good(), [bearer, 'expect: the-unexpected'])).toMatchObject({ status: 200 })
    })

    test.each([
      ['with its length', [`content-length: ${SIZE}`], undefined],
      ['in chunks', ['transfer-encoding: chunked'], chunked],
    ] as const)('100 MB %s without a key: 401 at once, and nothing of it is kept', async (_title, framing, frame) => {
      const before = memoryOf(gateway)
      const wire = await openWire(gateway.proxy)
      expectRefusal(await wire.send(request(CHAT, framing)).next(), { status: 401, code: 'missing_api_key' })
      await wire.flood(SIZE, frame)
      expect(memoryOf(gateway) - before).toBeLessThan(BOUND)
      wire.destroy()
    })

    test('Expect: 100-continue without a key: 401, no go-ahead', async () => {
      const reply = await exchange(gateway.proxy, request(CHAT, ['expect: 100-continue', `content-length: ${MIB}`]))
      expectRefusal(reply, { status: 401, code: 'missing_api_key' })
      expect(reply.headers['connection']).toBe('close')
    })

    test('one byte a second: 408 after the patience of the gateway', async () => {
      const wire = await openWire(gateway.proxy)
      wire.send(request(CHAT, [bearer, 'content-length: 1000']))
      const drip = setInterval(() => wire.send('x'), 1_000)
      try {
        expectRefusal(await wire.next(), { status: 408, code: 'request_timeout', says: /too slowly/ })
      } finally {
        clearInterval(drip)
        wire.destroy()
      }
    })

    test('a caller that goes away during its upload leaves a record and nothing else', async () => {
      await expectAlive()
      const before = await openFiles(gateway)
      const wires: Wire[] = []
      for (let count = 0; count < 40; count++) {
        const wire = await openWire(gateway.proxy)
        wires.push(
          wire.send(
            request(CHAT, [`authorization: Bearer ${gateway.token('hostile-gone-key')}`, `content-length: ${MIB}`]),
            Buffer.alloc(100_000, 'x'),
          ),
        )
      }
      await eventually(
        '40 open uploads',
        async () => (await openFiles(gateway)) >= before + 40 || process.platform !== 'linux',
      )
      for (const wire of wires) wire.destroy()
      const records = await eventually('40 records', async () => {
        const rows = await recordsOf(gateway, admin, 'default/hostile-gone')
        return rows.length === 40 && rows
      })
      expect(new Set(records.map(({ outcome, status }) => `${outcome} ${status}`))).toEqual(
        new Set(['client_gone 499']),
      )
      await eventually('all sockets closed', async () => (await openFiles(gateway)) < before + 10)
      expect(complaintsOf(gateway)).toEqual([])
    })
  })

  describe('HTTP itself', () => {
    const get404 = `GET /nowhere HTTP/1.1\r\nhost: x\r\n`
    const smuggled = 'GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n'
    const body = good()
    const head = (...lines: string[]): string =>
      `${CHAT} HTTP/1.1\r\nhost: x\r\n${[bearer, ...lines].join('\r\n')}\r\n\r\n`

    test('64 KB of headers: 431 in JSON', async () => {
      const many = Array.from({ length: 64 }, (_, index) => `x-filling-${index}: ${'f'.repeat(1_000)}`)
      expectRefusal(await exchange(gateway.proxy, request(CHAT, [bearer, ...many])), {
        status: 431,
        code: 'headers_too_large',
        says: /32768/,
      })
    })

    test('a header of 64 KB that never ends: 431 although the caller writes on', async () => {
      const wire = await openWire(gateway.proxy)
      wire.send(`GET / HTTP/1.1\r\nhost: x\r\nx-long: `)
      await wire.flood(4 * MIB)
      expectRefusal(await wire.next(), { status: 431, code: 'headers_too_large' })
      wire.destroy()
    })

    test.each<[string, (token: string) => string]>([
      ['content-length and transfer-encoding', () => `content-length: ${body.length}\r\ntransfer-encoding: chunked`],
      ['transfer-encoding and content-length', () => `transfer-encoding: chunked\r\ncontent-length: ${body.length}`],
      ['two content-lengths', () => `content-length: ${body.length}\r\ncontent-length: 0`],
      ['two equal content-lengths', () => `content-length: ${body.length}\r\ncontent-length: ${body.length}`],
      ['a content-length that is a list', () => `content-length: ${body.length}, ${body.length}`],
      ['a negative content-length', () => 'content-length: -5'],
      ['a content-length with a sign', () => `content-length: +${body.length}`],
      ['a content-length in hexadecimal', () => 'content-length: 0x20'],
      ['a content-length beyond all numbers', () => 'content-length: 99999999999999999999999'],
      ['transfer-encoding: chunked, identity', () => 'transfer-encoding: chunked, identity'],
      ['transfer-encoding: identity', () => 'transfer-encoding: identity'],
      ['transfer-encoding: xchunked', () => 'transfer-encoding: xchunked'],
      ['transfer-encoding before its colon a space', () => 'transfer-encoding : chunked'],
      ['a folded header', () => `x-folded: one\r\n two\r\ncontent-length: ${body.length}`],
      ['a header name with a space', () => `x header: 1\r\ncontent-length: ${body.length}`],
      ['a header line without a colon', () => `nothing\r\ncontent-length: ${body.length}`],
      ['a line feed in a header value', () => `x-tag: a\nx-smartflow-model: other\r\ncontent-length: ${body.length}`],
      [
        'a carriage return in a header value',
        () => `x-tag: a\rx-smartflow-model: other\r\ncontent-length: ${body.length}`,
      ],
      ['a zero byte in a header value', () => `x-tag: a\0b\r\ncontent-length: ${body.length}`],
    ])('%s: 400, the connection ends, and what stood behind it is not read', async (_title, lines) => {
      const wire = await openWire(gateway.proxy)
      wire.send(Buffer.from(`${head(lines(token))}${body}${smuggled}`, 'latin1'))
      expectRefusal(await wire.next(), { status: 400, code: 'invalid_request', says: /HTTP/ })
      await wire.closed
      expect(wire.rest).toBe('')
      expect(upstream.seen).toHaveLength(0)
    })

    test.each<[string, string]>([
      ['a chunk size that is no number', 'zz\r\n'],
      ['a chunk that is longer than it says', '5\r\n1234567890\r\n0\r\n\r\n'],
      ['a chunk extension that does not end', `5;${'e'.repeat(64 * 1024)}\r\n`],
    ])('%s: 400', async (_title, bytes) => {
      const wire = await openWire(gateway.proxy)
      wire.send(head('transfer-encoding: chunked'), bytes)
      const reply = await wire.next()
      expect([400, 413]).toContain(reply.status)
      expect((reply.json as ErrorBody).error.message).not.toBe('')
      await wire.closed
      expect(upstream.seen).toHaveLength(0)
    })

    test('no byte in a header value does harm: 200, or 400 in JSON', async () => {
      const statuses = new Set<number>()
      for (let byte = 0; byte < 256; byte++) {
        const value = Buffer.from([0x61, byte, 0x62])
        const bytes = Buffer.concat([
          Buffer.from(`${CHAT} HTTP/1.1\r\nhost: x\r\n${bearer}\r\ncontent-length: ${body.length}\r\ntraceparent: `),
          value,
          Buffer.from(`\r\n\r\n${body}`),
        ])
        const reply = await exchange(gateway.proxy, bytes)
        statuses.add(reply.status)
        if (reply.status !== 200) expectRefusal(reply, { status: 400, code: 'invalid_request' })
      }
      expect(statuses).toEqual(new Set([200, 400]))
      expect(complaintsOf(gateway)).toEqual([])
    })

    test('line breaks that a caller puts into a body or a path stand in no reply header', async () => {
      const evil = 'x\r\nx-evil: 1\r\n\r\nHTTP/1.1 200 OK\r\n'
      const replies = [
        await post(JSON.stringify(chat(evil))),
        await post(good(), [bearer, `x-smartflow-model: nobody/${encodeURIComponent(evil)}`]),
        await exchange(gateway.proxy, request(`GET /v1/models/${encodeURIComponent(evil)}`, [bearer])),
        await exchange(
          gateway.proxy,
          request(`GET /${encodeURIComponent(evil)}?${encodeURIComponent(evil)}`, [bearer]),
        ),
      ]
      expect(replies.map(({ status }) => status)).toEqual([404, 404, 404, 404])
      for (const { head: text } of replies) expect(text).not.toMatch(/x-evil/i)
    })

    test.each<[string, string | Buffer]>([
      ['words', 'hello there\r\n\r\n'],
      ['an unknown version', 'GET / HTTP/7.3\r\nhost: x\r\n\r\n'],
      ['an unknown method', 'STEAL / HTTP/1.1\r\nhost: x\r\n\r\n'],
      ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
      ['a TLS hello', Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03])],
      ['a tab in the request line', 'GET\t/health\tHTTP/1.1\r\nhost: x\r\n\r\n'],
      ['no host', 'GET /health HTTP/1.1\r\n\r\n'],
    ])('%s in place of HTTP: 400 in JSON', async (_title, bytes) => {
      expectRefusal(await exchange(gateway.proxy, bytes), { status: 400, code: 'invalid_request' })
    })

    test('HTTP/0.9: 404 in JSON', async () => {
      expectRefusal(await exchange(gateway.proxy, 'GET /nowhere\r\n\r\n'), { status: 404, code: 'unknown_url' })
    })

    test('headers that come too slowly: 408 in JSON', async () => {
      const wire = await openWire(gateway.proxy)
      wire.send('GET /health HTTP/1.1\r\nhost: x\r\n')
      const drip = setInterval(() => wire.send('x-more: 1\r\n'), 500)
      try {
        expectRefusal(await wire.next(), { status: 408, code: 'request_timeout', says: /headers/ })
      } finally {
        clearInterval(drip)
        wire.destroy()
      }
    })

    test('a caller that does not close after its 400 is closed', async () => {
      const before = await openFiles(gateway)
      const wires = await Promise.all(Array.from({ length: 30 }, () => openWire(gateway.proxy, { halfOpen: true })))
      for (const wire of wires)
        expectRefusal(await wire.send('nonsense\r\n\r\n').next(), { status: 400, code: 'invalid_request' })
      await eventually('all sockets closed', async () => (await openFiles(gateway)) < before + 10, 50_000)
      for (const wire of wires) wire.destroy()
    })

    test('requests sent in one go on one connection are answered in their order', async () => {
      upstream.answer = slow
      const wire = await openWire(gateway.proxy)
      wire.send(
        request('GET /v1/models', [bearer]),
        request(CHAT, [bearer], good()),
        request('GET /health'),
        request('GET /nowhere'),
      )
      wire.send(request(CHAT, [], good()), request('GET /v1/models', [bearer]))
      expect((await wire.next()).json).toMatchObject({ object: 'list' })
      expect((await wire.next()).json).toMatchObject({ object: 'chat.completion' })
      expect((await wire.next()).json).toEqual({ status: 'ok' })
      expect((await wire.next()).status).toBe(404)
      expect((await wire.next()).status).toBe(401)
      expect((await wire.next()).json).toMatchObject({ object: 'list' })
      wire.destroy()
    })

    test('garbage behind a request that is being answered ends the connection and never stands in the answer', async () => {
      const answering = Promise.withResolvers<void>()
      upstream.answer = async (seen, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        response.write(chunk('m', { content: 'one' }))
        answering.resolve()
        await seen.gone
      }
      const wire = await openWire(gateway.proxy)
      wire.send(request(CHAT, [bearer], good({ stream: true })))
      await answering.promise
      await eventually('the first event', () => wire.rest.includes('one'))
      wire.send('garbage\r\n\r\n')
      await wire.closed
      expect(wire.rest.match(/HTTP\/1\.1/g)).toHaveLength(1)
    })

    test('a garbage that follows a good request is answered after it', async () => {
      const wire = await openWire(gateway.proxy)
      expect(await wire.send(`${get404}\r\n`).next()).toMatchObject({ status: 404 })
      expectRefusal(await wire.send('garbage\r\n\r\n').next(), { status: 400, code: 'invalid_request' })
      await wire.closed
    })
  })

  describe('paths and methods', () => {
    test.each([
      ['http://gateway.test/v1/models'],
      ['//v1/models'],
      ['/v1/../v1/models'],
      ['/v1/./models'],
      ['/%2e%2e/v1/models'],
      ['/v1%2fmodels'],
      ['/v1/models%2f'],
      ['/v1/models//'],
      ['/V1/models'],
      ['/v1/models;x=1'],
      ['/v1/models%00'],
      ['/v1/models/%zz'],
      ['/v1\\models'],
      ['/v1/models%20'],
      ['*'],
      ['/api/vas/logs'],
      ['/api/../api/vas/logs'],
    ])('GET %s is nowhere: 404 in JSON', async path => {
      expectRefusal(await exchange(gateway.proxy, request(`GET ${path}`, [bearer])), {
        status: 404,
        code: 'unknown_url',
      })
    })

    test('a trailing slash and a query are accepted', async () => {
      for (const path of ['/v1/models/', '/v1/models?limit=1', '/v1/models/?x']) {
        expect(await exchange(gateway.proxy, request(`GET ${path}`, [bearer]))).toMatchObject({
          status: 200,
          json: { object: 'list' },
        })
      }
      expect(await exchange(gateway.proxy, request('POST /v1/chat/completions/', [bearer], good()))).toMatchObject({
        status: 200,
      })
    })

    test.each([
      ['GET /v1/chat/completions', 'POST'],
      ['PUT /v1/chat/completions', 'POST'],
      ['DELETE /v1/models', 'GET, HEAD'],
      ['POST /v1/models/gpt-test', 'GET, HEAD'],
      ['TRACE /health', 'GET, HEAD'],
      ['PROPFIND /health', 'GET, HEAD'],
    ])('%s: 405 in JSON, allowed is %s', async (line, allowed) => {
      const reply = await exchange(gateway.proxy, request(line, [bearer]))
      expectRefusal(reply, { status: 405, code: 'method_not_allowed', says: new RegExp(allowed.split(',')[0] ?? '') })
      expect(reply.headers['allow']).toBe(allowed)
    })

    test('OPTIONS: 405 in JSON, and no word that would let a web page in', async () => {
      const reply = await exchange(
        gateway.proxy,
        request('OPTIONS /v1/chat/completions', ['origin: https://evil.test', 'access-control-request-method: POST']),
      )
      expectRefusal(reply, { status: 405, code: 'method_not_allowed' })
      expect(reply.headers['allow']).toBe('POST')
      expect(reply.head).not.toMatch(/access-control/i)
    })

    test('HEAD: the headers of GET without its body, and the connection goes on', async () => {
      const wire = await openWire(gateway.proxy)
      const head = await wire.send(request('HEAD /v1/models', [bearer])).next(true)
      const whole = await wire.send(request('GET /v1/models', [bearer])).next()
      expect(head.status).toBe(200)
      expect(head.headers['content-length']).toBe(whole.headers['content-length'])
      expect((await wire.send(request('HEAD /nowhere')).next(true)).status).toBe(404)
      expect(await wire.send(request('GET /health')).next()).toMatchObject({ json: { status: 'ok' } })
      wire.destroy()
    })

    test.each([
      [
        'a WebSocket',
        'GET /v1/models',
        [
          'connection: Upgrade',
          'upgrade: websocket',
          'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==',
          'sec-websocket-version: 13',
        ],
        '',
      ],
      [
        'HTTP/2, as Java clients offer it',
        CHAT,
        [
          'connection: Upgrade, HTTP2-Settings',
          'upgrade: h2c',
          'http2-settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA',
        ],
        good(),
      ],
    ])(
      'an offer to go on with %s is not taken up, and the request is answered',
      async (_title, line, headers, text) => {
        const wire = await openWire(gateway.proxy)
        const reply = await wire.send(request(line, [bearer, ...headers], text)).next()
        expect(reply.status).toBe(200)
        expect(reply.headers['upgrade']).toBeUndefined()
        expect(await wire.send(request('GET /health')).next()).toMatchObject({ json: { status: 'ok' } })
        wire.destroy()
      },
    )

    test('CONNECT: 405 in JSON', async () => {
      expectRefusal(await exchange(gateway.proxy, 'CONNECT 169.254.169.254:80 HTTP/1.1\r\nhost: x\r\n\r\n'), {
        status: 405,
        code: 'method_not_allowed',
      })
    })
  })

  describe('connections', () => {
    test('500 idle connections cost nobody anything, and are closed in time', async () => {
      const wires = await Promise.all(Array.from({ length: 500 }, () => openWire(gateway.proxy)))
      await expectAlive()
      await Promise.all(wires.map(wire => wire.closed))
      await expectAlive()
    })

    test('a caller that never reads its stream is cut off, and the provider with it', async () => {
      const gone = Promise.withResolvers<void>()
      upstream.answer = async (seen, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        void seen.gone.then(gone.resolve)
        const piece = chunk('m', { content: 'x'.repeat(10_000) })
        while (!response.destroyed) {
          if (!response.write(piece)) await taken(response)
        }
      }
      const wire = await openWire(gateway.proxy)
      wire.socket.pause()
      wire.send(request(CHAT, [`authorization: Bearer ${gateway.token('hostile-reader-key')}`], good({ stream: true })))
      await gone.promise
      const [record] = await eventually('a record', async () => {
        const rows = await recordsOf(gateway, admin, 'default/hostile-reader')
        return rows.length === 1 && rows
      })
      expect(record).toMatchObject({ outcome: 'client_gone', status: 200 })
      expect(record?.cost).toBeGreaterThan(0)
      wire.destroy()
    })

    test('a caller that never reads its whole answer is cut off', async () => {
      await expectAlive()
      const before = await openFiles(gateway)
      upstream.answer = whole('x'.repeat(20 * MIB))
      const wires: Wire[] = []
      for (let count = 0; count < 5; count++) {
        const wire = await openWire(gateway.proxy)
        wire.socket.pause()
        wires.push(wire.send(request(CHAT, [bearer], good())))
      }
      await eventually('all were asked for', () => upstream.seen.length === 5)
      await eventually(
        'all sockets closed',
        async () => (await openFiles(gateway)) < before + 5 || process.platform !== 'linux',
        50_000,
      )
      for (const wire of wires) wire.destroy()
    })
  })

  describe('administration', () => {
    test('an ordinary key: 403 on the logs and on the metrics of the proxy', async () => {
      for (const url of [`${gateway.management}/api/vas/logs`, `${gateway.proxy}/metrics`]) {
        expectRefusal(await get(url, token), { status: 403, code: 'insufficient_role', says: /InternalUser/ })
        expectRefusal(await get(url), { status: 401, code: 'missing_api_key' })
        expect(await get(url, admin)).toMatchObject({ status: 200 })
      }
    })

    test('what belongs to one port is nowhere on the other', async () => {
      const routes = ['/api/vas/logs', '/api/vas/logs/some-id', '/api/metacache/stats', '/api/health/comprehensive']
      for (const route of routes)
        expectRefusal(await get(gateway.proxy + route, admin), { status: 404, code: 'unknown_url' })
      for (const route of ['/v1/models', '/v1/models/gpt-test', '/metrics'])
        expectRefusal(await get(gateway.management + route, admin), { status: 404, code: 'unknown_url' })
      expectRefusal(await ask(gateway.management, admin, chat('gpt-test')), { status: 404, code: 'unknown_url' })
    })

    test('with SMARTFLOW_SINGLE_PORT all of them are on the one port, each with its own access', async () => {
      const single = await startGateway({
        redisUrl: redis.url,
        gateway: 'hostile',
        keysDir: `${gateway.stateDir}/keys`,
        env: { SMARTFLOW_SINGLE_PORT: 'true' },
      })
      expect(single.management).toBe(single.proxy)
      expect(
        await eventually(
          'its configuration',
          async () => (await ask(single.proxy, token, chat('gpt-test'))).status === 200,
        ),
      ).toBe(true)
      for (const route of ['/api/vas/logs', '/metrics', '/api/metacache/stats']) {
        expectRefusal(await get(single.proxy + route, token), { status: 403, code: 'insufficient_role' })
        expect(await get(single.proxy + route, admin)).toMatchObject({ status: 200 })
      }
      expectRefusal(await get(`${single.proxy}/-/config`, admin), { status: 404, code: 'unknown_url' })
      await single.stop()
    })
  })

  test('after all this the gateway serves, and has nothing to complain of', async () => {
    await expectAlive()
    expect(complaintsOf(gateway)).toEqual([])
  })
})
