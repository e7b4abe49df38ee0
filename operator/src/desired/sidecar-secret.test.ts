// The Secret of sidecars: made once, kept as it should be, emptied when it is the tenant's no more; never somebody else's.
import { expect, test } from 'vitest'
import type { KubeObject } from '../api/resource-type.ts'
import { emptiedSidecarSecret, keptSidecarSecret } from './sidecar-secret.ts'

const acme = { metadata: { name: 'acme', uid: 'u-acme' } }
const other = { metadata: { name: 'other', uid: 'u-other' } }
const entries = { REDIS_URL: 'redis://store', 'tenant.keys': '{}', 'signing.pub': 'PEM' }
const place = { namespace: 'shop', entries }

function made(): KubeObject {
  const write = keptSidecarSecret(acme, place, undefined)
  if (write.kind !== 'create') throw new Error(`it says ${write.kind}`)
  return { ...write.object, metadata: { ...write.object.metadata, uid: 'u', resourceVersion: '7' } }
}

test('it is made once, and owned by the tenant without holding it back', () => {
  expect(made()).toMatchObject({
    metadata: {
      name: 'smartflow-sidecar',
      namespace: 'shop',
      ownerReferences: [{ uid: 'u-acme', blockOwnerDeletion: false }],
    },
    data: { REDIS_URL: Buffer.from('redis://store').toString('base64') },
  })
  expect(keptSidecarSecret(acme, place, made())).toEqual({ kind: 'none' })
})

test('it is written again, for the version that was looked at, when anything of it changes', () => {
  const moved = { namespace: 'shop', entries: { ...entries, REDIS_URL: 'redis://another' } }
  const write = keptSidecarSecret(acme, moved, made())
  expect(write).toMatchObject({ kind: 'patch', operations: [{ op: 'test', value: '7' }, {}, {}, {}] })
  expect(keptSidecarSecret(other, place, made()).kind).toBe('patch')
})

test('a Secret that somebody else made is left alone', () => {
  const theirs = { ...made(), metadata: { ...made().metadata, labels: {} } }
  expect(keptSidecarSecret(acme, place, theirs)).toEqual({ kind: 'foreign' })
  expect(emptiedSidecarSecret(acme, theirs)).toEqual({ kind: 'none' })
})

test('it is emptied of what is ours, unless another tenant has it by now', () => {
  const data = { ...Object(made()['data']), own: 'eA==' }
  const write = emptiedSidecarSecret(acme, { ...made(), data })
  expect(write).toMatchObject({ kind: 'patch' })
  expect(JSON.stringify(write)).not.toContain('/data/own')
  expect(JSON.stringify(write)).toContain('/data/tenant.keys')
  expect(emptiedSidecarSecret(other, made())).toEqual({ kind: 'none' })
  expect(emptiedSidecarSecret(acme, { ...made(), data: {} })).toEqual({ kind: 'none' })
  expect(emptiedSidecarSecret(acme, undefined)).toEqual({ kind: 'none' })
})
