import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { MemoryApi } from '../../../test/operator/memory-api.ts'
import { secretObject } from '../../../test/operator/plans.ts'
import { type SecretOwner, SecretReader } from './secrets.ts'

const NAME = 'default/key'

let api: MemoryApi
let secrets: SecretReader
let changes: string[]
let failures: string[]

beforeEach(() => {
  vi.useFakeTimers()
  api = new MemoryApi()
  changes = []
  failures = []
  secrets = new SecretReader({
    client: api,
    onChange: name => changes.push(name),
    now: Date.now,
    failed: name => failures.push(name),
  })
  secrets.start()
})

afterEach(() => {
  secrets.stop()
  vi.useRealTimers()
})

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)
const want = (...names: [string, SecretOwner][]) => secrets.want(new Map(names))
const looks = () => api.calls.length

describe('Secrets', () => {
  it('are read by name, again every fifteen seconds, and never listed', async () => {
    api.put(secretObject('key', { key: 'one' }))
    want([NAME, 'theirs'])
    await pass(0)
    expect(secrets.values()).toEqual(new Map([[NAME, { key: 'one' }]]))
    await pass(14_500)
    expect(looks()).toBe(1)
    api.put(secretObject('key', { key: 'two' }))
    await pass(1_000)
    expect(changes).toEqual([NAME, NAME])
    expect(secrets.values().get(NAME)).toEqual({ key: 'two' })
    expect(new Set(api.calls.map(({ verb, what }) => `${verb} ${what}`))).toEqual(new Set([`get Secret ${NAME}`]))
  })

  it('with the same values keep their identity, and nobody is told', async () => {
    api.put(secretObject('key', { key: 'one' }))
    want([NAME, 'theirs'])
    await pass(0)
    const values = secrets.values()
    await pass(20_000)
    expect(looks()).toBe(2)
    expect(secrets.values()).toBe(values)
    expect(changes).toHaveLength(1)
    api.put(secretObject('other', { key: 'two' }))
    want([NAME, 'theirs'], ['default/other', 'theirs'])
    await pass(20_000)
    expect(secrets.values().size).toBe(2)
    expect(secrets.values().get(NAME)).toBe(values.get(NAME))
  })

  it('that are missing are looked for sooner, then less often', async () => {
    want([NAME, 'theirs'])
    await pass(1_900)
    expect(looks()).toBe(1)
    await pass(500)
    expect(looks()).toBe(2)
    await pass(60_000)
    expect(looks()).toBeLessThan(9)
    expect([secrets.isKnown(NAME), secrets.waiting(), secrets.values()]).toEqual([true, [], new Map()])
    api.put(secretObject('key', { key: 'one' }))
    await pass(15_500)
    expect(secrets.values().has(NAME)).toBe(true)
  })

  it('that nobody could look at hold everything up, for at most a minute', async () => {
    api.fail('get', /key/, 'Transient')
    want([NAME, 'theirs'])
    await pass(59_000)
    expect(secrets.waiting()).toEqual([NAME])
    expect(secrets.isKnown(NAME)).toBe(false)
    expect(looks()).toBeGreaterThan(10)
    expect(looks()).toBeLessThan(70)
    expect(failures).toEqual([NAME])
    await pass(1_000)
    expect(secrets.waiting()).toEqual([])
  })

  it('that nobody can look at do not keep others from being looked at', async () => {
    api.fail('get', /key/, 'Transient')
    api.put(secretObject('other', { key: 'one' }))
    const failing = Array.from({ length: 40 }, (_, at): [string, SecretOwner] => [`default/key-${at}`, 'theirs'])
    want(...failing, ['default/other', 'theirs'])
    await pass(3_000)
    expect(secrets.values().get('default/other')).toEqual({ key: 'one' })
    expect(looks()).toBeLessThanOrEqual(41 * 4)
  })

  it('keep what they had while they cannot or may not be read', async () => {
    api.put(secretObject('key', { key: 'one' }))
    want([NAME, 'theirs'])
    await pass(0)
    for (const reason of ['Forbidden', 'Transient'] as const) {
      api.fail('get', /key/, reason)
      await pass(31_000)
      expect(secrets.values().get(NAME)).toEqual({ key: 'one' })
      api.mend()
      await pass(16_000)
    }
    expect(failures).toEqual([NAME, NAME])
    expect(changes).toEqual([NAME])
  })

  it('that may not be read at all are as good as missing and hold nothing up', async () => {
    api.fail('get', /key/, 'Forbidden')
    want([NAME, 'theirs'])
    await pass(0)
    expect([secrets.waiting(), failures, secrets.values().size]).toEqual([[], [NAME], 0])
  })

  it('of our own are read seldom, and at once when that is asked for', async () => {
    api.put(secretObject('key', { key: 'one' }))
    want([NAME, 'ours'])
    await pass(599_000)
    expect(looks()).toBe(1)
    api.put(secretObject('key', { key: 'two' }))
    secrets.refresh(NAME)
    await pass(0)
    expect(secrets.values().get(NAME)).toEqual({ key: 'two' })
    await pass(601_000)
    expect(looks()).toBe(3)
  })

  it('just written are known at once, and a look that began before does not undo that', async () => {
    want([NAME, 'ours'])
    const answer = Promise.withResolvers<undefined>()
    vi.spyOn(api, 'get').mockReturnValueOnce(answer.promise)
    secrets.refresh(NAME)
    await pass(2_500)
    secrets.put(secretObject('key', { key: 'new' }))
    answer.resolve(undefined)
    await pass(0)
    expect(secrets.values().get(NAME)).toEqual({ key: 'new' })
    expect(secrets.live(NAME)?.metadata.name).toBe('key')
  })

  it('are looked at thirty-two at a time', async () => {
    const answer = Promise.withResolvers<undefined>()
    const get = vi.spyOn(api, 'get').mockReturnValue(answer.promise)
    want(...Array.from({ length: 100 }, (_, at): [string, SecretOwner] => [`default/key-${at}`, 'ours']))
    await pass(1_000)
    expect(get).toHaveBeenCalledTimes(32)
    answer.resolve(undefined)
    await pass(1_000)
    expect(get).toHaveBeenCalledTimes(100)
  })

  it('that nobody wants any more are forgotten', async () => {
    api.put(secretObject('key', { key: 'one' }))
    want([NAME, 'theirs'])
    await pass(0)
    want()
    expect([secrets.values().size, secrets.live(NAME), secrets.isKnown(NAME)]).toEqual([0, undefined, false])
    await pass(60_000)
    expect(looks()).toBe(1)
  })
})
