// The load generator and the mock upstream against each other, in one process: parser, percentiles, loops, streams.
import { createServer as createHttpServer } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Http1Error, Http1Parser } from './http1.ts'
import { closedLoop, openLoop } from './load.ts'
import { promptMaker, type LoadTarget } from './prompts.ts'
import { percentile, Samples } from './samples.ts'
import { StampReader } from './stamps.ts'
import { streamLoad } from './streams.ts'
import { startUpstream, type Upstream } from './upstream.ts'

let upstream: Upstream
let target: LoadTarget

beforeAll(async () => {
  upstream = await startUpstream()
  target = { url: `${upstream.url}/v1/chat/completions`, model: 'mock-gpt', key: 'sk-test' }
})
afterAll(() => upstream.stop())

/** The messages found when `text` comes in pieces of `size` bytes, as `start|body`. */
function parse(kind: 'request' | 'response', text: string, size: number): { found: string[]; whole: boolean } {
  const found: string[] = []
  let start = ''
  let body = ''
  const parser = new Http1Parser(kind, {
    onHead: line => {
      start = line
      body = ''
    },
    onBody: bytes => {
      body += bytes.toString('latin1')
    },
    onEnd: () => void found.push(`${start}|${body}`),
  })
  for (let at = 0; at < text.length; at += size) parser.push(Buffer.from(text.slice(at, at + size), 'latin1'))
  return { found, whole: parser.finish() }
}

describe('Http1Parser', () => {
  const responses =
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello' +
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nX-Cost: 1\r\n\r\n' +
    'HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\nto the end'
  const expected = [
    'HTTP/1.1 200 OK|hello',
    'HTTP/1.1 200 OK|abc0123456789',
    'HTTP/1.1 204 No Content|',
    'HTTP/1.1 500 Oh|',
    'HTTP/1.1 200 OK|to the end',
  ]

  it.each([1, 2, 3, 7, 64, 10_000])('reads responses in pieces of %i bytes', size => {
    expect(parse('response', responses, size)).toEqual({ found: expected, whole: true })
  })

  it('reads pipelined requests and sees a cut one', () => {
    const two = 'GET /stats HTTP/1.1\r\nHost: x\r\n\r\nPOST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nxyz'
    expect(parse('request', two, 5)).toEqual({ found: ['GET /stats HTTP/1.1|', 'POST /a HTTP/1.1|xyz'], whole: true })
    expect(parse('request', two.slice(0, -1), 5).whole).toBe(false)
  })

  it.each([
    'POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n',
    'POST / HTTP/1.1\r\nContent-Length: 0x3\r\n\r\n',
    'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n',
    'hello\r\n\r\n',
    `GET / HTTP/1.1\r\nx: ${'y'.repeat(70_000)}`,
  ])('refuses %j', text => {
    expect(() => parse('request', text, 100_000)).toThrow(Http1Error)
  })
})

describe('percentiles', () => {
  it('are values that were measured, by nearest rank', () => {
    expect([0, 0.5, 0.51, 0.99, 1].map(p => percentile([1, 2, 3, 4], p))).toEqual([1, 2, 3, 4, 4])
    const samples = new Samples()
    expect(samples.spread()).toBeUndefined()
    for (let i = 10_000; i > 0; i--) samples.add(i)
    expect(samples.spread()).toEqual({ n: 10_000, mean: 5000.5, p50: 5000, p90: 9000, p99: 9900, max: 10_000 })
  })
})

describe('whole replies', () => {
  it('closed loop: every call is new and answered', async () => {
    const before = upstream.stats.requests
    const result = await closedLoop(target, { connections: 8, requests: 300 })
    expect(result).toMatchObject({ requests: 300, ok: 300, failed: 0, wrong: 0, errors: {} })
    expect(result.latencyMs?.n).toBe(300)
    expect(upstream.stats.requests - before).toBe(300)
    const next = promptMaker(target)
    expect(next().token).not.toBe(next().token)
    const same = promptMaker(target, { repeat: true })
    expect(same()).toEqual(same())
  })

  it('counts refusals, cut replies and time-outs as failed', async () => {
    const calls = { connections: 2, requests: 4 }
    const refused = await closedLoop(target, { ...calls, directives: 'status=503' })
    expect(refused).toMatchObject({ ok: 0, failed: 4, latencyMs: undefined })
    expect(Object.keys(refused.errors)[0]).toMatch(/^status 503: .*asked for/)
    expect(await closedLoop(target, { ...calls, directives: 'cut=0' })).toMatchObject({ ok: 0, failed: 4 })
    const slow = await closedLoop(target, { ...calls, directives: 'latency=5000', timeoutMs: 40 })
    expect(slow.errors).toEqual({ 'timed out': 4 })
  })

  it('sees a reply that belongs to another call', async () => {
    const server = createHttpServer((_, response) => response.end('{"choices":[]}')).listen(0, '127.0.0.1')
    await new Promise(resolve => server.once('listening', resolve))
    const { port } = server.address() as AddressInfo
    const wrong = await closedLoop({ ...target, url: `http://127.0.0.1:${port}/` }, { connections: 1, requests: 3 })
    server.close()
    expect(wrong).toMatchObject({ ok: 0, failed: 0, wrong: 3 })
  })

  it('open loop: latency counts from when a call was due, not from when it could be sent', async () => {
    const result = await openLoop(target, { rate: 200, seconds: 0.1, connections: 1, directives: 'latency=20' })
    expect(result).toMatchObject({ requests: 20, ok: 20, failed: 0 })
    expect(result.latencyMs?.max).toBeGreaterThan(250)
    expect(result.lateMs?.max).toBeGreaterThan(230)
  })

  it('loads nobody else', () => {
    expect(() => promptMaker({ url: 'http://192.0.2.1/v1/chat/completions', model: 'm' })).toThrow('this machine only')
  })
})

describe('streams', () => {
  it('are whole and on time', async () => {
    const result = await streamLoad(target, { connections: 5, streams: 10, chunks: 12, delay: 5, rampMs: 5 })
    expect(result).toMatchObject({ streams: 10, ok: 10, failed: 0, chunks: 120, lost: 0, doubled: 0, outOfOrder: 0 })
    expect(result.ttftMs?.p50).toBeGreaterThan(1)
    expect(result.transitMs?.n).toBe(120)
    expect(result.transitMs?.max).toBeLessThan(1000)
  })

  it('count what is lost, doubled and out of order, also when a stamp is split', () => {
    const counts = { chunks: 0, lost: 0, doubled: 0, outOfOrder: 0, noUsage: 0, noDone: 0 }
    const reader = new StampReader(6, 'mine', counts)
    const text = [0, 1, 1, 3, 2, 5].map(seq => `data: {"content":" ${seq}@${process.hrtime.bigint()}"}\n\n`).join('')
    let fresh = 0
    for (const byte of Buffer.from(text)) fresh += reader.read(Buffer.of(byte), () => {})
    expect(fresh).toBe(5)
    expect(reader.fault()).toBe('stream ended with chunks missing')
    reader.close()
    const other = new StampReader(1, 'mine', { ...counts })
    other.read(Buffer.from('data: {"content":"another 0@1"}\n\n'), () => {})
    expect(other.fault()).toBe('the reply to another prompt')
    expect(counts).toEqual({ chunks: 5, lost: 1, doubled: 1, outOfOrder: 1, noUsage: 1, noDone: 1 })
  })
})

/** Sends raw bytes to the upstream and returns all that comes back until it closes. */
function raw(text: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  let reply = ''
  const socket = connect(Number(new URL(upstream.url).port), '127.0.0.1', () => void socket.write(text))
  socket.on('data', bytes => {
    reply += String(bytes)
  })
  socket.on('close', () => resolve(reply))
  return promise
}

function post(body: string, headers = ''): string {
  const length = `Content-Length: ${Buffer.byteLength(body)}\r\n`
  return `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n${headers}${length}\r\n${body}`
}

function ask(text: string): string {
  return JSON.stringify({ model: 'm', messages: [{ role: 'user', content: text }] })
}

describe('mock upstream', () => {
  it('answers pipelined calls in their order, large bodies too', async () => {
    const slow = post(ask('[[mock latency=20 echo=first]]'))
    const large = post(ask(`${'ä'.repeat(1_000_000)} [[mock echo=second]]`))
    const last = post(ask('[[mock echo=third bytes=5000]]'), 'Connection: close\r\n')
    const reply = await raw(slow + large + last)
    const order = ['first', 'second', 'third'].map(token => reply.indexOf(token))
    expect(order).toEqual(order.toSorted((a, b) => a - b))
    expect(reply.match(/HTTP\/1.1 200 OK/g)).toHaveLength(3)
    expect(reply.length).toBeGreaterThan(5000)
  })

  it.each([
    [400, 'not JSON'],
    [400, '[]'],
    [400, '{"messages":[{"role":"user","content":"x"}]}'],
    [400, '{"model":"m"}'],
    [400, '{"model":"m","messages":[]}'],
    [400, '{"model":"m","messages":[{"content":"x"}]}'],
    [400, '{"model":"m","messages":[{"role":"user","content":"x"}],"stream_options":{"include_usage":true}}'],
    [400, ask('[[mock chunk=5]]')],
    [400, ask('[[mock chunks=0]]')],
    [429, ask('[[mock status=429 retry=7]]')],
  ])('answers %i to %s', async (status, body) => {
    expect(await raw(post(body, 'Connection: close\r\n'))).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
  })

  it('has no other endpoint', async () => {
    const close = 'HTTP/1.1\r\nConnection: close\r\n\r\n'
    expect(await raw(`POST /v1/completions ${close}`)).toContain(' 404 ')
    expect(await raw(`GET /v1/chat/completions ${close}`)).toContain(' 405 ')
    expect(await raw('nonsense\r\n\r\n')).toContain(' 400 ')
    expect(await raw(`GET /stats ${close}`)).toContain('"requests":')
  })

  it('notices callers that leave, and leaves nothing active', async () => {
    const gone = upstream.stats.clientGone
    const socket = connect(Number(new URL(upstream.url).port), '127.0.0.1')
    socket.write(post(`${ask('[[mock chunks=1000 delay=5]]').slice(0, -1)},"stream":true}`))
    await new Promise(resolve => socket.once('data', resolve))
    socket.destroy()
    await expect.poll(() => upstream.stats.clientGone).toBe(gone + 1)
    expect(upstream.stats.active).toBe(0)
  })
})
