import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FakeKubeApi, statusOf } from '../../../test/operator/fake-kube-api.ts'
import { TestClock } from '../../../test/operator/test-clock.ts'
import { waitFor } from '../../../test/wait-for.ts'
import { KubeClient } from '../api/client.ts'
import { ClusterAccess } from '../api/kube-config.ts'
import type { KubeObject } from '../api/resource-type.ts'
import { type EventNote, Events } from './events.ts'

const NOTE: EventNote = { type: 'Warning', reason: 'SecretNotFound', action: 'Compile', message: 'make Secret x' }

let api: FakeKubeApi
let client: KubeClient
let clock: TestClock
let events: Events
let problems: string[]

beforeEach(async () => {
  api = await FakeKubeApi.start()
  client = new KubeClient({ access: new ClusterAccess({ kubeconfig: api.kubeconfig }) })
  clock = new TestClock()
  problems = []
  const onProblem = (problem: string): void => void problems.push(problem)
  events = new Events({ client, clock, instance: 'operator-0', onProblem })
})

afterEach(async () => {
  await events.stop()
  await client.close()
  await api.stop()
})

function object(name: string, namespace?: string): KubeObject {
  const kind = namespace === undefined ? 'AITenant' : 'VirtualKey'
  const metadata = { name, uid: `uid-of-${name}`, resourceVersion: '7', ...(namespace !== undefined && { namespace }) }
  return { apiVersion: 'smartflow.dev/v1alpha1', kind, metadata }
}

describe('events', () => {
  it('are written beside their object, or in the default namespace', async () => {
    events.emit(object('app', 'payments'), NOTE)
    events.emit(object('acme'), { ...NOTE, message: 'x'.repeat(2_000) })
    await events.settled()
    expect(api.seen).toHaveLength(2)
    const [first, second] = api.seen
    expect(first?.path).toBe('/apis/events.k8s.io/v1/namespaces/payments/events')
    expect(first?.body).toMatchObject({
      metadata: { name: expect.stringMatching(/^app\.[0-9a-f]{12}$/) as string, namespace: 'payments' },
      regarding: { kind: 'VirtualKey', name: 'app', namespace: 'payments', uid: 'uid-of-app' },
      reason: 'SecretNotFound',
      note: 'make Secret x',
      eventTime: expect.stringMatching(/\.\d{6}Z$/) as string,
      reportingController: 'smartflow.dev/operator',
    })
    expect(second?.path).toBe('/apis/events.k8s.io/v1/namespaces/default/events')
    expect(second?.body).toHaveProperty('note', 'x'.repeat(1_024))
  })

  it('count up the first one when they come again within ten minutes', async () => {
    events.emit(object('app', 'payments'), NOTE)
    await events.settled()
    events.emit(object('app', 'payments'), NOTE)
    await events.settled()
    const { method, body } = api.seen.at(-1) ?? {}
    expect(method).toBe('PATCH')
    expect(body).toMatchObject([
      { op: 'add', path: '/series', value: { count: 2, lastObservedTime: expect.any(String) as string } },
    ])
    await clock.advance(11 * 60_000)
    events.emit(object('app', 'payments'), NOTE)
    await events.settled()
    expect(api.seen.map(({ method: of }) => of)).toEqual(['POST', 'PATCH', 'POST'])
  })

  it('are one when they come again before the first was written', async () => {
    for (let time = 0; time < 5; time++) events.emit(object('app', 'payments'), NOTE)
    await events.settled()
    expect(api.seen[0]?.body).toMatchObject({ series: { count: 5 } })
  })

  it('are written anew when the API server forgot them', async () => {
    events.emit(object('app', 'payments'), NOTE)
    await events.settled()
    const [created] = api.paths('/apis/events.k8s.io/v1/namespaces/payments/events')
    api.remove(created ?? '')
    events.emit(object('app', 'payments'), NOTE)
    await events.settled()
    expect(api.seen.map(({ method }) => method)).toEqual(['POST', 'PATCH', 'POST'])
    expect(problems).toEqual([])
  })

  it('are dropped and told of when there are too many, and wait for their turn before', async () => {
    for (let index = 0; index < 300; index++) events.emit(object(`app-${index}`, 'payments'), NOTE)
    expect(problems).toHaveLength(100)
    expect(problems[0]).toContain('dropped')
    await waitFor(() => expect(api.seen).toHaveLength(25))
    await waitFor(() => expect(clock.slept).toEqual([500]))
    await clock.advance(500)
    await waitFor(() => expect(api.seen).toHaveLength(26))
  })

  it('do no harm when they cannot be written', async () => {
    api.script({ status: 403, body: statusOf(403, 'Forbidden', 'no events here') })
    events.emit(object('app', 'payments'), NOTE)
    await events.settled()
    expect(problems).toEqual([expect.stringContaining('no events here')])
    events.emit(object('other', 'payments'), NOTE)
    await events.settled()
    expect(api.seen).toHaveLength(2)
  })
})
