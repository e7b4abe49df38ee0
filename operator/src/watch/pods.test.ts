import { expect, test } from 'vitest'
import { liveObject } from '../../../test/operator/plans.ts'
import { podsOf } from './pods.ts'

type Conditions = { ready?: boolean; terminating?: boolean }

const pod = (name: string, conditions?: Conditions) => ({
  targetRef: { kind: 'Pod', name, uid: `uid-${name}` },
  ...(conditions && { conditions }),
})

function slice(service: string, endpoints: unknown) {
  const labels = { 'kubernetes.io/service-name': service }
  return liveObject('EndpointSlice', `${service}-1`, { labels, endpoints })
}

test('pods of the one Service are given, by name', () => {
  const pods = podsOf([slice('a', [pod('z'), pod('b')]), slice('other', [pod('c')])], 'a')
  expect(pods).toEqual([
    { uid: 'uid-b', name: 'b', counted: true },
    { uid: 'uid-z', name: 'z', counted: true },
  ])
})

test.each<[string, Conditions | undefined, boolean]>([
  ['a pod that says nothing of itself', undefined, true],
  ['a ready pod', { ready: true, terminating: false }, true],
  ['a pod that is not ready', { ready: false }, false],
  ['a pod that ends', { ready: true, terminating: true }, false],
])('%s: counted is right', (_, conditions, counted) => {
  expect(podsOf([slice('a', [pod('p', conditions)])], 'a')).toEqual([{ uid: 'uid-p', name: 'p', counted }])
})

test('a pod with two address families stands once, and counts when one of them does', () => {
  const [ready, not] = [slice('a', [pod('p', { ready: true })]), slice('a', [pod('p', { ready: false })])]
  for (const slices of [
    [ready, not],
    [not, ready],
  ])
    expect(podsOf(slices, 'a')).toEqual([{ uid: 'uid-p', name: 'p', counted: true }])
})

test('endpoints that are no pods are passed over', () => {
  const node = { targetRef: { kind: 'Node', name: 'n', uid: 'u' } }
  expect(podsOf([slice('a', [node, { addresses: [] }, null]), slice('a', 'nothing')], 'a')).toEqual([])
})
