import { parseResource, type Resource } from '@smartflow/core/resources/resource'
import { Keyring } from '@smartflow/core/snapshot/keyring'
import { expect, test } from 'vitest'
import { Compiling } from './compiling.ts'
import { wantedSecrets } from './wanted-secrets.ts'

function parsed(kind: string, metadata: object, spec: object): Resource {
  const resource = parseResource({ apiVersion: 'smartflow.dev/v1alpha1', kind, metadata, spec })
  if (Array.isArray(resource)) throw new Error(JSON.stringify(resource))
  return resource
}

const gateway = parsed('AIGateway', { name: 'main', namespace: 'system' }, {})
const key = parsed('VirtualKey', { name: 'a', namespace: 'b' }, { alias: 'a' })
const own = { keyring: Keyring.fromMaster(Buffer.alloc(32, 1)), gatewayNamespace: 'system' }

test('the same input gives the very same result, and another one does not', () => {
  const compiling = new Compiling(own)
  const secrets = new Map()
  const resources = new Map([['AIGateway/system/main', gateway]])
  const given = { secrets, namespaces: new Map(), resources, heldTokens: () => new Map<string, string>() }
  const first = compiling.compile(given)
  expect(compiling.compile({ ...given, namespaces: new Map(), resources: new Map(given.resources) })).toBe(first)
  expect(compiling.compile({ ...given, secrets: new Map() })).not.toBe(first)
  const more = new Map([...given.resources, ['VirtualKey/b/a', key] as const])
  expect(compiling.compile({ ...given, resources: more }).statuses.has('VirtualKey/b/a')).toBe(true)
})

test('nobody looks for the Secret of a key that never had one', () => {
  const resources = new Map([['VirtualKey/b/a', key]])
  expect(wantedSecrets(resources, 'system', () => true)).toEqual(new Map([['b/a-key', 'unmade']]))
  expect(wantedSecrets(resources, 'system', () => false)).toEqual(new Map([['b/a-key', 'ours']]))
})
