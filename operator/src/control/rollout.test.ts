import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { liveObject } from '../../../test/operator/plans.ts'
import type { KubeObject } from '../api/resource-type.ts'
import { Acks } from '../apply/acks.ts'
import { Rollout } from './rollout.ts'

const SERVICE = 'gw-gateway'

let hashes: Map<string, Record<string, string>>
let away: boolean
let known: boolean
let asked: number
let changes: number
let failures: number
let rollout: Rollout
let slices: KubeObject[]

function slice(...pods: { name: string; ready: boolean }[]): KubeObject {
  const endpoints = pods.map(({ name, ready }) => ({
    targetRef: { kind: 'Pod', name, uid: `uid-${name}` },
    conditions: { ready },
  }))
  return liveObject('EndpointSlice', 'one', { labels: { 'kubernetes.io/service-name': SERVICE }, endpoints })
}

function said(pod: string, more: Record<string, string> = {}): void {
  const fields = { boot: 'b', epoch: '1', gen: '3', digest: 'd', at: String(Date.now()), ...more }
  hashes.set(`uid-${pod}`, fields)
}

beforeEach(() => {
  vi.useFakeTimers()
  ;[hashes, away, known, asked, changes, failures] = [new Map(), false, true, 0, 0, 0]
  slices = [slice({ name: 'a', ready: true }, { name: 'b', ready: false })]
  const send = async (command: string, args: readonly (string | number)[]): Promise<unknown> => {
    if (away) throw new Error('away')
    if (command === 'time') {
      asked++
      return [String(Math.floor(Date.now() / 1_000)), String((Date.now() % 1_000) * 1_000)]
    }
    return hashes.get(String(args[0]).split(':').at(-1) ?? '') ?? {}
  }
  const acks = new Acks({ redis: { send, run: async () => null }, gateway: 'gw', now: Date.now })
  rollout = new Rollout({
    observed: { endpointSlices: () => slices },
    acks: () => (known ? acks : undefined),
    serviceName: () => SERVICE,
    ackTimeoutMs: () => 30_000,
    now: Date.now,
    changed: () => changes++,
    failed: () => failures++,
  })
  said('a')
})

afterEach(async () => {
  await rollout.stop()
  vi.useRealTimers()
})

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)

test('pods are joined with what they said; one that is not ready is known, but does not count', async () => {
  said('b', { gen: '2' })
  rollout.start()
  expect(rollout.state()).toEqual({ pods: [], store: 'away' })
  await pass(30)
  expect(rollout.state()).toMatchObject({
    store: 'up',
    pods: [
      { name: 'a', counted: true, ack: { epoch: 1, generation: 3 } },
      { name: 'b', counted: false, ack: { generation: 2 } },
    ],
  })
})

test('a change is told once; an acknowledgement that only repeats itself is none', async () => {
  rollout.start()
  await pass(30)
  expect(changes).toBe(1)
  await pass(2_000)
  said('a')
  await pass(10_000)
  expect(changes).toBe(1)
  said('a', { gen: '4' })
  rollout.touch()
  await pass(30)
  expect(changes).toBe(2)
  slices = []
  rollout.touch()
  await pass(30)
  expect(changes).toBe(3)
})

test('an acknowledgement that grows too old is a change', async () => {
  rollout.start()
  await pass(29_000)
  expect(changes).toBe(1)
  await pass(4_000)
  expect(changes).toBe(2)
})

test('while the store is away what was known is shown, and soon that it is away', async () => {
  rollout.start()
  await pass(30)
  away = true
  await pass(2_100)
  const before = { pods: [{ ack: { generation: 3 } }, { name: 'b' }] }
  expect(rollout.state()).toMatchObject({ store: 'up', ...before })
  expect([changes, failures]).toEqual([1, 1])
  await pass(5_000)
  expect(rollout.state()).toMatchObject({ store: 'away', ...before })
  await pass(10_000)
  expect([changes, failures]).toEqual([2, 1])
  away = false
  await pass(2_100)
  expect(rollout.state().store).toBe('up')
  expect(changes).toBe(3)
  known = false
  await pass(2_100)
  expect(rollout.state().store).toBe('away')
})

test('a reading that fails is made again soon, and nobody notices', async () => {
  rollout.start()
  await pass(30)
  away = true
  await pass(2_000)
  away = false
  said('a', { gen: '4' })
  await pass(300)
  expect(rollout.state()).toMatchObject({ store: 'up', pods: [{ ack: { generation: 4 } }, {}] })
  expect([changes, failures]).toEqual([2, 1])
})

test('a store that does not answer at a start is given some seconds before anything is told', async () => {
  away = true
  rollout.start()
  await pass(4_000)
  expect(rollout.looked()).toBe(false)
  away = false
  await pass(300)
  expect([rollout.looked(), rollout.state().store]).toEqual([true, 'up'])
  const told = changes
  away = true
  await pass(8_000)
  expect([rollout.looked(), rollout.state().store, changes]).toEqual([true, 'away', told + 1])
})

test('a store that stays away at a start is told as away', async () => {
  away = true
  rollout.start()
  await pass(4_000)
  const told = changes
  await pass(2_000)
  expect([rollout.looked(), rollout.state().store, changes]).toEqual([true, 'away', told + 1])
})

test('a pod that comes while acknowledgements cannot be read is not called behind', async () => {
  rollout.start()
  await pass(30)
  away = true
  slices = [slice({ name: 'a', ready: true }, { name: 'c', ready: true })]
  rollout.touch()
  await pass(30)
  expect(rollout.state()).toMatchObject({ store: 'away', pods: [{ ack: { generation: 3 } }, { ack: undefined }] })
  expect(rollout.looked()).toBe(false)
  away = false
  await pass(300)
  expect([rollout.looked(), rollout.state().store]).toEqual([true, 'up'])
})

test('hints are gathered, and hints that never end do not keep it from reading', async () => {
  rollout.start()
  await pass(30)
  const before = asked
  for (let at = 0; at < 100; at++) {
    rollout.touch()
    await pass(10)
  }
  expect(asked - before).toBeGreaterThan(20)
  expect(asked - before).toBeLessThan(50)
})

test('it reads by time when no pod gives a hint, and not after its end', async () => {
  rollout.start()
  await pass(6_100)
  expect(asked).toBe(4)
  await rollout.stop()
  rollout.touch()
  await pass(10_000)
  expect(asked).toBe(4)
})
