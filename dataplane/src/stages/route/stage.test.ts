import { describe, expect, test } from 'vitest'
import { Refusal } from '../../exchange/refusal.ts'
import type { Reply } from '../../exchange/reply.ts'
import type { Admitted, Routed } from '../../exchange/stage.ts'
import type { Target } from '../../exchange/target.ts'
import type { Gateway } from '../../ports/gateway.ts'
import { route } from './stage.ts'

const ON = ['HTTP429', 'HTTP5xx', 'Timeout', 'Connect'] as const
const answer = { status: 200 } as Reply

function target(name: string, repeats = 0, more: Partial<Target['terms']> = {}): Target {
  const retry = { attempts: repeats, baseDelay: 100, maxDelay: 1_000, jitterPercent: 0, on: [...ON] }
  const terms = { timeout: undefined, retry, breaker: undefined, ...more }
  return { name, provider: `ns/${name}`, preset: 'row', model: 'm', formats: ['openai-chat'], terms }
}

const busy = (retryAfter?: number): Refusal =>
  new Refusal('upstream_rate_limited', 'busy', {
    retryCause: 'HTTP429',
    upstreamStatus: 429,
    ...(retryAfter === undefined ? {} : { retryAfter }),
  })
const broken = (): Refusal => new Refusal('upstream_failed', 'broken', { retryCause: 'HTTP5xx', upstreamStatus: 500 })
const rejected = (): Refusal => new Refusal('upstream_rejected', 'bad request', { status: 400 })

/** Walks a call over `targets`; each upstream call takes the next of `outcomes`. */
async function walk(
  targets: Target[],
  outcomes: (Reply | Error)[],
  bounds: { maxAttempts?: number; maxTotalDuration?: number; controller?: AbortController } = {},
) {
  const pauses: number[] = []
  const asked: Routed[] = []
  const gateway = {
    now: () => 0,
    random: () => 0.5,
    pause: async (ms: number) => void pauses.push(ms),
  } as unknown as Gateway
  const controller = bounds.controller ?? new AbortController()
  const exchange = {
    trace: [],
    signal: controller.signal,
    presented: { tenant: { item: { name: 't' } } },
    rights: {
      targets,
      bounds: { maxAttempts: bounds.maxAttempts ?? 8, maxTotalDuration: bounds.maxTotalDuration },
    },
  } as unknown as Admitted
  const handle = route(gateway)(async routed => {
    asked.push(routed)
    const outcome = outcomes[asked.length - 1]
    if (outcome instanceof Error) throw outcome
    if (!outcome) throw new Error('one upstream call too many')
    return outcome
  })
  const result = await handle(exchange).catch((error: unknown) => error)
  return {
    result,
    pauses,
    asked: asked.map(({ target: { name } }) => name),
    trace: exchange.trace,
    timeouts: asked.map(({ timeoutMs }) => timeoutMs),
  }
}

describe('route (R01, R04)', () => {
  test('repeats at the same target as often as it says, then goes to the next', async () => {
    const { result, asked, pauses, trace } = await walk(
      [target('a', 2), target('b')],
      [broken(), busy(), broken(), answer],
    )
    expect(result).toMatchObject({ status: 200, servedBy: { name: 'b' } })
    expect(asked).toEqual(['a', 'a', 'a', 'b'])
    expect(pauses).toEqual([100, 200])
    expect(trace).toMatchObject([
      { target: 'a', status: 500, error: 'upstream_failed' },
      { target: 'a', status: 429, error: 'upstream_rate_limited' },
      { target: 'a', status: 500, error: 'upstream_failed' },
      { target: 'b', status: 200, error: undefined },
    ])
  })

  test('a refusal of the request goes straight to the next target', async () => {
    const { asked, pauses } = await walk([target('a', 3), target('b', 3)], [rejected(), answer])
    expect(asked).toEqual(['a', 'b'])
    expect(pauses).toEqual([])
  })

  test('waits as long as Retry-After says, and leaves a target that asks for more than the chain allows', async () => {
    const patient = await walk([target('a', 1)], [busy(1), answer])
    expect(patient.pauses).toEqual([1_000])
    const impatient = await walk([target('a', 5), target('b')], [busy(60), answer])
    expect(impatient.asked).toEqual(['a', 'b'])
  })

  test('never makes more upstream calls than the chain allows', async () => {
    const { result, asked } = await walk([target('a', 5), target('b', 5)], Array.from({ length: 9 }, broken), {
      maxAttempts: 4,
    })
    expect(asked).toHaveLength(4)
    expect(result).toMatchObject({ reason: 'upstream_failed' })
  })

  test('does not begin a pause that ends after the time is over, and clips the time of an attempt', async () => {
    const { asked, timeouts } = await walk([target('a', 5, { timeout: 60_000 })], [broken(), answer], {
      maxTotalDuration: 90,
    })
    expect(asked).toEqual(['a'])
    expect(timeouts[0]).toBeLessThanOrEqual(90)
    expect(timeouts[0]).toBeGreaterThan(0)
  })

  test('gives the last refusal when nobody answers', async () => {
    const { result } = await walk([target('a'), target('b')], [broken(), busy(7)])
    expect(result).toMatchObject({ reason: 'upstream_rate_limited', detail: { retryAfter: 7 } })
  })

  test('stops at once when the caller is gone', async () => {
    const controller = new AbortController()
    controller.abort()
    const { result, asked } = await walk([target('a', 3), target('b')], [broken()], { controller })
    expect(asked).toEqual(['a'])
    expect(result).toMatchObject({ reason: 'client_gone' })
  })

  test('an error of the gateway itself is no reason to ask another provider', async () => {
    const { result, asked } = await walk([target('a', 3), target('b')], [new Error('a bug')])
    expect(asked).toEqual(['a'])
    expect(result).toMatchObject({ reason: 'internal_error' })
  })

  test('leaves a target alone whose breaker is open, and says so in the log', async () => {
    const breaker = { failures: 1, openFor: 5_000 }
    const a = target('a', 3, { breaker })
    const outcomes = [broken(), answer, answer]
    const pauses: number[] = []
    const asked: string[] = []
    const gateway = {
      now: () => 0,
      random: () => 0,
      pause: async (ms: number) => void pauses.push(ms),
    } as unknown as Gateway
    const handle = route(gateway)(async ({ target: { name } }) => {
      asked.push(name)
      const outcome = outcomes.shift()
      if (outcome instanceof Error || !outcome) throw outcome ?? new Error('too many')
      return outcome
    })
    const exchange = (targets: Target[]): Admitted =>
      ({
        trace: [],
        signal: new AbortController().signal,
        presented: { tenant: { item: { name: 't' } } },
        rights: { targets, bounds: { maxAttempts: 8, maxTotalDuration: undefined } },
      }) as unknown as Admitted
    await handle(exchange([a, target('b')]))
    const second = exchange([a, target('b')])
    await handle(second)
    expect(asked).toEqual(['a', 'b', 'b'])
    expect(second.trace).toMatchObject([
      { target: 'a', status: 0, error: 'breaker_open' },
      { target: 'b', status: 200 },
    ])
    await expect(handle(exchange([a]))).rejects.toMatchObject({
      reason: 'upstream_unreachable',
      detail: { retryAfter: 5 },
    })
  })
})
