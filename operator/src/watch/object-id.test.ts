import { expect, test } from 'vitest'
import { keyObject, liveObject } from '../../../test/operator/plans.ts'
import { idOf, objectId, partsOf } from './object-id.ts'

test('an id names an object among all kinds and can be taken apart', () => {
  expect(idOf(keyObject('app', { namespace: 'shop' }))).toBe('VirtualKey/shop/app')
  expect(partsOf('VirtualKey/shop/app')).toEqual({ kind: 'VirtualKey', namespace: 'shop', name: 'app' })
})

test('the namespace of what has none is empty in the id and absent outside', () => {
  expect(idOf(liveObject('AITenant', 'acme'))).toBe('AITenant//acme')
  expect(partsOf(objectId('AITenant', undefined, 'acme'))).toEqual({
    kind: 'AITenant',
    namespace: undefined,
    name: 'acme',
  })
})
