import { expect, test } from 'vitest'
import type { KubeObject } from '../api/resource-type.ts'
import { FirstCarried } from './first-carried.ts'
import type { Plan } from './loop.ts'
import { type Basis, type Ground, WrittenStatuses } from './written-statuses.ts'

const live: KubeObject = {
  apiVersion: 'smartflow.dev/v1alpha1',
  kind: 'VirtualKey',
  metadata: { name: 'a', namespace: 'b', uid: 'u', resourceVersion: '1' },
}
const basis: Basis = { parts: ['compiled'], digest: { wanted: 'd', inForce: 'd' } }
const sources = ['plan']
const config = { epoch: 1, generation: 5, digest: 'd' }

function ground(generation: number, acked: number, now = 1_000): Ground {
  return {
    version: { epoch: 1, generation },
    pods: [{ name: 'pod', counted: true, ack: { epoch: 1, generation: acked, at: now } }],
    store: 'up',
    minProgrammedPercent: 100,
    ackTimeoutMs: 30_000,
    now,
  }
}

function written(): WrittenStatuses {
  const statuses = new WrittenStatuses()
  statuses.look(ground(5, 5), sources)
  statuses.keep(live, basis, { config, until: 10_000 })
  return statuses
}

test('a later generation that the pods took leaves a written status as it is', () => {
  const statuses = written()
  statuses.look(ground(9, 9), sources)
  expect(statuses.holds(live, basis)).toBe(true)
})

test('one whose sources are the same holds without its basis; after others were looked in, with its basis alone', () => {
  const statuses = written()
  statuses.look(ground(9, 9), ['plan'])
  expect(statuses.holdsStill(live)).toBe(true)
  expect(statuses.holdsStill({ ...live })).toBe(false)
  statuses.look(ground(9, 9), ['another plan'])
  expect(statuses.holdsStill(live)).toBe(false)
  expect(statuses.holds(live, basis)).toBe(true)
  expect(statuses.holdsStill(live)).toBe(true)
})

test.each<[string, Ground, KubeObject, Basis]>([
  ['a newer version of the object', ground(9, 9), { ...live }, basis],
  ['another result of compiling', ground(9, 9), live, { ...basis, parts: ['other'] }],
  ['another digest', ground(9, 9), live, { ...basis, digest: { wanted: 'e', inForce: 'd' } }],
  ['a pod that fell behind', ground(9, 4), live, basis],
  ['a store that fell back behind it', ground(4, 9), live, basis],
  ['the time at which it changes by itself', ground(9, 9, 10_000), live, basis],
])('%s has it computed again', (_what, now, object, on) => {
  const statuses = written()
  statuses.look(now, sources)
  expect(statuses.holds(object, on)).toBe(false)
})

test.each<[string, Ground]>([
  ['a pod that fell behind', ground(9, 4)],
  ['a store that fell back behind it', ground(4, 9)],
  ['the time at which it changes by itself', ground(9, 9, 10_000)],
])('%s has one computed again whose sources are the same', (_what, now) => {
  const statuses = written()
  statuses.look(now, sources)
  expect(statuses.holdsStill(live)).toBe(false)
})

function plan(generation: number, digest: string): Plan {
  const version = { epoch: 1, generation, digest: '' }
  const inForce = new Map([['t VirtualKey b/a', digest]])
  return {
    statuses: new Map(),
    invalid: new Map(),
    resources: new Map(),
    deleting: new Set(),
    hosts: new Map(),
    items: new Map(),
    secrets: new Map(),
    gateway: undefined,
    outcome: { outcome: 'published', version, inForce, wanted: inForce, evictionProblem: undefined, upToDate: true },
  }
}

test('an item keeps the first version that carried it, until it changes', () => {
  const since = new FirstCarried()
  since.planned(plan(3, 'd'))
  since.planned(plan(4, 'd'))
  expect(since.of('t VirtualKey b/a')).toMatchObject({ generation: 3 })
  since.planned(plan(5, 'e'))
  expect(since.of('t VirtualKey b/a')).toMatchObject({ generation: 5 })
  expect(since.of('t VirtualKey b/other')).toBeUndefined()
})
