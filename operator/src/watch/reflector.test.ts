import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FakeKubeApi, statusOf } from '../../../test/operator/fake-kube-api.ts'
import { TestClock } from '../../../test/operator/test-clock.ts'
import { waitFor } from '../../../test/wait-for.ts'
import { KubeClient } from '../api/client.ts'
import { ClusterAccess } from '../api/kube-config.ts'
import { type KubeObject, TYPES } from '../api/resource-type.ts'
import { ObjectCache } from './object-cache.ts'
import { Reflector, type ReflectorOptions } from './reflector.ts'

const ALL_KEYS = '/apis/smartflow.dev/v1alpha1/virtualkeys'
const KEYS = '/apis/smartflow.dev/v1alpha1/namespaces/payments/virtualkeys'
const RESYNC_MS = 600_000
const DOUBT_MS = 60_000

let api: FakeKubeApi
let client: KubeClient
let clock: TestClock
let reflector: Reflector
let changes: string[]
let background: string[]
const problems: (string | undefined)[] = []

beforeEach(async () => {
  api = await FakeKubeApi.start()
  client = new KubeClient({ access: new ClusterAccess({ kubeconfig: api.kubeconfig }) })
  clock = new TestClock()
  changes = []
  background = []
  problems.length = 0
})

afterEach(async () => {
  await reflector.stop()
  await client.close()
  await api.stop()
})

function start(options: Partial<ReflectorOptions> = {}): void {
  reflector = new Reflector({
    client,
    type: TYPES.VirtualKey,
    clock,
    random: () => 0.5,
    onChange: (key, change) => (change.background ? background : changes).push(`${change.kind} ${key.name}`),
    onFailing: problem => problems.push(problem),
    ...options,
  })
  reflector.start()
}

async function started(options: Partial<ReflectorOptions> = {}): Promise<void> {
  start(options)
  await reflector.synced
  await watching()
}

async function watching(): Promise<void> {
  await waitFor(() => expect(api.watches).toBe(1))
  await waitFor(() => expect(reflector.failing()).toBeUndefined())
}

const lists = (): number => api.seen.filter(({ query }) => !query.has('watch')).length
const names = (): string[] => [...reflector.list()].map(({ metadata }) => metadata.name).sort()
/** Without those of the resync. */
const pauses = (): number[] => clock.slept.filter(ms => ms !== RESYNC_MS)

describe('a reflector', () => {
  it('lists, then follows what happens', async () => {
    api.put(`${KEYS}/old`)
    await started()
    expect(background).toEqual(['added old'])
    api.put(`${KEYS}/new`)
    api.put(`${KEYS}/new`, { spec: { team: 'blue' } })
    api.remove(`${KEYS}/old`)
    await waitFor(() => expect(changes).toEqual(['added new', 'changed new', 'deleted old']))
    expect(reflector.get('payments', 'new')?.spec).toEqual({ team: 'blue' })
    expect(reflector.get('payments', 'old')).toBeUndefined()
    expect(api.seen.at(-1)?.path).toBe(ALL_KEYS)
  })

  it('lists in pages, and in one piece when the pages expire under it', async () => {
    for (let index = 0; index < 1_100; index++) api.put(`${KEYS}/key-${index}`)
    api.script({ status: 410, body: statusOf(410, 'Expired', 'too old') }, ({ query }) => query.has('continue'))
    await started()
    expect(names()).toHaveLength(1_100)
    expect(api.seen.map(({ query }) => query.get('limit'))).toEqual(['500', '500', null, null])
    expect(pauses()).toEqual([])
  })

  it('keeps neither who wrote what nor the copy that kubectl makes', async () => {
    const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': 'long', kept: 'yes' }
    api.put(`${KEYS}/app`, { metadata: { managedFields: [{ manager: 'x' }], annotations } })
    await started()
    const { metadata } = reflector.get('payments', 'app') ?? {}
    expect(metadata?.managedFields).toBeUndefined()
    expect(metadata?.annotations).toEqual({ kept: 'yes' })
  })

  it.each(['end', 'mid-line', 'reset'] as const)('goes on from the last version when a watch ends: %s', async how => {
    api.put(`${KEYS}/old`)
    await started()
    api.bookmark()
    const version = api.resourceVersion
    await clock.advance(6_000)
    api.endWatches(how)
    await waitFor(() => expect(api.watches).toBe(0))
    api.put(`${KEYS}/new`)
    await waitFor(async () => {
      await clock.advance(1_200)
      expect(changes).toEqual(['added new'])
    })
    expect(lists()).toBe(1)
    // A connection that breaks may take the bookmark with it.
    if (how !== 'reset') expect(api.seen.at(-1)?.query.get('resourceVersion')).toBe(String(version))
    expect(pauses()).toEqual(how === 'end' ? [] : [1_200])
  })

  it.each([
    ['an event', () => api.expireWatches()],
    [
      'an answer',
      () => {
        api.script({ status: 410, body: statusOf(410, 'Expired', 'too old') }, ({ query }) => query.has('watch'))
        api.endWatches('end')
      },
    ],
  ])('lists again when its version is too old, said by %s, and finds what it missed', async (_what, expire) => {
    for (const name of ['same', 'gone', 'again', 'changed']) api.put(`${KEYS}/${name}`)
    await started()
    await clock.advance(6_000)
    const silently = (happen: () => void): void => {
      const before = api.resourceVersion
      happen()
      expect(api.resourceVersion).toBeGreaterThan(before)
    }
    expire()
    silently(() => api.remove(`${KEYS}/gone`))
    silently(() => api.remove(`${KEYS}/again`))
    silently(() => api.put(`${KEYS}/again`))
    silently(() => api.put(`${KEYS}/changed`, { spec: 1 }))
    silently(() => api.put(`${KEYS}/new`))
    api.compact()
    await waitFor(async () => {
      await clock.advance(1_000)
      expect(changes).toHaveLength(5)
    })
    expect(changes.toSorted()).toEqual(['added again', 'added new', 'changed changed', 'deleted again', 'deleted gone'])
    expect(changes.indexOf('deleted again')).toBeLessThan(changes.indexOf('added again'))
    expect(names()).toEqual(['again', 'changed', 'new', 'same'])
    expect(problems.filter(Boolean)).toEqual([])
  })

  it('doubts for a minute what a first list may lack and what a later one does, but nothing that a watch says', async () => {
    api.put(`${KEYS}/app`)
    api.put(`${KEYS}/web`)
    await started()
    expect(reflector.doubtful()).toBe(true)
    await clock.advance(DOUBT_MS)
    expect(reflector.doubtful()).toBe(false)
    api.remove(`${KEYS}/app`)
    await waitFor(() => expect(names()).toEqual(['web']))
    expect(reflector.doubtful()).toBe(false)
    api.expireWatches()
    api.remove(`${KEYS}/web`)
    api.compact()
    await waitFor(async () => {
      await clock.advance(1_000)
      expect(names()).toEqual([])
    })
    expect(reflector.doubtful()).toBe(true)
  })

  it('takes no list for one that lacks what is there by name, and asks for nothing else', async () => {
    for (const name of ['app', 'gone', 'web']) api.put(`${KEYS}/${name}`)
    await started()
    const isList: Parameters<typeof api.script>[1] = ({ path, query }) => path === ALL_KEYS && !query.has('watch')
    const empty = { metadata: { resourceVersion: String(api.resourceVersion + 1) }, items: [] }
    for (let time = 0; time < 2; time++) api.script({ status: 200, body: empty }, isList)
    api.expireWatches()
    api.remove(`${KEYS}/gone`)
    api.compact()
    await waitFor(() =>
      expect(reflector.failing()).toMatch(/a list lacks VirtualKey payments\/(app|web), which is there/),
    )
    expect(names()).toEqual(['app', 'gone', 'web'])
    expect(changes).toEqual([])
    await waitFor(async () => {
      await clock.advance(10_000)
      expect(api.watches).toBe(1)
    })
    await watching()
    expect(changes).toEqual(['deleted gone'])
    const asked = api.seen.filter(({ path }) => path.startsWith(KEYS)).map(({ path }) => path.slice(KEYS.length + 1))
    // Twice of all three, then of the one that is gone.
    expect(asked.toSorted()).toEqual(['app', 'app', 'gone', 'gone', 'gone', 'web', 'web'])
  })

  it('keeps everything while nobody can be asked about what a list lacks', async () => {
    api.put(`${KEYS}/app`)
    await started()
    api.expireWatches()
    api.remove(`${KEYS}/app`)
    api.compact()
    api.script({ status: 503, body: statusOf(503, 'ServiceUnavailable', 'not now') }, ({ path }) => path !== ALL_KEYS)
    await waitFor(() => expect(reflector.failing()).toContain('not now'))
    expect(names()).toEqual(['app'])
    await waitFor(async () => {
      await clock.advance(10_000)
      expect(names()).toEqual([])
    })
  })

  it('takes no failed list for an empty one', async () => {
    api.put(`${KEYS}/app`)
    await started()
    api.compact()
    const fails = { status: 503, body: statusOf(503, 'ServiceUnavailable', 'not now') }
    for (let time = 0; time < 3; time++) api.script(fails, ({ query }) => !query.has('watch'))
    api.expireWatches()
    await waitFor(() => expect(reflector.failing()).toBe('virtualkeys.smartflow.dev: not now'))
    expect(names()).toEqual(['app'])
    await waitFor(async () => {
      await clock.advance(10_000)
      expect(api.watches).toBe(1)
    })
    await watching()
    expect(changes).toEqual([])
    expect(problems).toEqual(['virtualkeys.smartflow.dev: not now', undefined])
  })

  it('is not synced before the first list is there', async () => {
    for (let time = 0; time < 8; time++) api.script({ status: 500 })
    start()
    await waitFor(() => expect(reflector.failing()).toContain('HTTP 500'))
    expect(reflector.isSynced()).toBe(false)
    await waitFor(async () => {
      await clock.advance(30_000)
      expect(reflector.isSynced()).toBe(true)
    })
    // Half way between 0.8 s and a bound that doubles up to 30 s.
    expect(pauses()).toEqual([1_200, 2_000, 3_600, 6_800, 13_200, 15_400, 15_400, 15_400])
  })

  it('lists at once when a server that was away says that the version is too old, but not again and again', async () => {
    await started()
    const isWatch = ({ query }: { query: URLSearchParams }): boolean => query.has('watch')
    for (let time = 0; time < 5; time++) api.script({ status: 500 }, isWatch)
    for (let time = 0; time < 3; time++) api.script({ status: 410, body: statusOf(410, 'Expired', 'too old') }, isWatch)
    const before = lists()
    api.endWatches('end')
    await waitFor(async () => {
      await clock.advance(30_000)
      expect(lists()).toBe(before + 3)
      expect(api.watches).toBe(1)
    })
    // Nothing lies between the first 410 and the list; later ones are paced.
    expect(pauses()).toEqual([2_000, 3_600, 6_800, 13_200, 15_400, 2_000, 3_600])
  })

  it('waits as long as the server asks', async () => {
    api.script({ status: 429, headers: { 'retry-after': '7' }, body: statusOf(429, 'TooManyRequests', 'busy') })
    start()
    await waitFor(() => expect(pauses()).toEqual([7_000]))
  })

  it('does not spin when watches end at once', async () => {
    start()
    await reflector.synced
    for (let time = 0; time < 3; time++) {
      await watching()
      api.endWatches('end')
      await waitFor(() => expect(pauses()).toHaveLength(time))
      await clock.advance(10_000 * Number(time > 0 && api.watches === 0))
    }
    expect(pauses()[0]).toBe(2_000)
  })

  it('says that the definitions of our own kinds are missing, and waits for them', async () => {
    api.absent.add(ALL_KEYS)
    start()
    await waitFor(() => expect(reflector.failing()).toMatch(/is not installed: install/))
    expect(reflector.isSynced()).toBe(false)
    expect(reflector.absent()).toBe(false)
  })

  it('does without an optional type, looks for it slowly, and lets go when it is taken away', async () => {
    api.absent.add(ALL_KEYS)
    start({ optional: true })
    await reflector.synced
    expect([reflector.absent(), reflector.failing()]).toEqual([true, undefined])
    expect(pauses()).toEqual([30_000])
    api.absent.clear()
    api.put(`${KEYS}/app`)
    await clock.advance(30_000)
    await watching()
    expect(reflector.absent()).toBe(false)
    expect(names()).toEqual(['app'])
    api.absent.add(ALL_KEYS)
    api.script({ status: 404, body: 'no' }, ({ query }) => query.has('watch'))
    api.endWatches('end')
    await waitFor(() => expect(reflector.absent()).toBe(true))
    expect(changes).toEqual(['added app', 'deleted app'])
  })

  it('hands over every key each ten minutes, and lists all anew each ten hours', async () => {
    api.put(`${KEYS}/app`)
    await started()
    await clock.advance(RESYNC_MS)
    expect(background).toEqual(['added app', 'resync app'])
    await clock.advance(10 * 3_600_000)
    api.endWatches('end')
    await waitFor(() => expect(lists()).toBe(2))
    expect(changes).toEqual([])
  })

  it.each(['before it starts', 'while it lists', 'while it waits', 'while it watches'])(
    'leaves nothing running when it is stopped %s',
    async when => {
      if (when === 'while it lists') api.script('hang')
      if (when === 'while it waits') api.script({ status: 500 })
      if (when === 'before it starts') reflector = new Reflector({ client, type: TYPES.VirtualKey, onChange: () => {} })
      else start()
      if (when === 'while it lists') await waitFor(() => expect(api.seen).toHaveLength(1))
      if (when === 'while it waits') await waitFor(() => expect(pauses()).toHaveLength(1))
      if (when === 'while it watches') await watching()
      await reflector.stop()
      await reflector.stop()
      expect(clock.sleeping).toBe(0)
      await waitFor(() => expect(api.watches).toBe(0))
      api.put(`${KEYS}/late`)
      expect(changes).toEqual([])
      if (when !== 'while it watches') await expect(reflector.synced).rejects.toThrow('was stopped')
    },
  )
})

describe('the cache of objects', () => {
  const object = (name: string, uid: string, resourceVersion: string): KubeObject => ({
    apiVersion: 'smartflow.dev/v1alpha1',
    kind: 'VirtualKey',
    metadata: { name, namespace: 'n', uid, resourceVersion },
  })

  it('ignores what is older, also beyond the range of a Number', () => {
    reflector = new Reflector({ client, type: TYPES.VirtualKey, onChange: () => {} })
    const cache = new ObjectCache(TYPES.VirtualKey)
    cache.put(object('a', 'u', '9007199254740993'))
    expect(cache.put(object('a', 'u', '9007199254740992'))).toEqual([])
    expect(cache.put(object('a', 'u', '9007199254740994'))).toHaveLength(1)
    expect(cache.remove(object('a', 'earlier', '1'))).toEqual([])
  })

  it('tells by its changes exactly how one list became the next', () => {
    reflector = new Reflector({ client, type: TYPES.VirtualKey, onChange: () => {} })
    const listed = fc.uniqueArray(
      fc.record({ name: fc.constantFrom('a', 'b', 'c', 'd'), uid: fc.constantFrom('1', '2'), version: fc.nat(3) }),
      { selector: ({ name }) => name },
    )
    fc.assert(
      fc.property(fc.array(listed, { maxLength: 5 }), all => {
        const cache = new ObjectCache(TYPES.VirtualKey)
        const uids = new Map<string, string>()
        for (const items of all) {
          const changes = cache.replace(items.map(({ name, uid, version }) => object(name, uid, String(version))))
          for (const { kind, key, uid } of changes) {
            if (kind === 'added') expect(uids.has(key.name)).toBe(false)
            else expect(uids.get(key.name)).toBe(uid)
            if (kind === 'deleted') uids.delete(key.name)
            else uids.set(key.name, uid)
          }
          expect(uids).toEqual(new Map(items.map(({ name, uid }) => [name, uid])))
        }
      }),
    )
  })
})
