// A chain whose first provider misbehaves in every way there is: the caller gets a right answer or a right error, every
// attempt stands in the log, and no more upstream calls are made than the chain allows (R01, R04).
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { verifies } from '../requirements.ts'
import { type Answer, ask, chat, get } from './calls.ts'
import { cleanUp, eventually, type GatewayProcess, startGateway } from './gateway.ts'
import { fresh, resource, scripted, tenant, virtualKey, yaml } from './resources.ts'
import { chunk, hang, raw, reset, type Script, startUpstream, type Upstream, whole } from './upstream.ts'

const redisUrl = inject('redisUrl')
const TENANT = fresh('failover')
const RETRY = { attempts: 2, baseDelay: '1ms', maxDelay: '1s', jitterPercent: 20 }
const NEVER = { failures: 100, openFor: '1s' }

const RESOURCES = (one: string, two: string): string =>
  yaml(
    ...tenant(
      TENANT,
      {},
      ...scripted('one', one, { models: { allow: ['one-*'] } }),
      ...scripted('two', two, { models: { allow: ['two-*'] } }),
      // The second for providers that keep silent: a busy machine must not be taken for one of those.
      ...Object.entries({ patient: '30s', hurried: '1s' }).map(([name, timeout]) =>
        resource('FallbackChain', name, {
          models: [name],
          targets: [
            { name: 'first', providerRef: { name: 'one' }, model: 'one-a', timeout, retry: RETRY },
            { name: 'second', providerRef: { name: 'two' }, model: 'two-b', timeout, retry: RETRY },
          ],
          breaker: NEVER,
        }),
      ),
      resource('FallbackChain', 'bounded', {
        models: ['bounded'],
        targets: [
          { name: 'first', providerRef: { name: 'one' }, model: 'one-a', retry: { ...RETRY, attempts: 10 } },
          { name: 'second', providerRef: { name: 'two' }, model: 'two-b', retry: { ...RETRY, attempts: 10 } },
        ],
        maxAttempts: 4,
        breaker: NEVER,
      }),
      resource('FallbackChain', 'hasty', {
        models: ['hasty'],
        targets: [
          { name: 'first', providerRef: { name: 'one' }, model: 'one-a', retry: { ...RETRY, attempts: 10 } },
          { name: 'second', providerRef: { name: 'two' }, model: 'two-b', retry: { ...RETRY, attempts: 10 } },
        ],
        maxTotalDuration: '1s',
        breaker: NEVER,
      }),
      resource('FallbackChain', 'guarded', {
        models: ['guarded'],
        targets: [
          { name: 'first', providerRef: { name: 'one' }, model: 'one-guarded', retry: { ...RETRY, attempts: 0 } },
          { name: 'second', providerRef: { name: 'two' }, model: 'two-b', retry: RETRY },
        ],
        breaker: { failures: 2, openFor: '5s' },
      }),
      virtualKey('admin', { role: 'ProxyAdmin' }),
    ),
  )

/** `times` bad answers, then good ones. */
function first(times: number, bad: Script, good: Script = whole('at last')): Script {
  let count = 0
  return (seen, response) => (count++ < times ? bad : good)(seen, response)
}

const failure = (status: number, headers: Record<string, string> = {}): Script =>
  raw(status, '{"error":{"message":"no luck","type":"server_error","code":null}}', {
    'content-type': 'application/json',
    ...headers,
  })

/** Bytes that come, but never to an end. */
const trickle: Script = async (seen, response) => {
  response.writeHead(200, { 'content-type': 'application/json' })
  const timer = setInterval(() => response.write(' '), 20)
  await seen.gone
  clearInterval(timer)
}

describe.skipIf(redisUrl === '')('failover (skipped without a Redis)', () => {
  let one: Upstream
  let two: Upstream
  let gateway: GatewayProcess

  beforeAll(async () => {
    ;[one, two] = await Promise.all([startUpstream(), startUpstream()])
    gateway = await startGateway({ redisUrl, gateway: TENANT, resources: RESOURCES(one.url, two.url) })
  })

  afterAll(async () => {
    await cleanUp()
    await Promise.all([one?.close(), two?.close()])
  })

  beforeEach(() => {
    one.answer = whole('from one')
    two.answer = whole('from two')
    for (const { seen } of [one, two]) seen.length = 0
  })

  const send = (model: string, more: object = {}): Promise<Answer> =>
    ask(gateway.proxy, gateway.token('admin-key'), chat(model, 'Hello', more))

  async function attemptsOf({ headers }: Answer): Promise<object[]> {
    const url = `${gateway.management}/api/vas/logs/${headers.get('x-smartflow-request-id')}`
    const data = await eventually(
      'the record is there',
      async () => (await get(url, gateway.token('admin-key'))).json?.['data'] as { attempts: object[] } | undefined,
    )
    return data.attempts
  }

  describe('a cause to repeat for', () => {
    const causes: { readonly what: string; readonly bad: Script; readonly status: number }[] = [
      { what: '429 without Retry-After', bad: failure(429), status: 429 },
      { what: '429 with Retry-After: 0', bad: failure(429, { 'retry-after': '0' }), status: 429 },
      { what: '500', bad: failure(500), status: 500 },
      { what: '503', bad: failure(503), status: 503 },
      { what: 'no answer', bad: hang, status: 504 },
      { what: 'a reset', bad: reset, status: 502 },
      { what: 'a trickle', bad: trickle, status: 504 },
    ]
    for (const { what, bad, status } of causes) {
      const model = status === 504 ? 'hurried' : 'patient'

      test(`${what}: the same target answers when asked again ${verifies('R01')}`, async () => {
        one.answer = first(2, bad)
        const answer = await send(model)
        expect(answer.status).toBe(200)
        expect(answer.text).toContain('at last')
        expect(one.seen).toHaveLength(3)
        expect(two.seen).toHaveLength(0)
        expect(await attemptsOf(answer)).toMatchObject([{ status }, { status }, { target: 'first', status: 200 }])
      })

      test(`${what} for good: the next target answers after three attempts ${verifies('R01', 'R04')}`, async () => {
        one.answer = bad
        const answer = await send(model)
        expect(answer.text).toContain('from two')
        expect([one.seen.length, two.seen.length]).toEqual([3, 1])
        expect(await attemptsOf(answer)).toHaveLength(4)
      })

      test(`${what} everywhere: the caller gets a right error after six attempts ${verifies('R01')}`, async () => {
        one.answer = two.answer = bad
        const answer = await send(model)
        expect(answer.status).toBeGreaterThanOrEqual(429)
        expect(answer.json?.error?.code).toMatch(/^upstream_/)
        expect([one.seen.length, two.seen.length]).toEqual([3, 3])
      })
    }

    test(`Retry-After is waited for ${verifies('R01')}`, async () => {
      one.answer = first(1, failure(429, { 'retry-after': '1' }))
      const answer = await send('patient')
      expect(answer.text).toContain('at last')
      expect(answer.ms).toBeGreaterThanOrEqual(1_000)
    })

    test(`a Retry-After beyond the chain's patience sends the call to the next target at once ${verifies('R01')}`, async () => {
      one.answer = failure(429, { 'retry-after': '30' })
      const answer = await send('patient')
      expect(answer.text).toContain('from two')
      expect(one.seen).toHaveLength(1)
    })
  })

  describe('a cause to go on for', () => {
    const causes: { readonly what: string; readonly bad: Script }[] = [
      { what: '400', bad: failure(400) },
      { what: '404', bad: failure(404) },
      { what: '422', bad: failure(422) },
      { what: '401 (our credential)', bad: failure(401) },
      { what: 'garbage', bad: raw(200, '<html>') },
      { what: 'JSON that is no answer', bad: raw(200, '{}') },
      { what: 'a redirect', bad: raw(302, '', { location: 'http://127.0.0.1:1/' }) },
    ]
    for (const { what, bad } of causes) {
      test(`${what}: the next target is asked at once ${verifies('R01', 'R04')}`, async () => {
        one.answer = bad
        const answer = await send('patient')
        expect(answer.text).toContain('from two')
        expect([one.seen.length, two.seen.length]).toEqual([1, 1])
      })
    }
  })

  describe('in streams', () => {
    const event = (data: string): Script => raw(200, data, { 'content-type': 'text/event-stream' })

    test(`an error event inside a 200 is repeated, then left behind ${verifies('R04')}`, async () => {
      one.answer = event('data: {"error":{"message":"overloaded","type":"overloaded_error"}}\n\n')
      const answer = await send('patient', { stream: true })
      expect(answer.text).toContain('"content":" two"')
      expect(answer.text).not.toContain('overloaded')
      expect([one.seen.length, two.seen.length]).toEqual([3, 1])
    })

    test(`a stream that says nothing in time is left behind ${verifies('R04')}`, async () => {
      one.answer = async (seen, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
        await seen.gone
      }
      const answer = await send('hurried', { stream: true })
      expect(answer.text).toContain('"content":" two"')
      expect(one.seen).toHaveLength(3)
    })

    test(`death after the first token ends the stream with an error and asks nobody else ${verifies('R04')}`, async () => {
      one.answer = (_seen, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        response.write(chunk('one-a', { content: 'begun' }), () => response.destroy())
      }
      const answer = await send('patient', { stream: true })
      expect(answer.text).toContain('begun')
      expect(answer.text).toContain('"upstream_failed"')
      expect([one.seen.length, two.seen.length]).toEqual([1, 0])
      expect(await attemptsOf(answer)).toMatchObject([{ target: 'first', status: 200 }])
    })
  })

  test(`no more upstream calls than maxAttempts, over all targets ${verifies('R01')}`, async () => {
    one.answer = two.answer = failure(500)
    const answer = await send('bounded')
    expect(answer.status).toBe(502)
    expect([one.seen.length, two.seen.length]).toEqual([4, 0])
    expect(await attemptsOf(answer)).toHaveLength(4)
  })

  test(`no attempt and no pause goes beyond maxTotalDuration ${verifies('R01')}`, async () => {
    one.answer = hang
    const answer = await send('hasty')
    expect(answer.status).toBe(504)
    expect(answer.ms).toBeLessThan(10_000)
    expect([one.seen.length, two.seen.length]).toEqual([1, 0])
  })

  test(`the log says which chain and which target answered ${verifies('R01', 'O03')}`, async () => {
    one.answer = failure(500)
    const answer = await send('patient')
    const id = answer.headers.get('x-smartflow-request-id')
    const row = await eventually(
      'the record is there',
      async () => (await get(`${gateway.management}/api/vas/logs/${id}`, gateway.token('admin-key'))).json?.['data'],
    )
    expect(row).toMatchObject({
      routing_strategy: 'priority',
      routing_reason: expect.stringMatching(/^chain:.*patient,target:second,attempts:4$/),
    })
  })

  test('a target that failed too often is left alone, and tried again by one call after a while', async () => {
    one.answer = failure(500)
    for (let i = 0; i < 4; i++) expect((await send('guarded')).text).toContain('from two')
    expect(one.seen).toHaveLength(2)
    expect(await attemptsOf(await send('guarded'))).toMatchObject([
      { target: 'first', error: 'breaker_open' },
      { target: 'second', status: 200 },
    ])
    one.answer = whole('one is back')
    await eventually('the first target answers again', async () => (await send('guarded')).text.includes('one is back'))
  })
})
