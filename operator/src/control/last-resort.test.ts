import { expect, test } from 'vitest'
import { keyObject, liveObject } from '../../../test/operator/plans.ts'
import { servable } from './last-resort.ts'

const tenant = (spec: unknown) => liveObject('AITenant', 'acme', { generation: 3, spec })

test('a broken tenant keeps its namespaces and its age, suspended and without rights', () => {
  const standIn = servable(tenant({ namespaces: { names: ['shop', 'Not A Name', 7] }, hostnames: 'all', limits: {} }))
  expect(standIn).toMatchObject({
    kind: 'AITenant',
    metadata: { name: 'acme', uid: 'uid-acme', generation: 3, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { namespaces: { names: ['shop'] }, suspend: true },
  })
  expect(standIn).toHaveProperty('spec.hostnames', [])
})

test('it keeps the selector of its namespaces, unless that is what is broken', () => {
  const selector = { matchLabels: { tenant: 'acme' } }
  const kept = servable(tenant({ namespaces: { selector }, hostnames: 'all' }))
  expect(kept).toMatchObject({ spec: { namespaces: { selector }, suspend: true } })
  const broken = servable(tenant({ namespaces: { names: ['shop'], selector: { matchLabels: 7 } } }))
  expect(broken).toMatchObject({ spec: { namespaces: { names: ['shop'] }, suspend: true } })
})

test.each([[7], [{ namespaces: 'all' }], [{ namespaces: { names: 'shop' } }]])('a spec of %j is survived', spec => {
  expect(servable(tenant(spec))).toMatchObject({ spec: { suspend: true } })
})

test('nothing serves for other kinds', () => {
  expect(servable(keyObject('app', { spec: { alias: 7 } }))).toBeUndefined()
})
