import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { MemoryApi } from '../../../test/operator/memory-api.ts'
import { HOME, keyObject, liveObject } from '../../../test/operator/plans.ts'
import { Observed } from './observed.ts'

let api: MemoryApi
let observed: Observed
let told: string[]

beforeEach(() => {
  vi.useFakeTimers()
  api = new MemoryApi()
  told = []
  observed = new Observed({
    client: api,
    namespace: HOME,
    listener: { ours: id => told.push(id), around: (what, id) => told.push(`${what} ${id}`) },
    failing: (plural, problem) => told.push(`${plural}: ${problem === undefined ? 'well' : 'failing'}`),
  })
})

afterEach(async () => {
  await observed.stop()
  vi.useRealTimers()
})

const settle = () => vi.advanceTimersByTimeAsync(0)

test('what is there is found under its id, checked, and changes are told', async () => {
  api.put(keyObject('app'))
  await observed.start()
  expect(told).toEqual(['VirtualKey/default/app'])
  expect(observed.parsed('VirtualKey/default/app')?.resource).toMatchObject({ kind: 'VirtualKey' })
  api.put(liveObject('AITenant', 'acme', { spec: { namespaces: { names: ['a'] } } }))
  await settle()
  expect(observed.live('AITenant//acme')?.metadata.name).toBe('acme')
  expect([...observed.all()].map(({ id }) => id)).toEqual(['AITenant//acme', 'VirtualKey/default/app'])
})

test('an object that went and came again broken does not serve its former good form', async () => {
  api.put(keyObject('app'))
  await observed.start()
  expect(observed.parsed('VirtualKey/default/app')?.problems).toEqual([])
  api.remove('VirtualKey default/app')
  await settle()
  api.put(keyObject('app', { spec: { alias: 7 } }))
  await settle()
  expect(observed.parsed('VirtualKey/default/app')?.resource).toBeUndefined()
})

test('a list that gives an object as it was keeps it and says nothing of it; the revision counts what changed', async () => {
  api.put(keyObject('app'))
  await observed.start()
  const [live, revision] = [observed.live('VirtualKey/default/app'), observed.revision()]
  api.fail('watch', /^VirtualKey$/, 'Transient')
  api.breakWatches('VirtualKey')
  await settle()
  api.put(keyObject('more'))
  expect(await observed.confirm()).toBe(false)
  expect(observed.revision()).toBe(revision)
  api.mend()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(observed.parsed('VirtualKey/default/more')).toBeDefined()
  expect(observed.live('VirtualKey/default/app')).toBe(live)
  expect(observed.revision()).toBe(revision + 1)
})

test('a watch that fails is said until it is well again; one of children keeps nothing from being published', async () => {
  await observed.start()
  api.fail('watch', /^VirtualKey$/, 'Transient')
  api.breakWatches('VirtualKey')
  await settle()
  expect(observed.failing()).toEqual([expect.stringContaining('virtualkeys')])
  expect(told).toContain('virtualkeys: failing')
  api.mend()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(observed.failing()).toEqual([])
  expect(told).toContain('virtualkeys: well')
  api.fail('watch', /^Ingress$/, 'Transient')
  api.breakWatches('Ingress')
  await settle()
  expect(observed.failing()).toEqual([])
})

test('a failing list of namespaces counts: tenants are made of them', async () => {
  await observed.start()
  api.fail('watch', /^Namespace$/, 'Transient')
  api.breakWatches('Namespace')
  await settle()
  expect(observed.failing()).toHaveLength(1)
})

test('a second look confirms what the caches hold, over several pages, and notices what they lack or have too much', async () => {
  for (let at = 0; at < 501; at++) api.put(keyObject(`key-${at}`))
  await observed.start()
  expect(await observed.confirm()).toBe(true)
  api.fail('watch', /^VirtualKey$/, 'Transient')
  api.breakWatches('VirtualKey')
  await settle()
  api.put(keyObject('more'))
  expect(await observed.confirm()).toBe(false)
  api.remove('VirtualKey default/more')
  expect(await observed.confirm()).toBe(true)
  api.remove('VirtualKey default/key-7')
  expect(await observed.confirm()).toBe(false)
  api.put(keyObject('key-7', { uid: 'another' }))
  expect(await observed.confirm()).toBe(false)
})

test('what no cache holds is asked for by name, and a kind whose list lacked it is listed again', async () => {
  api.put(keyObject('app'))
  await observed.start()
  expect(await observed.foundAfterAll(['VirtualKey/default/app', 'VirtualKey/default/gone', 'Namespace//gone'])).toBe(
    undefined,
  )
  const asked = api.calls.filter(({ verb }) => verb === 'get').map(({ what }) => what)
  expect(asked).toEqual(['VirtualKey default/gone', 'Namespace gone'])
  api.fail('watch', /^VirtualKey$/, 'Transient', 1)
  api.breakWatches('VirtualKey')
  await settle()
  api.put(keyObject('missed'))
  expect(await observed.foundAfterAll(['VirtualKey/default/missed'])).toBe('VirtualKey default/missed')
  await vi.advanceTimersByTimeAsync(60_000)
  expect(observed.live('VirtualKey/default/missed')).toBeDefined()
})

test('endpoints and children are those of the own namespace, and an optional kind may be absent', async () => {
  api.put(liveObject('EndpointSlice', 'here', { namespace: HOME }))
  api.put(liveObject('EndpointSlice', 'there', { namespace: 'elsewhere' }))
  api.put(liveObject('Ingress', 'ours', { namespace: HOME }))
  api.put(liveObject('Namespace', 'shop', { labels: { team: 'a' } }))
  api.fail('list', /^Certificate$/, 'NotFound')
  await observed.start()
  expect([...observed.endpointSlices()].map(({ metadata }) => metadata.name)).toEqual(['here'])
  expect([...observed.children()].map(({ metadata }) => metadata.name)).toEqual(['ours'])
  expect(observed.child(`Ingress/${HOME}/ours`)?.kind).toBe('Ingress')
  expect(observed.namespaces()).toEqual(new Map([['shop', { team: 'a' }]]))
  expect([observed.serves('Certificate'), observed.serves('HTTPRoute'), observed.serves('Pod')]).toEqual([
    false,
    true,
    false,
  ])
})
