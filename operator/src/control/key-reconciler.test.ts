import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { MemoryApi } from '../../../test/operator/memory-api.ts'
import { keyObject, planOf, secretObject } from '../../../test/operator/plans.ts'
import type { KubeObject } from '../api/resource-type.ts'
import { Writer } from '../apply/writer.ts'
import { idOf } from '../watch/object-id.ts'
import { ParsedObjects } from '../watch/parsed.ts'
import { SecretReader } from '../watch/secrets.ts'
import { REVOKE_FINALIZER } from './key-annotations.ts'
import { KeyReconciler } from './key-reconciler.ts'

const DELETED = '2026-01-02T00:00:00Z'
const OBJECT = 'VirtualKey default/app'
const SECRET = 'Secret default/app-key'

let api: MemoryApi
let secrets: SecretReader
let served: string | undefined
let rotated: string[]
let made: number
let reconciler: KeyReconciler

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
  api = new MemoryApi()
  secrets = new SecretReader({ client: api, onChange: () => undefined, now: Date.now, failed: () => undefined })
  secrets.start()
  ;[served, rotated, made] = ['a pod may still serve it', [], 0]
  reconciler = new KeyReconciler({
    writer: new Writer(api),
    secrets,
    stillServed: () => served,
    newToken: () => `sk-sf-${String(++made).padStart(48, '0')}`,
    url: () => 'http://gateway.svc',
    now: Date.now,
    rotated: key => rotated.push(key.metadata.name),
  })
})

afterEach(() => {
  secrets.stop()
  vi.useRealTimers()
})

/** Puts the key there and reconciles it once its Secret was looked at. */
async function reconcile(given: KubeObject, plan = planOf([given])) {
  const live = api.object(OBJECT) ?? api.put(given)
  secrets.want(new Map([['default/app-key', 'ours']]))
  await vi.advanceTimersByTimeAsync(0)
  return reconciler.reconcile(idOf(live), new ParsedObjects().parse('id', live), plan)
}

const finalizers = () => api.object(OBJECT)?.metadata.finalizers
const writes = () => api.written()

describe('a key', () => {
  it('gets its finalizer before its Secret, and then nothing more', async () => {
    await reconcile(keyObject('app'))
    expect(writes()).toEqual([`patchJson ${OBJECT}`, `create ${SECRET}`])
    expect(finalizers()).toEqual([REVOKE_FINALIZER])
    expect(api.object(SECRET)?.metadata.ownerReferences).toMatchObject([{ uid: 'uid-app' }])
    await reconcile(keyObject('app'))
    expect(writes()).toHaveLength(2)
  })

  it('gets no Secret when its finalizer cannot be set', async () => {
    api.fail('patchJson', /VirtualKey/, 'Conflict')
    await expect(reconcile(keyObject('app'))).rejects.toThrow('Conflict')
    expect(api.object(SECRET)).toBeUndefined()
  })

  it('waits for a look at its Secret', async () => {
    api.fail('get', /Secret/, 'Transient')
    expect(await reconcile(keyObject('app'))).toEqual({ requeueAfterMs: 500 })
    expect(api.object(SECRET)).toBeUndefined()
  })

  it('that is not accepted, or brings its token, gets no Secret', async () => {
    const admin = keyObject('app', { spec: { role: 'ProxyAdmin' } })
    await reconcile(admin)
    expect(writes()).toEqual([])
    api.remove(OBJECT)
    await reconcile(keyObject('app', { spec: { keyFrom: { secretRef: { name: 'mine', key: 'k' } } } }))
    expect(writes()).toEqual([`patchJson ${OBJECT}`])
  })

  it('with Orphan has no finalizer, also when it had one', async () => {
    await reconcile(keyObject('app', { finalizers: ['other', REVOKE_FINALIZER], spec: { deletionPolicy: 'Orphan' } }))
    expect(finalizers()).toEqual(['other'])
    expect(api.object(SECRET)).toBeDefined()
  })

  it('is rotated when its time has come, and that is told', async () => {
    const key = keyObject('app', { spec: { rotation: { interval: '24h', overlap: '1h' } } })
    const first = await reconcile(key)
    expect(first.requeueAfterMs).toBe(24 * 3_600_000)
    await vi.advanceTimersByTimeAsync(24 * 3_600_000)
    const second = await reconcile(key)
    expect([rotated, second.requeueAfterMs]).toEqual([['app'], 3_600_000])
    expect(secrets.values().get('default/app-key')).toMatchObject({ previousToken: expect.stringMatching(/01$/) })
  })

  it('looks at its Secret again after a write that failed', async () => {
    await reconcile(keyObject('app'))
    api.remove(SECRET)
    secrets.refresh('default/app-key')
    await vi.advanceTimersByTimeAsync(0)
    api.fail('create', /Secret/, 'Transient', 1)
    const before = api.calls.length
    await expect(reconcile(keyObject('app'))).rejects.toThrow('Transient')
    await vi.advanceTimersByTimeAsync(0)
    expect(api.calls.slice(before).map(({ verb, what }) => `${verb} ${what}`)).toEqual([
      `create ${SECRET}`,
      `get ${SECRET}`,
    ])
  })

  it('that somebody changed has its Secret looked at again, but not one that is still to be made', async () => {
    const parsed = () => new ParsedObjects().parse('id', api.object(OBJECT) ?? keyObject('app'))
    const looks = () => api.calls.filter(({ verb }) => verb === 'get').length
    api.put(keyObject('app'))
    secrets.want(new Map([['default/app-key', 'unmade']]))
    reconciler.changed(parsed())
    await vi.advanceTimersByTimeAsync(10_000)
    expect(looks()).toBe(0)
    await reconcile(keyObject('app'))
    await vi.advanceTimersByTimeAsync(10_000)
    expect(looks()).toBe(0)
    for (let times = 0; times < 5; times++) reconciler.changed(parsed())
    // At once, and after a rest for those that came while the look was under way.
    await vi.advanceTimersByTimeAsync(10_000)
    expect(looks()).toBe(2)
  })

  it("leaves a Secret alone that is somebody else's, and sees soon when it is gone", async () => {
    api.put(secretObject('app-key', { token: 'theirs' }))
    expect(await reconcile(keyObject('app'))).toEqual({ requeueAfterMs: 5_000 })
    expect(writes()).toEqual([`patchJson ${OBJECT}`])
    api.remove(SECRET)
    await reconcile(keyObject('app'))
    await reconcile(keyObject('app'))
    expect(writes().at(-1)).toBe(`create ${SECRET}`)
  })
})

describe('a deleted key', () => {
  const leaving = (more: object = {}) =>
    keyObject('app', { deletionTimestamp: DELETED, finalizers: [REVOKE_FINALIZER], ...more })

  it('stays while a pod may still serve it', async () => {
    await reconcile(leaving())
    expect(writes()).toEqual([])
  })

  it('goes when no pod does, accepted or broken', async () => {
    served = undefined
    await reconcile(leaving({ spec: { alias: 7 } }))
    expect(api.object(OBJECT)).toBeUndefined()
  })

  it('goes at once when somebody breaks the glass, with exactly that word', async () => {
    await reconcile(leaving({ annotations: { 'smartflow.dev/force-revoke': 'yes' } }))
    expect(api.object(OBJECT)).toBeDefined()
    api.put(leaving({ annotations: { 'smartflow.dev/force-revoke': 'true' } }))
    await reconcile(leaving())
    expect(api.object(OBJECT)).toBeUndefined()
  })

  it('keeps the finalizers of others', async () => {
    served = undefined
    await reconcile(leaving({ finalizers: ['other', REVOKE_FINALIZER] }))
    expect(finalizers()).toEqual(['other'])
  })

  it('gets no Secret any more', async () => {
    served = undefined
    await reconcile(leaving({ finalizers: [] }))
    expect(writes()).toEqual([])
  })
})
