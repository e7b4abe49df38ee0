import { beforeEach, expect, test } from 'vitest'
import { keyObject, NOTHING_PUBLISHED, planOf, published } from '../../../test/operator/plans.ts'
import type { PublicationOutcome } from '../apply/publication.ts'
import { Revocations } from './revocations.ts'
import type { PodState, RolloutState } from './rollout.ts'

const ID = 'VirtualKey/default/app'
const leaving = keyObject('app', { deletionTimestamp: '2026-01-02T00:00:00Z' })

let state: RolloutState
let revocations: Revocations

function pod(name: string, generation: number | undefined, more: Partial<PodState> = {}, epoch = 1): PodState {
  const said = { bootId: 'b', digest: 'd', at: 0, problem: undefined, schema: 1, version: '1' }
  const ack = generation === undefined ? undefined : { ...said, epoch, generation }
  return { name, uid: name, counted: true, ack, ...more }
}

const planned = (outcome: PublicationOutcome) => revocations.planned(planOf([leaving], { outcome }))

beforeEach(() => {
  state = { pods: [], store: 'up' }
  revocations = new Revocations(() => state)
})

test('a key is served until a configuration without it is published', () => {
  expect(revocations.stillServed(ID)).toContain('not published yet')
  planned({ ...NOTHING_PUBLISHED, outcome: 'unavailable', message: 'away', since: 0 })
  planned({ ...NOTHING_PUBLISHED, outcome: 'held', few: false, message: 'too much' })
  expect(revocations.stillServed(ID)).toContain('not published yet')
  planned(published(5))
  expect(revocations.stillServed(ID)).toBeUndefined()
})

test.each<[string, PodState, boolean]>([
  ['a pod with that version', pod('p', 5), false],
  ['a pod with a later one', pod('p', 9), false],
  ['a pod with an earlier one', pod('p', 4), true],
  ['a pod of an earlier epoch', pod('p', 9, {}, 0), true],
  ['a pod of a later epoch', pod('p', 1, {}, 2), false],
  ['a ready pod that says nothing', pod('p', undefined), true],
  ['a pod that is not ready and says nothing', pod('p', undefined, { counted: false }), false],
  ['a pod that is not ready but runs with an earlier one', pod('p', 4, { counted: false }), true],
])('%s: whether it may still serve the key is right', (_, one, serves) => {
  planned(published(5))
  state = { pods: [one], store: 'up' }
  expect(revocations.stillServed(ID)).toBe(serves ? 'p may still serve app' : undefined)
})

test('the version is that of the first publication without the key, however many follow', () => {
  planned(published(5))
  planned(published(8))
  state = { pods: [pod('p', 5)], store: 'up' }
  expect(revocations.stillServed(ID)).toBeUndefined()
})

test('nobody can say while the store is away', () => {
  planned(published(5))
  state = { pods: [], store: 'away' }
  expect(revocations.stillServed(ID)).toContain('does not answer')
})

test('at most ten pods are named', () => {
  planned(published(5))
  state = { pods: Array.from({ length: 12 }, (_, at) => pod(`p${at}`, 1)), store: 'up' }
  expect(revocations.stillServed(ID)).toMatch(/(p\d+, ){9}p\d+ and 2 more may still serve app/)
})

test('a new key of the same name is looked at afresh', () => {
  planned(published(5))
  revocations.planned(planOf([keyObject('app', { uid: 'second' })], { outcome: published(6) }))
  expect(revocations.stillServed(ID)).toContain('not published yet')
  planned(published(7))
  state = { pods: [pod('p', 6)], store: 'up' }
  expect(revocations.stillServed(ID)).toBe('p may still serve app')
})
