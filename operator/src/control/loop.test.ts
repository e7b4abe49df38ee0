import { TOKEN_SECRET_KEY } from '@smartflow/core/resources/virtual-key'
import type { Compiled } from '@smartflow/core/snapshot/items'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { MemoryApi } from '../../../test/operator/memory-api.ts'
import {
  HOME,
  keyObject,
  keyring,
  liveObject,
  NOTHING_PUBLISHED,
  published,
  secretObject,
} from '../../../test/operator/plans.ts'
import { describeKey } from '../api/resource-type.ts'
import type { PublicationOutcome } from '../apply/publication.ts'
import { Observed } from '../watch/observed.ts'
import { SecretReader } from '../watch/secrets.ts'
import { REVOKE_FINALIZER } from './key-annotations.ts'
import { Loop, type Plan } from './loop.ts'

const TOKEN = 'sk-sf-' + '0'.repeat(48)
/** What only a list says to be gone is doubted for this long; so is all that a first list lacks. */
const DOUBT_MS = 60_000
const HELD = {
  ...NOTHING_PUBLISHED,
  outcome: 'held',
  few: false,
  message: 'too much would go',
} as const satisfies PublicationOutcome

let api: MemoryApi
let observed: Observed
let secrets: SecretReader
let loop: Loop
let plans: Plan[]
let failures: string[]
let fenced: string[]
let unconfirmed: number
let compiled: Compiled[]
let gateways: (string | undefined)[]
/** What publishing answers; published when there is nothing left. */
let answers: (PublicationOutcome | Error)[]

beforeEach(async () => {
  vi.useFakeTimers()
  api = new MemoryApi()
  unconfirmed = 0
  ;[plans, failures, fenced, compiled, gateways, answers] = [[], [], [], [], [], []]
  observed = new Observed({
    client: api,
    namespace: HOME,
    listener: { ours: () => loop.touch(), around: () => loop.touch() },
    failing: () => undefined,
  })
  secrets = new SecretReader({ client: api, onChange: () => loop.touch(), now: Date.now, failed: () => undefined })
  loop = new Loop({
    observed,
    secrets,
    keyring,
    namespace: HOME,
    publish: async (content, gateway) => {
      compiled.push(content)
      gateways.push(gateway?.metadata.name)
      const answer = answers.shift() ?? published(compiled.length)
      if (answer instanceof Error) throw answer
      return answer
    },
    planned: plan => plans.push(plan),
    unconfirmed: () => unconfirmed++,
    fenced: message => fenced.push(message),
    failed: message => failures.push(message),
    now: Date.now,
  })
  await observed.start()
  secrets.start()
})

afterEach(async () => {
  await loop.stop()
  await observed.stop()
  secrets.stop()
  vi.useRealTimers()
})

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)

function begin(): Promise<unknown> {
  loop.start()
  return pass(300)
}

describe('turns', () => {
  it('begin soon after a change, and take changes that come close together as one', async () => {
    await begin()
    const before = compiled.length
    api.put(liveObject('AITenant', 'other', { spec: { namespaces: { names: ['b'] } } }))
    await pass(40)
    api.put(liveObject('AITenant', 'acme', { spec: { namespaces: { names: ['a'] } } }))
    await pass(40)
    expect(compiled).toHaveLength(before)
    await pass(20)
    expect(compiled).toHaveLength(before + 1)
  })

  it('do not wait for changes to end', async () => {
    await begin()
    const before = compiled.length
    for (let passed = 0; passed < 280; passed += 20) {
      loop.touch()
      await pass(20)
    }
    expect(compiled.length - before).toBe(1)
  })

  it('do not overlap; what changes meanwhile causes one more', async () => {
    await pass(DOUBT_MS)
    const slow = Promise.withResolvers<void>()
    const confirm = vi.spyOn(observed, 'confirm').mockImplementation(() => slow.promise.then(() => true))
    answers = [HELD]
    await begin()
    expect([compiled.length, confirm.mock.calls.length]).toEqual([1, 1])
    for (let at = 0; at < 5; at++) {
      loop.touch()
      await pass(300)
    }
    expect(compiled).toHaveLength(1)
    slow.resolve()
    // Reconcilers and pods get as much time as the turn took, up to a quarter of a second.
    await pass(300)
    expect(compiled).toHaveLength(3)
    await pass(1_000)
    expect(compiled).toHaveLength(3)
  })

  it('that take long rest longer while changes keep coming, and what happens meanwhile does not shorten that', async () => {
    await begin()
    let at = performance.now()
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => (at += 50))
    loop.touch()
    await pass(0)
    const confirm = vi.spyOn(observed, 'confirm').mockImplementation(async () => loop.touch() === undefined)
    answers = [HELD]
    await pass(60)
    expect(confirm).toHaveBeenCalledOnce()
    const before = compiled.length
    // Looking, compiling and telling took 50 ms each.
    for (let passed = 0; passed < 380; passed += 20) {
      loop.touch()
      await pass(20)
    }
    expect(compiled).toHaveLength(before)
    await pass(100)
    expect(compiled).toHaveLength(before + 1)
    clock.mockRestore()
  })

  it('look at nothing again that did not change', async () => {
    api.put(keyObject('app'))
    await begin()
    await pass(5_000)
    expect(plans).toHaveLength(2)
    expect([plans[1]?.resources, plans[1]?.statuses]).toEqual([plans[0]?.resources, plans[0]?.statuses])
    expect(plans[1]?.resources).toBe(plans[0]?.resources)
    expect(plans[1]?.statuses).toBe(plans[0]?.statuses)
    api.put(keyObject('app', { resourceVersion: '2', labels: { team: 'a' } }))
    await pass(300)
    expect(plans.at(-1)?.resources).not.toBe(plans[0]?.resources)
  })

  it('come every five seconds without any change, since the store may lose things', async () => {
    await begin()
    await pass(5_000)
    expect(compiled).toHaveLength(2)
  })

  it('that fail are tried again after a second', async () => {
    answers = [new Error('a bug'), { ...NOTHING_PUBLISHED, outcome: 'unavailable', message: 'away', since: 0 }]
    await begin()
    expect([failures.length, plans.length]).toEqual([1, 0])
    await pass(1_000)
    expect(plans.map(({ outcome }) => outcome.outcome)).toEqual(['unavailable'])
    await pass(1_000)
    expect(plans.map(({ outcome }) => outcome.outcome)).toEqual(['unavailable', 'published'])
  })

  it('end with the loop, after the one under way', async () => {
    await begin()
    await loop.stop()
    loop.touch()
    await pass(20_000)
    expect(compiled).toHaveLength(1)
  })
})

describe('nothing is published', () => {
  it('while a watch of our kinds fails', async () => {
    api.fail('watch', /^AIProvider$/, 'Transient')
    api.breakWatches('AIProvider')
    await pass(0)
    await begin()
    await pass(10_000)
    expect([compiled.length, failures[0]]).toEqual([0, expect.stringContaining('aiproviders')])
    expect(failures).toHaveLength(new Set(failures).size)
    api.mend()
    await pass(60_000)
    expect(compiled.length).toBeGreaterThan(0)
  })

  it('while a Secret was never looked at, for a minute at most', async () => {
    api.fail('get', /Secret/, 'Transient')
    api.put(keyObject('app', { finalizers: [REVOKE_FINALIZER] }))
    await begin()
    await pass(58_000)
    expect(compiled).toHaveLength(0)
    await pass(3_000)
    expect(compiled.length).toBeGreaterThan(0)
  })

  it('after another operator took over', async () => {
    answers = [{ ...NOTHING_PUBLISHED, outcome: 'stale', message: 'another writer' }]
    await begin()
    expect([fenced, plans]).toEqual([['another writer'], []])
  })
})

describe('a publication that is held back', () => {
  it('goes through when a fresh list says the same', async () => {
    await pass(DOUBT_MS)
    answers = [HELD]
    await begin()
    expect(plans.map(({ outcome }) => outcome.outcome)).toEqual(['published'])
    expect(compiled).toHaveLength(2)
  })

  it('stays so for a minute when only lists said what is gone, and that is said once', async () => {
    answers = Array.from({ length: 100 }, () => HELD)
    await begin()
    await pass(DOUBT_MS - 1_000)
    expect(new Set(plans.map(({ outcome }) => outcome.outcome))).toEqual(new Set(['held']))
    expect(failures).toEqual([HELD.message, expect.stringContaining('no watch did')])
    expect(unconfirmed).toBe(compiled.length)
    answers = [HELD]
    await pass(2_000)
    expect(plans.at(-1)?.outcome.outcome).toBe('published')
  })

  it('goes through after a start too when all that would go are keys that are there and marked as deleted', async () => {
    const gone = { deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: [REVOKE_FINALIZER] }
    api.put(keyObject('app', gone))
    const held = (...places: string[]): PublicationOutcome => ({
      ...HELD,
      inForce: new Map(places.map(one => [one, 'd'])),
    })
    answers = [held('acme VirtualKey default/app', 'acme VirtualKey default/lost')]
    await begin()
    expect(plans.map(({ outcome }) => outcome.outcome)).toEqual(['held'])
    answers = [held('acme VirtualKey default/app')]
    loop.touch()
    await pass(1_000)
    expect(plans.at(-1)?.outcome.outcome).toBe('published')
  })

  it('is neither published nor told while lists lack what is there by name: itself, its namespace or its tenant', async () => {
    api.put(liveObject('AIGateway', 'main', { namespace: HOME }))
    api.put(liveObject('AITenant', 'acme', { spec: { namespaces: { names: ['payments'] } } }))
    api.put(liveObject('AITenant', 'lender', { spec: { namespaces: { names: ['models'] } } }))
    await pass(DOUBT_MS)
    const get = vi.spyOn(api, 'get')
    const cases = [
      ['acme VirtualKey payments/app', 'VirtualKey payments/app'],
      ['acme VirtualKey payments/app', 'Namespace payments'],
      ['acme Policy base', 'Policy payments/base'],
      ['acme AIProvider lender:shared', 'AIProvider models/shared'],
      ['other Policy base', 'AITenant other'],
    ] as const
    for (const [place, hidden] of cases) {
      get.mockImplementation(async key => (describeKey(key) === hidden ? keyObject('any') : undefined))
      const held = { ...HELD, few: true, inForce: new Map([[place, 'd']]) }
      answers = [held, held]
      const before = compiled.length
      loop.start()
      await pass(2_000)
      expect([hidden, compiled.length - before]).toEqual([hidden, 2])
      expect(failures.at(-1)).toContain(`a list lacks ${hidden}, which is there`)
      expect(unconfirmed).toBe(compiled.length)
      await loop.stop()
    }
    expect(plans).toEqual([])
    get.mockResolvedValue(undefined)
    answers = [{ ...HELD, few: true, inForce: new Map([['acme Policy base', 'd']]) }]
    loop.start()
    await pass(300)
    expect(plans.map(({ outcome }) => outcome.outcome)).toEqual(['published'])
  })

  it('is not even tried after a start while those are unknown that the operator made something for', async () => {
    const owner = { apiVersion: 'smartflow.dev/v1alpha1', kind: 'AIGateway', name: 'main', uid: 'u' }
    const child = liveObject('NetworkPolicy', 'sf', { namespace: HOME })
    api.put({ ...child, metadata: { ...child.metadata, ownerReferences: [owner] } })
    const get = vi.spyOn(api, 'get').mockResolvedValue(liveObject('AIGateway', 'main', { namespace: HOME }))
    await begin()
    await pass(5_000)
    expect([compiled, plans]).toEqual([[], []])
    expect(failures).toEqual([expect.stringContaining(`a list lacks AIGateway ${HOME}/main, which is there`)])
    get.mockResolvedValue(undefined)
    await pass(1_000)
    expect([compiled, plans]).toEqual([[], []])
    expect(failures.at(-1)).toContain('no AIGateway is listed')
    await pass(DOUBT_MS)
    expect(plans.length).toBeGreaterThan(0)
    get.mockClear()
    await pass(10_000)
    expect(get).not.toHaveBeenCalled()
  })

  it('is not even tried after a start while no AIGateway is listed though tenants have what one gave them', async () => {
    const owner = { apiVersion: 'smartflow.dev/v1alpha1', kind: 'AITenant', name: 'acme', uid: 'u' }
    const child = liveObject('Ingress', 'acme', { namespace: HOME })
    api.put(liveObject('AITenant', 'acme', { spec: { namespaces: { names: ['a'] } } }))
    api.put({ ...child, metadata: { ...child.metadata, ownerReferences: [owner] } })
    await pass(300)
    await begin()
    expect([compiled, plans]).toEqual([[], []])
    const lists = api.calls.filter(({ verb, what }) => verb === 'list' && what === 'AIGateway').length
    await pass(3_000)
    expect(api.calls.filter(({ verb, what }) => verb === 'list' && what === 'AIGateway').length).toBeGreaterThan(lists)
    api.put(liveObject('AIGateway', 'main', { namespace: HOME }))
    await pass(1_500)
    expect(gateways.at(-1)).toBe('main')
  })

  it('for little goes through at once when it is gone by name too, and not while nobody can be asked', async () => {
    answers = [{ ...HELD, few: true, inForce: new Map([['acme Policy base', 'd']]) }]
    api.fail('get', /AITenant/, 'Transient', 1)
    await begin()
    expect([compiled.length, plans]).toEqual([1, []])
    answers = [{ ...HELD, few: true, inForce: new Map([['acme Policy base', 'd']]) }]
    loop.touch()
    await pass(1_000)
    expect(plans.at(-1)?.outcome.outcome).toBe('published')
  })

  it('is told to nobody after a start before it was looked at twice, and where objects keep coming that is enough', async () => {
    answers = Array.from({ length: 4 }, () => ({ ...HELD, few: true }))
    const confirm = vi.spyOn(observed, 'confirm').mockResolvedValue(false)
    await begin()
    await pass(2_000)
    expect([plans, confirm.mock.calls.length]).toEqual([[], 3])
    await pass(1_000)
    expect(plans.map(({ outcome }) => outcome.outcome)).toEqual(['published'])
  })

  it('of the default tenant is looked for in every namespace that no other tenant has', async () => {
    for (const name of ['free', 'taken']) api.put(liveObject('Namespace', name))
    api.put(liveObject('AITenant', 'acme', { spec: { namespaces: { names: ['taken'] } } }))
    api.put(liveObject('AIGateway', 'main', { namespace: HOME }))
    await pass(0)
    answers = [{ ...HELD, few: true, inForce: new Map([['default Policy base', 'd']]) }]
    await begin()
    const asked = api.calls.filter(({ verb }) => verb === 'get').map(({ what }) => what)
    expect(asked).toContain('Policy free/base')
    expect(asked).not.toContain('Policy taken/base')
    expect(plans.map(({ outcome }) => outcome.outcome)).toEqual(['published'])
  })

  it('is told as not confirmed each time, until a fresh list says the same', async () => {
    await pass(DOUBT_MS)
    await begin()
    const before = compiled.length
    answers = Array.from({ length: 50 }, () => HELD)
    const confirm = vi.spyOn(observed, 'confirm').mockResolvedValue(false)
    loop.touch()
    await pass(300)
    expect(plans.map(({ outcome }) => outcome.outcome)).toEqual(['published', 'held'])
    expect([compiled.length - before, unconfirmed]).toEqual([1, 1])
    confirm.mockRejectedValue(new Error('the API server does not answer'))
    await pass(10_000)
    expect(unconfirmed).toBe(compiled.length - before)
    confirm.mockRestore()
    answers = [HELD]
    await pass(1_100)
    expect(plans.at(-1)?.outcome.outcome).toBe('published')
  })
})

describe('a plan', () => {
  const id = 'VirtualKey/default/app'

  const serves = (): boolean =>
    [...(plans.at(-1)?.items.keys() ?? [])].some(name => name.endsWith('VirtualKey default/app'))

  beforeEach(() => {
    api.put(secretObject('app-key', { [TOKEN_SECRET_KEY]: TOKEN }))
    api.put(keyObject('app', { finalizers: [REVOKE_FINALIZER] }))
  })

  it('holds what was compiled, with what compiling said', async () => {
    await begin()
    expect(serves()).toBe(true)
    expect(plans.at(-1)?.statuses.get(id)).toMatchObject({ uid: 'uid-app', generation: 1 })
    expect(loop.plan()).toBe(plans.at(-1))
  })

  it('serves the last good form of a broken object and says what is wrong', async () => {
    await begin()
    api.put(keyObject('app', { generation: 2, spec: { alias: 7 } }))
    await pass(300)
    expect(serves()).toBe(true)
    expect(plans.at(-1)?.invalid.get(id)).toContain('spec.alias')
  })

  it('leaves a key out that is being deleted, broken or not', async () => {
    await begin()
    const deletionTimestamp = '2026-01-02T00:00:00Z'
    for (const [generation, spec] of [{}, { alias: 7 }].entries()) {
      api.put(keyObject('app', { generation: generation + 2, deletionTimestamp, spec }))
      await pass(300)
      expect([serves(), plans.at(-1)?.deleting.has(id)]).toEqual([false, true])
    }
  })

  it('suspends a tenant that was never good, so that its namespaces fall to nobody else', async () => {
    api.put(liveObject('AITenant', 'acme', { spec: { namespaces: { names: ['default'] }, hostnames: 7 } }))
    await begin()
    expect(plans.at(-1)?.items.get('acme AITenant acme')).toMatchObject({ suspended: true })
    expect(serves() && plans.at(-1)?.items.has('default VirtualKey default/app')).toBe(false)
  })

  it('gives the publication the AIGateway in force', async () => {
    api.put(liveObject('AIGateway', 'elsewhere', { namespace: 'other' }))
    api.put(liveObject('AIGateway', 'main', { namespace: HOME }))
    await begin()
    expect(gateways.at(-1)).toBe('main')
  })
})
