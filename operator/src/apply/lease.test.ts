import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FakeKubeApi } from '../../../test/operator/fake-kube-api.ts'
import { TestClock } from '../../../test/operator/test-clock.ts'
import { waitFor } from '../../../test/wait-for.ts'
import { KubeClient } from '../api/client.ts'
import { ClusterAccess } from '../api/kube-config.ts'
import { LeaderElection, microTime } from './lease.ts'

const LEASE = '/apis/coordination.k8s.io/v1/namespaces/gateway/leases/operator'

let api: FakeKubeApi
let client: KubeClient
let clock: TestClock
let electors: LeaderElection[]
let told: string[]

beforeEach(async () => {
  api = await FakeKubeApi.start()
  client = new KubeClient({ access: new ClusterAccess({ kubeconfig: api.kubeconfig }) })
  clock = new TestClock()
  electors = []
  told = []
})

afterEach(async () => {
  await Promise.all(electors.map(elector => elector.stop()))
  await client.close()
  await api.stop()
})

/** Stands for election and writes down what becomes of it. */
function stand(identity: string, options: { client?: KubeClient; clock?: TestClock } = {}): LeaderElection {
  const elector = new LeaderElection({
    client,
    clock,
    namespace: 'gateway',
    name: 'operator',
    identity,
    random: () => 0,
    onProblem: problem => told.push(problem),
    ...options,
  })
  electors.push(elector)
  void elector.run({
    onStarted: signal => {
      told.push(`${identity} leads`)
      signal.addEventListener('abort', () => told.push(`${identity} ends`))
    },
    onLost: why => told.push(`${identity} lost: ${why}`),
  })
  return elector
}

const spec = (): Record<string, unknown> => api.object(LEASE)?.['spec'] as Record<string, unknown>
const writes = (): number => api.seen.filter(({ method }) => method === 'PUT').length

async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 500) {
    await clock.advance(500)
    // Whoever asked the server has its answer before time goes on.
    await waitFor(() => expect(clock.sleeping).toBe(electors.length))
  }
}

describe('leader election', () => {
  it('makes the Lease, with times as the API server takes them, and renews it every two seconds', async () => {
    const elector = stand('one')
    await waitFor(() => expect(told).toEqual(['one leads']))
    expect(elector.isLeader()).toBe(true)
    expect(spec()).toMatchObject({ holderIdentity: 'one', leaseDurationSeconds: 15, leaseTransitions: 0 })
    const { acquireTime, renewTime } = spec()
    await pass(10_000)
    expect(writes()).toBe(5)
    expect(spec()['acquireTime']).toBe(acquireTime)
    expect(spec()['renewTime']).not.toBe(renewTime)
    expect(microTime(0)).toBe('1970-01-01T00:00:00.000000Z')
  })

  it('lets one of two lead, and the other at once when the first gives the Lease back', async () => {
    const one = stand('one')
    await waitFor(() => expect(told).toEqual(['one leads']))
    const two = stand('two')
    await waitFor(() => expect(two.leader()).toBe('one'))
    await pass(60_000)
    expect(told).toEqual(['one leads'])
    await one.stop()
    electors = [two]
    expect(spec()).toMatchObject({ holderIdentity: '', leaseDurationSeconds: 1 })
    await pass(2_500)
    expect(told).toEqual(['one leads', 'one ends', 'two leads'])
    expect([one.isLeader(), two.isLeader(), spec()['leaseTransitions']]).toEqual([false, true, 1])
  })

  it('takes over from one that is silent after fifteen seconds of its own watching, whatever the Lease says', async () => {
    const long = microTime(clock.date() - 86_400_000)
    api.put(LEASE, {
      spec: {
        holderIdentity: 'dead',
        leaseDurationSeconds: 15,
        acquireTime: long,
        renewTime: long,
        leaseTransitions: 7,
      },
    })
    const one = stand('one')
    await waitFor(() => expect(one.leader()).toBe('dead'))
    await pass(14_000)
    expect(told).toEqual([])
    await pass(2_500)
    expect(told).toEqual(['one leads'])
    expect(spec()).toMatchObject({ holderIdentity: 'one', leaseTransitions: 8 })
  })

  it('stops before anyone else may begin when it cannot renew', async () => {
    const one = stand('one')
    await waitFor(() => expect(told).toEqual(['one leads']))
    const begin = clock.now()
    for (let time = 0; time < 20; time++) api.script({ status: 503 })
    await waitFor(async () => {
      await clock.advance(500)
      expect(told).toContain('one ends')
    })
    expect(clock.now() - begin).toBeGreaterThanOrEqual(9_500)
    expect(clock.now() - begin).toBeLessThan(12_000)
    expect(one.isLeader()).toBe(false)
    expect(told.at(-1)).toBe('one lost: the lease was not renewed for 10000 ms')
    expect(told).toContain('lease operator: HTTP 503')
  })

  it('is no leader any more once the lease is overdue, before it notices', async () => {
    const one = stand('one')
    await waitFor(() => expect(told).toEqual(['one leads']))
    api.script('hang')
    await clock.advance(11_000)
    expect(told).toEqual(['one leads'])
    expect(one.isLeader()).toBe(false)
    await client.close()
  })

  it('gives way when another wrote the Lease, and does not take it back', async () => {
    stand('one')
    await waitFor(() => expect(told).toEqual(['one leads']))
    api.put(LEASE, { spec: { ...spec(), holderIdentity: 'two' } })
    await waitFor(async () => {
      await clock.advance(2_000)
      expect(told).toEqual(['one leads', 'one ends', 'one lost: the lease went to two'])
    })
    await electors[0]?.stop()
    expect(spec()['holderIdentity']).toBe('two')
  })

  it('lets only one win when two find the Lease free at once', async () => {
    api.put(LEASE, { spec: { holderIdentity: '', leaseDurationSeconds: 1, leaseTransitions: 3 } })
    const all = ['one', 'two', 'three'].map(identity => stand(identity))
    await waitFor(() => expect(told).toHaveLength(1))
    await waitFor(() => expect(clock.sleeping).toBe(3))
    expect(all.filter(elector => elector.isLeader())).toHaveLength(1)
    expect(spec()['leaseTransitions']).toBe(4)
  })
})
