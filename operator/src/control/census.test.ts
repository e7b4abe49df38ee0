import { expect, test } from 'vitest'
import { keyObject } from '../../../test/operator/plans.ts'
import { census } from './census.ts'
import { REVOKE_FINALIZER } from './key-annotations.ts'

const says = (...conditions: [string, unknown][]) =>
  keyObject('k', { status: { conditions: conditions.map(([type, status]) => ({ type, status })) } })

test('objects are counted by kind, condition and what it says', () => {
  const objects = [says(['Ready', 'True'], ['Accepted', 'True']), says(['Ready', 'False']), says(['Ready', 'True'])]
  const { conditions, blocked } = census(objects.map(live => ({ live })))
  expect([...conditions].map(({ kind, type, status, count }) => `${kind} ${type} ${status} ${count}`)).toEqual([
    'VirtualKey Ready True 2',
    'VirtualKey Accepted True 1',
    'VirtualKey Ready False 1',
  ])
  expect(blocked).toBe(0)
})

test("other people's conditions and words make no new series", () => {
  const { conditions } = census([{ live: says(['Synced', 'True'], ['Ready', 'perhaps'], ['Ready', undefined]) }])
  expect([...conditions]).toEqual([{ kind: 'VirtualKey', type: 'Ready', status: 'Unknown', count: 2 }])
  expect([...census([{ live: keyObject('k', { status: 'none' }) }]).conditions]).toEqual([])
})

test('deleted keys that wait are those with our finalizer', () => {
  const deletionTimestamp = '2026-01-02T00:00:00Z'
  const objects = [
    keyObject('a', { deletionTimestamp, finalizers: [REVOKE_FINALIZER] }),
    keyObject('b', { deletionTimestamp, finalizers: ['other'] }),
    keyObject('c', { finalizers: [REVOKE_FINALIZER] }),
  ]
  expect(census(objects.map(live => ({ live }))).blocked).toBe(1)
})
