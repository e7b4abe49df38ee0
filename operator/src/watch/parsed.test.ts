import { expect, test } from 'vitest'
import { keyObject, liveObject } from '../../../test/operator/plans.ts'
import { ParsedObjects, problemText } from './parsed.ts'

const good = keyObject('app')
const broken = keyObject('app', { resourceVersion: '2', generation: 2, spec: { alias: 7 } })

test('the same version of an object gives the same resource', () => {
  const parsed = new ParsedObjects()
  const first = parsed.parse('id', good)
  expect(first.problems).toEqual([])
  expect(parsed.parse('id', structuredClone(good))).toBe(first)
})

test('a version that differs in its status alone gives the same resource, beside the newest object', () => {
  const parsed = new ParsedObjects()
  const { resource } = parsed.parse('id', good)
  const later = keyObject('app', { resourceVersion: '2', status: { observedGeneration: 1 } })
  const again = parsed.parse('id', later)
  expect(again.resource).toBe(resource)
  expect(again.live).toBe(later)
})

test('a new spec and the beginning of a deletion are looked at', () => {
  const parsed = new ParsedObjects()
  const { resource } = parsed.parse('id', good)
  const changed = parsed.parse('id', keyObject('app', { resourceVersion: '2', generation: 2, spec: { alias: 'b' } }))
  expect(changed.resource).toMatchObject({ spec: { alias: 'b' } })
  const deletionTimestamp = '2026-01-02T00:00:00Z'
  const leaving = parsed.parse('id', keyObject('app', { resourceVersion: '3', generation: 2, deletionTimestamp }))
  expect(leaving.resource).not.toBe(resource)
  expect(leaving.resource?.metadata).toMatchObject({ deletionTimestamp })
})

test('a broken object keeps its last good form and is told what is wrong', () => {
  const parsed = new ParsedObjects()
  const { resource } = parsed.parse('id', good)
  const now = parsed.parse('id', broken)
  expect(now.resource).toBe(resource)
  expect(problemText(now.problems)).toContain('spec.alias')
  expect(now.live).toBe(broken)
})

test('a broken object that never was good serves nothing, nor does one of the name of another', () => {
  const parsed = new ParsedObjects()
  expect(parsed.parse('id', broken).resource).toBeUndefined()
  parsed.parse('id', good)
  const another = keyObject('app', { uid: 'other', spec: { alias: 7 } })
  expect(parsed.parse('id', another).resource).toBeUndefined()
  parsed.parse('id', good)
  parsed.forget('id')
  expect(parsed.parse('id', broken).resource).toBeUndefined()
})

test('a broken key that is deleted does not serve; a tenant holds its namespaces to the end', () => {
  const parsed = new ParsedObjects()
  const deletionTimestamp = '2026-01-02T00:00:00Z'
  parsed.parse('key', good)
  const key = keyObject('app', { resourceVersion: '2', generation: 2, deletionTimestamp, spec: { alias: 7 } })
  expect(parsed.parse('key', key).resource).toBeUndefined()
  parsed.parse('tenant', liveObject('AITenant', 'acme', { spec: { namespaces: { names: ['a'] } } }))
  const tenant = liveObject('AITenant', 'acme', { resourceVersion: '2', generation: 2, deletionTimestamp, spec: 7 })
  expect(parsed.parse('tenant', tenant).resource).toMatchObject({ spec: { namespaces: { names: ['a'] } } })
})
