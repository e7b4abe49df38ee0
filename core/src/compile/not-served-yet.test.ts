// What is not served yet: accepted, told by name, and never in force wider than its author meant.
import { expect, test, vi } from 'vitest'
import { parseResource, type Resource } from '../resources/resource.ts'
import type { Problem } from '../resources/problem.ts'
import { Keyring } from '../snapshot/keyring.ts'
import { compile } from './compile.ts'

const later: Problem = {
  path: ['spec', 'x'],
  reason: 'NotServedYet',
  message: 'spec.x is not served by this release yet',
}

vi.mock('../resources/later-fields.ts', () => ({
  laterFieldsOf: (resource: Resource) => (resource.metadata.labels?.['later'] === 'yes' ? [later] : []),
}))

const labels = { later: 'yes' }

function object(kind: string, name: string, spec: object, metadata: object = {}): Resource {
  const resource = parseResource({
    apiVersion: 'smartflow.dev/v1alpha1',
    kind,
    metadata: { name, ...(kind !== 'AITenant' && { namespace: 'apps' }), ...metadata },
    spec,
  })
  if (Array.isArray(resource)) throw new Error(resource.map(problem => problem.message).join('; '))
  return resource
}

const TARGETS = [{ name: 'one', providerRef: { name: 'local' } }]

function compiled(...resources: Resource[]) {
  const secrets = new Map([['apps/app-key', { token: 'sk-sf-'.padEnd(54, '1') }]])
  const keyring = Keyring.fromMaster(Buffer.alloc(32, 1))
  const { compiled: result, statuses } = compile({
    resources,
    secrets,
    environment: {},
    standalone: true,
    keyring,
  })
  return { names: [...result.tenants.values()].flat().map(item => `${item.kind} ${item.name}`), statuses }
}

test('keys, providers and chains that use it are not served, nor what refers to them', () => {
  const { names, statuses } = compiled(
    object('AIProvider', 'local', { preset: 'demo' }, { labels }),
    object('FallbackChain', 'chain', { models: ['*'], targets: TARGETS }),
    object('VirtualKey', 'app', { alias: 'app' }, { labels }),
  )
  expect(names).toEqual(['AITenant default'])
  const [provider, chain, key] = statuses
  for (const each of [provider, key]) {
    expect(each?.later).toEqual(['spec.x'])
    expect(each?.item).toBeUndefined()
    const told = { reason: 'NotServedYet', message: `${later.message}; the object is not served` }
    expect(each?.conditions).toMatchObject([
      { type: 'Accepted', status: 'True' },
      { type: 'ResolvedRefs', status: 'True' },
      { type: 'Ready', status: 'False', ...told },
      { type: 'Stalled', status: 'True', ...told },
    ])
  }
  expect(chain?.conditions).toMatchObject([{ type: 'Accepted' }, { type: 'ResolvedRefs', reason: 'RefNotFound' }])
})

test('a chain that uses it is not served although its providers are', () => {
  const chain = object('FallbackChain', 'chain', { models: ['*'], targets: TARGETS }, { labels })
  const { names } = compiled(object('AIProvider', 'local', { preset: 'demo' }), chain)
  expect(names).toEqual(['AIProvider local', 'AITenant default'])
})

test('guards and limits stay in force without it', () => {
  const { names, statuses } = compiled(
    object('Policy', 'guard', {}, { labels }),
    object('AITenant', 'red', { namespaces: { names: ['apps'] } }, { labels }),
    object('AIGateway', 'main', {}, { labels }),
  )
  expect(names).toEqual(['AITenant default', 'AITenant red', 'Policy guard'])
  for (const { conditions } of statuses) {
    const message = `${later.message}; the rest of the object is in force`
    expect(conditions.at(-1)).toEqual({ type: 'Stalled', status: 'True', reason: 'NotServedYet', message })
  }
})

test('a younger object cannot take the name of one that waits for its release', () => {
  const { names, statuses } = compiled(
    object('VirtualKey', 'a', { alias: 'app', secretName: 'app-key' }, { labels }),
    object('VirtualKey', 'b', { alias: 'app', secretName: 'app-key' }),
  )
  expect(names).toEqual(['AITenant default'])
  expect(statuses[1]?.conditions[0]).toMatchObject({ reason: 'Conflicted' })
})
