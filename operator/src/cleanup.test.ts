import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { MemoryApi } from '../../test/operator/memory-api.ts'
import { HOME, keyObject, liveObject } from '../../test/operator/plans.ts'
import { cleanUp } from './cleanup.ts'
import { REVOKE_FINALIZER } from './control/key-annotations.ts'

let api: MemoryApi
let said: string[]

beforeEach(() => {
  vi.useFakeTimers()
  api = new MemoryApi()
  said = []
})

afterEach(() => vi.useRealTimers())

const clean = () =>
  cleanUp({
    client: api,
    namespace: HOME,
    gateway: 'gw',
    log: (level, message, fields) => said.push(`${level} ${message} ${JSON.stringify(fields)}`),
  })

const lease = (holderIdentity: string) =>
  liveObject('Lease', 'gw-operator', { namespace: HOME, spec: { holderIdentity } })

describe('a cleanup', () => {
  it('takes our finalizer off every key, whichever page it is on, and no other', async () => {
    for (let at = 0; at < 502; at++) api.put(keyObject(`key-${at}`, { finalizers: ['other', REVOKE_FINALIZER] }))
    api.put(keyObject('without', { finalizers: ['other'] }))
    await clean()
    const { items } = await api.list({ group: '', version: '', plural: '', kind: 'VirtualKey', namespaced: true })
    expect(items).toHaveLength(503)
    expect(items.every(({ metadata }) => metadata.finalizers?.join() === 'other')).toBe(true)
    expect(said).toEqual(['info finalizers taken off {"keys":502}'])
  })

  it('stops the operator first and waits until it gives its lease back', async () => {
    api.put(liveObject('Deployment', 'gw-operator', { namespace: HOME, spec: { replicas: 2 } }))
    api.put(lease('one'))
    api.put(keyObject('app', { finalizers: [REVOKE_FINALIZER] }))
    const cleaned = clean()
    await vi.advanceTimersByTimeAsync(5_000)
    expect(api.written()).toEqual([`patchJson Deployment ${HOME}/gw-operator`])
    expect(api.object(`Deployment ${HOME}/gw-operator`)?.spec).toEqual({ replicas: 0 })
    api.put(lease(''))
    await vi.advanceTimersByTimeAsync(500)
    await cleaned
    expect(api.object('VirtualKey default/app')?.metadata.finalizers).toEqual([])
  })

  it('goes on after a minute, with a warning, when the lease is not given back', async () => {
    api.put(lease('one'))
    const cleaned = clean()
    await vi.advanceTimersByTimeAsync(61_000)
    await cleaned
    expect(said[0]).toMatch(/^warn .*"holder":"one"/)
  })

  it('tries again with the newest object when somebody writes at the same time', async () => {
    const listed = api.put(keyObject('app', { finalizers: [REVOKE_FINALIZER] }))
    api.put(keyObject('app', { finalizers: ['other', REVOKE_FINALIZER] }))
    const page = { items: [listed], resourceVersion: '1', continue: undefined }
    vi.spyOn(api, 'list').mockResolvedValue(page)
    await clean()
    expect(api.object('VirtualKey default/app')?.metadata.finalizers).toEqual(['other'])
    api.put(keyObject('app', { finalizers: [REVOKE_FINALIZER] }))
    api.fail('patchJson', /VirtualKey/, 'Conflict', 5)
    await expect(clean()).rejects.toThrow('Conflict')
  })

  it('fails when it may not stop the operator, which would put the finalizers back', async () => {
    api.put(keyObject('app', { finalizers: [REVOKE_FINALIZER] }))
    api.fail('patchJson', /Deployment/, 'Forbidden')
    await expect(clean()).rejects.toThrow('Forbidden')
    expect(api.object('VirtualKey default/app')?.metadata.finalizers).toEqual([REVOKE_FINALIZER])
  })
})
