import type { VirtualKey } from '@smartflow/core/resources/virtual-key'
import { beforeEach, expect, test } from 'vitest'
import { keyObject, keyring, planOf } from '../../../test/operator/plans.ts'
import type { KubeObject } from '../api/resource-type.ts'
import { keySecret } from '../desired/key-secret.ts'
import { idOf } from '../watch/object-id.ts'
import { KeyFacts } from './key-facts.ts'
import { REVOKE_FINALIZER } from './key-annotations.ts'

const TOKEN = 'sk-sf-' + '1'.repeat(48)
const NOW = Date.UTC(2026, 0, 1)
const deletionTimestamp = '2026-01-01T00:00:00Z'

let served: string | undefined
let inSecret: KubeObject | undefined
let looked: boolean
let values: Readonly<Record<string, string>> | undefined
let facts: KeyFacts

beforeEach(() => {
  ;[served, inSecret, looked, values] = ['p may still serve app', undefined, true, undefined]
  const options = {
    secretPlan: (key: VirtualKey) =>
      looked ? keySecret({ key, live: inSecret, now: NOW, newToken: () => TOKEN, url: 'http://gateway' }) : undefined,
    stillServed: () => served,
    secrets: { valuesOf: () => values, live: () => inSecret, isKnown: () => looked, revision: () => 0 },
    url: () => 'http://gateway',
    usage: { statusOf: () => undefined, conditionOf: () => undefined, basis: () => undefined, revision: () => 0 },
  }
  facts = new KeyFacts(options)
})

function factsOf(live: KubeObject) {
  const secrets = new Map(inSecret ? [['default/app-key', { token: TOKEN }]] : [])
  const plan = planOf([live], { secrets })
  return facts.facts(live, plan.resources.get(idOf(live)), plan)
}

/** The Secret as the operator makes it for this key. */
function made(live: KubeObject): KubeObject {
  const key = planOf([live]).resources.get(idOf(live))
  if (key?.kind !== 'VirtualKey') throw new Error('no key')
  const { write } = keySecret({ key, live: undefined, now: NOW, newToken: () => TOKEN, url: 'http://gateway' })
  if (write?.kind !== 'create') throw new Error('nothing to make')
  const { metadata } = write.object
  return { ...write.object, metadata: { ...metadata, uid: 's', resourceVersion: '1' } }
}

test('the Secret, the public id and the rotation are told; the token is not', () => {
  const live = keyObject('app', { spec: { rotation: { interval: '24h', overlap: '1h' } } })
  inSecret = made(live)
  const { fields } = factsOf(live)
  expect(fields).toEqual({
    secretRef: { name: 'app-key', key: expect.any(String) },
    keyID: keyring.keyId(TOKEN),
    rotatedAt: '2026-01-01T00:00:00.000Z',
    nextRotation: '2026-01-02T00:00:00.000Z',
    previousKeyExpires: undefined,
  })
  expect(JSON.stringify(fields)).not.toContain(TOKEN)
})

test('nothing is told of a token that is not there yet, or was not looked at', () => {
  const fields = { secretRef: { name: 'app-key', key: expect.any(String) }, keyID: undefined }
  expect(factsOf(keyObject('app')).fields).toEqual(fields)
  looked = false
  expect(factsOf(keyObject('app')).fields).toEqual(fields)
})

test('a key that ends is looked at again then', () => {
  const { expiresAt, again } = factsOf(keyObject('app', { spec: { expiresAt: '2026-05-01T00:00:00Z' } }))
  expect([expiresAt, again]).toEqual([Date.UTC(2026, 4, 1), Date.UTC(2026, 4, 1)])
})

test("a Secret that is somebody else's is named as the problem, in place of advice to create one", () => {
  const live = keyObject('app')
  const own = made(live)
  inSecret = { ...own, metadata: { ...own.metadata, labels: {} } }
  const condition = { status: 'False', lastTransitionTime: '', type: 'ResolvedRefs', reason: 'SecretNotFound' } as const
  const other = { ...condition, type: 'Accepted', reason: 'Accepted', message: 'fine' }
  const amended = factsOf(live).amend?.({
    observedGeneration: 1,
    conditions: [{ ...condition, message: 'create it' }, other],
  })
  expect(amended?.conditions.map(({ message }) => message)).toEqual([
    expect.stringContaining("is not this key's"),
    'fine',
  ])
})

test('a key that goes at once says nothing; one that stays says who may serve it and how to break the glass', () => {
  const live = keyObject('app', { deletionTimestamp, finalizers: [REVOKE_FINALIZER] })
  const { conditions, notBefore } = factsOf(live)
  expect(notBefore).toBe(NOW + 5_000)
  expect(conditions).toMatchObject([{ type: 'DeletionBlocked', status: 'True', reason: 'StillServed' }])
  expect(conditions?.[0]?.message).toMatch(/p may still serve app; .*smartflow\.dev\/force-revoke: "true"/)
  served = undefined
  expect(factsOf(live)).toEqual({ notBefore: NOW + 5_000 })
  served = 'p'
  expect(factsOf(keyObject('app', { deletionTimestamp, finalizers: ['other'] })).conditions).toBeUndefined()
})

test('a plan of another Secret than there is now says nothing of the key', () => {
  const live = keyObject('app')
  const isPlanned = (inPlan?: Readonly<Record<string, string>>): boolean => {
    const plan = planOf([live], { secrets: new Map(inPlan && [['default/app-key', inPlan]]) })
    const key = plan.resources.get(idOf(live))
    if (key?.kind !== 'VirtualKey') throw new Error('no key')
    return facts.isPlanned(key, plan)
  }
  expect(isPlanned()).toBe(true)
  values = { token: TOKEN }
  expect([isPlanned(), isPlanned({ token: 'before' }), isPlanned(values)]).toEqual([false, false, true])
  values = undefined
  expect(isPlanned({ token: TOKEN })).toBe(false)
})

test('a key that does not parse has no facts', () => {
  expect(factsOf(keyObject('app', { spec: { alias: 7 } }))).toEqual({})
})
