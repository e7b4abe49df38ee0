// Streams reach the caller byte for byte, however their bytes were cut; and a caller that leaves is noticed at once, pays for
// what it saw, and leaves nothing behind.
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { type RedisServer, startRedis } from '../../hack/redis.ts'
import { verifies } from '../requirements.ts'
import { ask, chat } from './calls.ts'
import { cleanUp, eventually, type GatewayProcess, startGateway, temporary } from './gateway.ts'
import { complaintsOf, recordOf, recordsOf, type Row } from './observe.ts'
import { price, scripted, virtualKey, yaml } from './resources.ts'
import { chunk, hang, type Script, startUpstream, type Upstream, usage, whole, taken } from './upstream.ts'
import { openWire, request } from './wire.ts'

const FRAMES = 10_000
const FREE = whole('free', usage(0, 0))
/** The one thing that the gateway adds to a stream (docs/decisions/0004). */
const COST_COMMENT = /: x-smartflow-response-cost (\S+)\n\n/g

/** Texts that have misled readers of streams: line breaks, end markers, members of errors and usage, every width of UTF-8. */
const PIECES = [
  'Hello',
  ' wörld',
  ' 日本語',
  ' 🙂🏳️‍🌈',
  '\n\n',
  '\r\n\r\n',
  'data: [DONE]',
  '"error"',
  'error',
  '"choices":[]',
  '\\',
  '\u2028',
  ' \u0000',
  ': comment',
  '',
]

/** Random numbers below `below` that are the same in every run. */
function dice(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

interface Events {
  /** Without the usage event and the end marker. */
  readonly answer: readonly string[]
  readonly usage: string
  readonly end: string
}

/** A long stream; `asked`: the provider was asked for the usage, so that every chunk has the member. */
function eventsOf(
  seed: number,
  { frames, lineEnd, asked }: { frames: number; lineEnd: string; asked: boolean },
): Events {
  const roll = dice(seed)
  const event = (...lines: readonly string[]): string => lines.map(line => line + lineEnd).join('') + lineEnd
  const data = (choices: readonly object[], used: object | null): string =>
    `data: ${JSON.stringify({ id: `chatcmpl-${seed}`, object: 'chat.completion.chunk', created: 1, model: 'm', choices, ...(asked ? { usage: used } : {}) })}`
  const answer: string[] = []
  for (let index = 0; index < frames; index++) {
    const content = Array.from({ length: roll(4) }, () => PIECES[roll(PIECES.length)]).join('')
    const extra = [[`: ping ${index}`], ['event: message'], [`id: ${index}`], [], [], [], [], []][roll(8)] ?? []
    answer.push(event(...extra, data([{ index: 0, delta: { content }, finish_reason: null }], null)))
  }
  answer.push(event(data([{ index: 0, delta: {}, finish_reason: 'stop' }], null)))
  return { answer, usage: event(data([], usage(10, frames))), end: event('data: [DONE]') }
}

/** Cuts at random places: many pieces of one byte, so that no boundary, escape or character stays whole. */
function cut(bytes: Buffer, roll: (below: number) => number): Buffer[] {
  const pieces: Buffer[] = []
  for (let at = 0; at < bytes.length;) {
    const length = roll(4) === 0 ? 1 : 1 + roll(400)
    pieces.push(bytes.subarray(at, at + length))
    at += length
  }
  return pieces
}

/** Writes pieces, each as an HTTP chunk of its own, at the reader's pace. */
function written(pieces: readonly Buffer[]): Script {
  return async (_seen, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const piece of pieces) {
      if (!response.write(piece)) await taken(response)
    }
    response.end()
  }
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

describe.skipIf(inject('redisUrl') === '')('streams (skipped without a Redis)', () => {
  let redis: RedisServer
  let upstream: Upstream
  let gateway: GatewayProcess
  let admin: string

  beforeAll(async () => {
    redis = await startRedis({ dir: temporary(), persist: false })
    upstream = await startUpstream()
    const budget = { budget: { amountUSD: '1000', period: 'Lifetime' }, rateLimit: { concurrency: 1 } }
    gateway = await startGateway({
      redisUrl: redis.url,
      gateway: 'streams',
      resources: yaml(
        ...scripted('mock', upstream.url, { pricing: [price('gpt-test', '100')] }),
        virtualKey('streams-admin', { role: 'ProxyAdmin' }),
        ...['leaves-stream', 'leaves-early', 'leaves-whole'].map(name => virtualKey(name, budget)),
      ),
    })
    admin = gateway.token('streams-admin-key')
  })

  afterAll(async () => {
    await redis?.stop()
    await cleanUp()
    await upstream?.close()
  })

  beforeEach(() => {
    upstream.seen.length = 0
  })

  interface Stream {
    readonly bytes: Buffer
    /** Without the gateway's comment. */
    readonly plain: Buffer
    /** What the comment says. */
    readonly costs: readonly string[]
    readonly id: string
  }

  /** Streams; the body is not read before `ready`. */
  async function streamed(more: object = {}, ready: Promise<void> = Promise.resolve()): Promise<Stream> {
    const response = await fetch(`${gateway.proxy}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${admin}` },
      body: JSON.stringify(chat('gpt-test', 'Hello', { stream: true, ...more })),
    })
    expect(response.status).toBe(200)
    await ready
    const bytes = Buffer.from(await response.arrayBuffer())
    const text = bytes.toString('latin1')
    const costs = [...text.matchAll(COST_COMMENT)].map(([, cost = '']) => cost)
    return {
      bytes,
      plain: Buffer.from(text.replace(COST_COMMENT, ''), 'latin1'),
      costs,
      id: response.headers.get('x-request-id') ?? '',
    }
  }

  describe('byte for byte', () => {
    const asked = { stream_options: { include_usage: true } }
    const declined = { stream_options: { include_usage: false } }

    test.each<[string, number, string, object]>([
      ['line feeds, the usage not asked for', 1, '\n', {}],
      ['line feeds, the usage not asked for', 2, '\n', {}],
      ['line feeds, the usage declined', 3, '\n', declined],
      ['line feeds, the usage asked for', 4, '\n', asked],
      ['line feeds, the usage asked for', 5, '\n', asked],
      ['CR LF, the usage not asked for', 6, '\r\n', {}],
      ['CR LF, the usage not asked for', 7, '\r\n', {}],
      ['CR LF, the usage asked for', 8, '\r\n', asked],
      ['carriage returns, the usage not asked for', 9, '\r', {}],
      ['carriage returns, the usage asked for', 10, '\r', asked],
    ])(`10,000 frames cut anywhere: %s (seed %i) ${verifies('L01')}`, async (_title, seed, lineEnd, more) => {
      const events = eventsOf(seed, { frames: FRAMES, lineEnd, asked: true })
      upstream.answer = written(cut(Buffer.from([...events.answer, events.usage, events.end].join('')), dice(seed)))
      const { plain, bytes, costs, id } = await streamed(more)
      expect(upstream.seen[0]?.body['stream_options']).toEqual({ include_usage: true })
      const wanted = [...events.answer, ...(more === asked ? [events.usage] : []), events.end].join('')
      expect(plain).toHaveLength(Buffer.byteLength(wanted))
      expect(sha256(plain)).toBe(sha256(Buffer.from(wanted)))
      expect(costs).toHaveLength(1)
      expect(bytes.toString('latin1').endsWith(`\n\n${events.end}`)).toBe(true)
      const record = await recordOf(gateway, admin, id)
      expect(record).toMatchObject({
        outcome: 'complete',
        cost: Number(costs[0]),
        metrics: { usage_source: 'reported', prompt_tokens: 10, completion_tokens: FRAMES },
      })
    })

    test('every way to cut a short stream in two gives the same bytes', async () => {
      const events = eventsOf(11, { frames: 2, lineEnd: '\r\n', asked: true })
      const whole = Buffer.from([...events.answer, events.usage, events.end].join(''))
      const wanted = [...events.answer, events.end].join('')
      for (let at = 1; at < whole.length; at++) {
        upstream.answer = written([whole.subarray(0, at), whole.subarray(at)])
        expect({ at, text: (await streamed()).plain.toString() }).toEqual({ at, text: wanted })
      }
    })

    test('100 streams at once, each its own', async () => {
      const all = Array.from({ length: 100 }, (_, index) =>
        eventsOf(1_000 + index, { frames: 100, lineEnd: '\n', asked: true }),
      )
      upstream.answer = (seen, response) => {
        const index = Number(seen.body['user'])
        const { answer, usage: used, end } = all[index] ?? { answer: [], usage: '', end: '' }
        return written(cut(Buffer.from([...answer, used, end].join('')), dice(index)))(seen, response)
      }
      const streams = await Promise.all(all.map((_, index) => streamed({ user: String(index) })))
      for (const [index, { plain }] of streams.entries()) {
        const { answer = [], end = '' } = all[index] ?? {}
        expect(sha256(plain)).toBe(sha256(Buffer.from([...answer, end].join(''))))
      }
    })

    test('a caller that reads late gets every byte, and meanwhile the provider is held back', async () => {
      const held = Promise.withResolvers<void>()
      const piece = chunk('m', { content: 'x'.repeat(50_000) })
      const end = `${chunk('m', {}, 'stop')}data: [DONE]\n\n`
      const count = 1_000
      upstream.answer = async (_seen, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        const timer = setTimeout(held.resolve, 20_000)
        for (let index = 0; index < count; index++) {
          if (response.write(piece)) continue
          const waiting = setTimeout(held.resolve, 500) // nothing was taken for so long: the provider is held back
          await taken(response)
          clearTimeout(waiting)
        }
        clearTimeout(timer)
        response.end(end)
      }
      const { plain } = await streamed({}, held.promise)
      expect(plain).toHaveLength(piece.length * count + end.length)
    })
  })

  describe('a caller that leaves', () => {
    /** The one record of a key's only call so far. */
    function onlyRecord(key: string): Promise<Row> {
      return eventually(`a record of ${key}`, async () => {
        const rows = await recordsOf(gateway, admin, `default/${key}`)
        expect(rows.length).toBeLessThan(2)
        return rows[0]
      })
    }

    /** Calls until `leave` says so, then goes away; gives how long the provider took to see it. */
    async function leaves(key: string, more: object, until: (text: () => string) => Promise<void>): Promise<number> {
      const wire = await openWire(gateway.proxy)
      wire.send(
        request(
          'POST /v1/chat/completions',
          [`authorization: Bearer ${gateway.token(`${key}-key`)}`],
          JSON.stringify(chat('gpt-test', 'Hello', { max_tokens: 100, ...more })),
        ),
      )
      const seen = await eventually('the provider was asked', () => upstream.seen[0])
      await until(() => wire.rest)
      const leftAt = performance.now()
      wire.destroy()
      await seen.gone
      return performance.now() - leftAt
    }

    /** The next call of the key finds room, and only what the record says was spent. */
    async function expectRoom(key: string, spent: number): Promise<void> {
      upstream.answer = FREE
      const answer = await eventually('room for the next call', async () => {
        const next = await ask(
          gateway.proxy,
          gateway.token(`${key}-key`),
          chat('gpt-test', 'Hello', { max_tokens: 100 }),
        )
        return next.status === 200 && next
      })
      expect(Number(answer.headers.get('x-smartflow-budget-spent'))).toBe(spent)
      expect(complaintsOf(gateway)).toEqual([])
    }

    test(`in the middle of its stream: the provider is told within a second, and what was seen is paid for ${verifies('K06')}`, async () => {
      const words = ['one', ' two', ' three', ' four', ' five']
      upstream.answer = (seen, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        for (const content of words) response.write(chunk('m', { content }))
        return seen.gone
      }
      const ms = await leaves('leaves-stream', { stream: true }, async text => {
        await eventually('five words', () => text().includes(' five'))
      })
      expect(ms).toBeLessThan(10_000)
      const record = await onlyRecord('leaves-stream')
      expect(record).toMatchObject({
        status: 200,
        outcome: 'client_gone',
        cost_known: true,
        metrics: { usage_source: 'counted' },
      })
      expect(record.metrics.completion_tokens).toBeGreaterThanOrEqual(words.length)
      expect(record.cost).toBeCloseTo((record.metrics.prompt_tokens + record.metrics.completion_tokens) / 10_000, 9)
      await expectRoom('leaves-stream', record.cost)
    })

    test('before its stream begins: the provider is told, and it costs nothing', async () => {
      upstream.answer = hang
      expect(await leaves('leaves-early', { stream: true }, async () => {})).toBeLessThan(10_000)
      const record = await onlyRecord('leaves-early')
      expect(record).toMatchObject({ status: 499, outcome: 'client_gone', cost: 0, tokens_used: 0 })
      await expectRoom('leaves-early', 0)
    })

    test('while a whole answer is on its way: the provider is told, and it costs nothing', async () => {
      upstream.answer = (seen, response) => {
        response.writeHead(200, { 'content-type': 'application/json' }).write('{"choices":[')
        return seen.gone
      }
      expect(await leaves('leaves-whole', {}, async () => {})).toBeLessThan(10_000)
      const record = await onlyRecord('leaves-whole')
      expect(record).toMatchObject({ status: 499, outcome: 'client_gone', cost: 0 })
      await expectRoom('leaves-whole', 0)
    })
  })
})
