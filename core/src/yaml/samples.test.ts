// The samples for clusters: every object is accepted; the tenant by example uses only what is served, the preview only
// what is not.
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { laterFieldsOf } from '../resources/later-fields.ts'
import { LATER_KINDS, type Resource } from '../resources/resource.ts'
import { ConfigFolder } from './folder.ts'

async function sample(name: string): Promise<readonly Resource[]> {
  const { resources, problems } = await new ConfigFolder(
    fileURLToPath(new URL(`../../../config/samples/${name}`, import.meta.url)),
  ).scan()
  expect(problems).toEqual([])
  return resources
}

describe('the samples', () => {
  test('of a tenant are of all the kinds that are served, and of nothing that is not', async () => {
    const resources = await sample('tenant')
    expect(resources.flatMap(laterFieldsOf)).toEqual([])
    const kinds = new Set(resources.map(resource => resource.kind))
    expect([...kinds].sort()).toEqual([
      'AIGateway',
      'AIProvider',
      'AITenant',
      'FallbackChain',
      'Policy',
      'Secret',
      'VirtualKey',
    ])
  })

  test('of what comes later each say so, the kinds among them', async () => {
    const resources = await sample('preview')
    expect(resources.filter(resource => laterFieldsOf(resource).length === 0)).toEqual([])
    const kinds = new Set(resources.map(resource => resource.kind))
    expect([...LATER_KINDS].filter(kind => ![...kinds].some(each => each === kind))).toEqual([])
  })
})
