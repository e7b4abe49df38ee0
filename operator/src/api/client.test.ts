import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FakeKubeApi, statusOf } from '../../../test/operator/fake-kube-api.ts'
import { waitFor } from '../../../test/wait-for.ts'
import { ApiError } from './api-error.ts'
import { KubeClient } from './client.ts'
import { ClusterAccess } from './kube-config.ts'
import { type ObjectKey, TYPES } from './resource-type.ts'
import type { WatchEvent } from './watch-stream.ts'

const KEYS = '/apis/smartflow.dev/v1alpha1/namespaces/payments/virtualkeys'
const KEY: ObjectKey = { type: TYPES.VirtualKey, namespace: 'payments', name: 'app' }

let api: FakeKubeApi
let client: KubeClient
const codes: string[] = []

beforeEach(async () => {
  codes.length = 0
  api = await FakeKubeApi.start()
  client = newClient()
})

afterEach(async () => {
  await client.close()
  await api.stop()
})

function newClient(access = new ClusterAccess({ kubeconfig: api.kubeconfig })): KubeClient {
  return new KubeClient({ access, onRequest: (method, code) => codes.push(`${method} ${code}`) })
}

async function failure(promise: Promise<unknown>): Promise<ApiError> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (error instanceof ApiError) return error
  throw new Error(`expected an ApiError, got ${String(error)}`)
}

async function collect(events: AsyncIterable<WatchEvent>): Promise<WatchEvent[]> {
  const collected: WatchEvent[] = []
  for await (const event of events) collected.push(event)
  return collected
}

describe('calls to the API server', () => {
  it('read one object, or nothing', async () => {
    api.put(`${KEYS}/app`, { spec: { team: 'blue' } })
    expect(await client.get(KEY)).toMatchObject({
      kind: 'VirtualKey',
      metadata: { name: 'app' },
      spec: { team: 'blue' },
    })
    expect(await client.get({ ...KEY, name: 'other' })).toBeUndefined()
    expect(codes).toEqual(['GET 200', 'GET 404'])
  })

  it('take any number for their deadline, as what is left of a lease gives it', async () => {
    api.put(`${KEYS}/app`)
    expect(await client.get(KEY, { timeoutMs: 4591.848008999979 })).toBeDefined()
    const asked = api.seen.length
    expect(await failure(client.get(KEY, { timeoutMs: -0.5 }))).toMatchObject({ reason: 'Timeout' })
    expect(api.seen).toHaveLength(asked)
  })

  it('read lists in pages, whose items get the type that the server leaves out', async () => {
    for (const name of ['a', 'b', 'c']) api.put(`${KEYS}/${name}`)
    const first = await client.list(TYPES.VirtualKey, { limit: 2 })
    const second = await client.list(TYPES.VirtualKey, { limit: 2, continue: first.continue })
    expect([...first.items, ...second.items].map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual([
      'VirtualKey a',
      'VirtualKey b',
      'VirtualKey c',
    ])
    expect(second.continue).toBeUndefined()
  })

  it('take no answer for an empty list that is none', async () => {
    api.script({ status: 200, body: {} })
    expect(await failure(client.list(TYPES.VirtualKey))).toMatchObject({ reason: 'Transient' })
    api.absent.add('/apis/smartflow.dev/v1alpha1/virtualkeys')
    expect(await failure(client.list(TYPES.VirtualKey))).toMatchObject({ reason: 'NotFound', code: 404 })
  })

  it('delete exactly the object that is meant', async () => {
    api.put(`${KEYS}/app`)
    expect(await client.delete(KEY, { uid: 'another' })).toBe(false)
    expect(api.object(`${KEYS}/app`)).toBeDefined()
    expect(await client.delete(KEY)).toBe(true)
    expect(await client.delete(KEY)).toBe(false)
  })

  it('end after their time', async () => {
    api.script('hang')
    expect(await failure(client.get(KEY, { timeoutMs: 500 }))).toMatchObject({ reason: 'Timeout' })
    expect(codes).toEqual(['GET <error>'])
  })

  it('leave a connection on which nothing is answered any more', async () => {
    await client.get(KEY)
    const signal = new AbortController().signal
    const watching = failure(
      collect(client.watch(TYPES.VirtualKey, { resourceVersion: '100', timeoutSeconds: 60, signal })),
    )
    await waitFor(() => expect(api.watches).toBe(1))
    for (let call = 0; call < 2; call++) {
      api.script('hang')
      await failure(client.get(KEY, { timeoutMs: 500 }))
    }
    expect(await watching).toMatchObject({ reason: 'Transient' })
    expect(await client.get(KEY)).toBeUndefined()
  })

  it('say what went wrong without headers and bodies', async () => {
    api.script({ status: 500, body: '<html>secret</html>' })
    expect((await failure(client.get(KEY))).message).toBe('HTTP 500')
    api.script({ status: 429, headers: { 'retry-after': '3' }, body: statusOf(429, 'TooManyRequests', 'slow down') })
    const slow = await failure(client.get(KEY))
    expect(slow).toMatchObject({ reason: 'TooManyRequests', retryAfterMs: 3_000, message: 'slow down' })
    api.script('reset')
    expect(await failure(client.get(KEY))).toMatchObject({ reason: 'Transient', code: undefined })
    await api.stop()
    expect(await failure(client.get(KEY))).toMatchObject({ reason: 'Transient' })
    api = await FakeKubeApi.start()
  })

  it('keep their connections: a call may find the one before not quite done', async () => {
    for (let call = 0; call < 20; call++) await client.get(KEY)
    expect(api.connections).toBeLessThanOrEqual(2)
  })
})

describe('credentials', () => {
  it('are read again when the server refuses them, once', async () => {
    let now = 0
    const clock = { now: () => now, date: () => now, sleep: async () => {} }
    api.writeKubeconfig('old')
    api.tokens.add('Bearer old')
    const access = new ClusterAccess({ kubeconfig: api.kubeconfig, clock })
    const rotating = newClient(access)
    await rotating.get(KEY)
    api.tokens.clear()
    api.tokens.add('Bearer new')
    api.writeKubeconfig('new')
    now += 2_000
    expect(await rotating.get(KEY)).toBeUndefined()
    api.tokens.clear()
    api.tokens.add('Bearer nobody knows')
    now += 2_000
    const before = api.seen.length
    expect(await failure(rotating.get(KEY))).toMatchObject({ reason: 'Unauthorized', code: 401 })
    expect(api.seen.length - before).toBe(2)
    await rotating.close()
  })

  it('come from a kubeconfig or from the cluster, else it is said what to set', () => {
    expect(() => new ClusterAccess()).toThrow(/set KUBECONFIG/)
  })
})

describe('a watch', () => {
  const options = { resourceVersion: '100', timeoutSeconds: 60, signal: new AbortController().signal }

  it('gives events in order and ends when the server ends it', async () => {
    const watching = collect(client.watch(TYPES.VirtualKey, options))
    await waitFor(() => expect(api.watches).toBe(1))
    api.put(`${KEYS}/app`)
    api.put(`${KEYS}/app`, { spec: 1 })
    api.bookmark()
    api.remove(`${KEYS}/app`)
    api.endWatches('end')
    const events = await watching
    expect(events.map(({ type }) => type)).toEqual(['ADDED', 'MODIFIED', 'BOOKMARK', 'DELETED'])
    expect(events[2]).toEqual({ type: 'BOOKMARK', resourceVersion: '103', initialEventsEnd: false })
  })

  it.each([
    ['an end in the middle of an event', () => api.endWatches('mid-line'), 'Transient'],
    ['a broken connection', () => api.endWatches('reset'), 'Transient'],
    ['an ERROR event', () => api.expireWatches(), 'Expired'],
  ])('fails with %s', async (_what, happen, reason) => {
    const watching = failure(collect(client.watch(TYPES.VirtualKey, options)))
    await waitFor(() => expect(api.watches).toBe(1))
    happen()
    expect(await watching).toMatchObject({ reason })
  })

  it('fails when the server refuses it, whichever way', async () => {
    api.script({ status: 410, body: statusOf(410, 'Expired', 'too old') })
    expect(await failure(collect(client.watch(TYPES.VirtualKey, options)))).toMatchObject({ reason: 'Expired' })
    api.script({ status: 200, body: 'no json\n' })
    expect(await failure(collect(client.watch(TYPES.VirtualKey, options)))).toMatchObject({ reason: 'Transient' })
  })

  it('counts as broken when it is silent for too long', async () => {
    expect(await failure(collect(client.watch(TYPES.VirtualKey, { ...options, idleMs: 30 })))).toMatchObject({
      reason: 'Timeout',
    })
    await waitFor(() => expect(api.watches).toBe(0))
  })

  it('ends without an error when it is given up, and leaves nothing open', async () => {
    const given = new AbortController()
    const watching = collect(client.watch(TYPES.VirtualKey, { ...options, signal: given.signal }))
    await waitFor(() => expect(api.watches).toBe(1))
    given.abort()
    expect(await watching).toEqual([])
    await waitFor(() => expect(api.watches).toBe(0))
  })
})
