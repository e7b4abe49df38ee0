// A provider that another tenant lends: chains that its owner allowed lead to it, and nothing else does.
import { describe, expect, test } from 'vitest'
import { testCompiled, testKey, testKeyring, testTenant } from '@smartflow/core/snapshot/test-world'
import { credentialContext } from '@smartflow/core/snapshot/keyring'
import type { Item } from '@smartflow/core/snapshot/items'
import { snapshotData } from '@smartflow/core/snapshot/snapshot-data'
import { buildView } from '@smartflow/core/snapshot/view'
import { listModels } from './models.ts'
import { resolver } from './resolver.ts'

async function tenant() {
  const [name, lender] = ['blue:open', 'blue']
  const items = testTenant('red').flatMap((item): Item[] => {
    if (item.kind === 'AIProvider') {
      const credential = testKeyring.seal('red', Buffer.from('lent'), credentialContext(name))
      return [{ ...item, name, lender, preset: 'openai', credential }]
    }
    if (item.kind !== 'FallbackChain') return [item]
    return [{ ...item, models: ['chained'], targets: item.targets.map(each => ({ ...each, provider: name })) }]
  })
  const view = await buildView(snapshotData(testCompiled({ red: items }), 1, 1), { keyring: testKeyring })
  const found = view.tenant('red')
  if (found === undefined) throw new Error('the tenant is there')
  return found
}

describe('a provider that another tenant lends', () => {
  test('serves the chain that leads to it, with the credential sealed for the tenant of the chain', async () => {
    const red = await tenant()
    expect(resolver.destinations(red, 'chained', undefined).targets).toMatchObject([{ provider: 'blue:open' }])
    expect(red.credential('blue:open')).toBe('lent')
  })

  test.each(['gpt-4o', 'openai/gpt-4o', 'anything'])('is not found by the name of a model (%s)', async model => {
    expect(resolver.destinations(await tenant(), model, undefined).targets).toEqual([])
  })

  test('adds no models to the list of a key', async () => {
    const red = await tenant()
    expect(listModels({ tenant: red, key: testKey('red', 1) }).map(model => model.id)).toEqual(['chained'])
  })
})
