// What is pruned, and the laws of names and hosts.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { KubeObject } from '../api/resource-type.ts'
import { childrenOf, prunable } from './children.ts'
import { readCase } from './golden-case.ts'
import type { Tenant } from './inputs.ts'
import { childName, labelValue } from './names.ts'

const { tenants, inputOf } = readCase('nginx.in.yaml')
const [acme, globex] = tenants
if (acme === undefined || globex === undefined) throw new Error('nginx.in.yaml has too few tenants')
const UID = acme.metadata.uid ?? ''

const desired = childrenOf(inputOf(acme))
const live = desired.map(child => asLive(child))

function asLive(child: (typeof desired)[number], metadata: Partial<KubeObject['metadata']> = {}): KubeObject {
  return { ...child, metadata: { ...child.metadata, uid: 'u', resourceVersion: '1', ...metadata } }
}

test('what is wanted stays, also under another version of its API', () => {
  expect(prunable(live, desired, UID)).toEqual([])
  const older = live.map(object => ({ ...object, apiVersion: object.apiVersion.replace(/v1$/, 'v1beta1') }))
  expect(prunable(older, desired, UID)).toEqual([])
})

test('what is no longer wanted goes: the Ingress of a dialect that was left, the Certificate of a host that went', () => {
  const wanted = desired.filter(({ kind }) => kind === 'NetworkPolicy')
  expect(prunable(live, wanted, UID).map(({ kind }) => kind)).toEqual(['Certificate', 'Ingress'])
})

test('what is somebody else’s stays: another tenant’s, not labelled as ours, or on its way out', () => {
  expect(prunable(live, [], globex.metadata.uid ?? '')).toEqual([])
  expect(
    prunable(
      live.map(child => asLive(child, { labels: {} })),
      [],
      UID,
    ),
  ).toEqual([])
  expect(
    prunable(
      live.map(child => asLive(child, { ownerReferences: [] })),
      [],
      UID,
    ),
  ).toEqual([])
  expect(
    prunable(
      live.map(child => asLive(child, { deletionTimestamp: 'now' })),
      [],
      UID,
    ),
  ).toEqual([])
})

test('a tenant without a uid gets nothing that nobody would own', () => {
  const orphan: Tenant = { ...acme, metadata: { name: 'acme' } }
  expect(() => childrenOf(inputOf(orphan))).toThrow('AITenant acme has no uid')
})

test('no host is served that compiling did not grant', () => {
  const served = childrenOf({ ...inputOf(acme), hosts: ['acme.gw.example.com', 'never.asked.example'] })
  const [ingress] = served.filter(({ kind }) => kind === 'Ingress')
  expect(ingress?.spec).toMatchObject({ rules: [{ host: 'acme.gw.example.com' }] })
  expect(served.map(({ kind }) => kind)).toEqual(['Ingress', 'NetworkPolicy'])
})

const names = fc.stringMatching(/^[a-z0-9]([-a-z0-9.]{0,250}[a-z0-9])?$/).filter(name => !/[-.]\.|\.[-.]/.test(name))

test('names of children are DNS labels with room for an ending, and differ where tenants or gateways do', () => {
  fc.assert(
    fc.property(names, names, (one, other) => {
      const name = childName(one, 'smartflow')
      expect(`${name}-own-x`.length).toBeLessThanOrEqual(63)
      expect(name).toMatch(/^sf-[a-z0-9]([-a-z0-9]*[a-z0-9])?$/)
      expect(name === childName(other, 'smartflow')).toBe(one === other)
      expect(name).not.toBe(childName(one, 'elsewhere'))
    }),
  )
})

test('values of labels are values of labels', () => {
  fc.assert(
    fc.property(names, name => {
      expect(labelValue(name)).toMatch(/^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$/)
      if (name.length <= 63) expect(labelValue(name)).toBe(name)
    }),
  )
})
