// A change of one object costs the work of one object, however many there are.
import { expect, test, vi } from 'vitest'
import { parseResource, type Resource } from '../resources/resource.ts'
import { Keyring } from '../snapshot/keyring.ts'
import { MemoryConfigStore } from '../snapshot/memory-config-store.ts'
import { Publisher } from '../snapshot/publish.ts'
import { newSigningKeys, signerOf, verifierOf } from '../snapshot/signing.ts'
import { compile } from './compile.ts'

const KEYS = 500
const keyring = Keyring.fromMaster(Buffer.alloc(32, 1))

function object(kind: string, name: string, spec: object): Resource {
  const metadata = { name, namespace: 'apps', creationTimestamp: '2026-01-01T00:00:00Z' }
  const resource = parseResource({ apiVersion: 'smartflow.dev/v1alpha1', kind, metadata, spec })
  if (Array.isArray(resource)) throw new Error(resource.map(problem => problem.message).join('; '))
  return resource
}

function worldOf() {
  const resources: Resource[] = [
    object('AIProvider', 'main', { preset: 'openai', auth: { secretRef: { name: 'vault' } } }),
    object('FallbackChain', 'chain', { models: ['*'], targets: [{ name: 'one', providerRef: { name: 'main' } }] }),
  ]
  const secrets = new Map<string, Record<string, string>>([['apps/vault', { apiKey: 'credential' }]])
  for (let at = 0; at < KEYS; at++) {
    resources.push(object('VirtualKey', `key-${at}`, { alias: `key-${at}` }))
    secrets.set(`apps/key-${at}-key`, { token: `sk-sf-${String(at).padStart(48, '0')}` })
  }
  return { resources, secrets, environment: undefined, standalone: false, keyring }
}

test('an unchanged object is not hashed, sealed or written again', async () => {
  const world = worldOf()
  const first = compile(world)
  const [keyId, seal] = [vi.spyOn(keyring, 'keyId'), vi.spyOn(keyring, 'seal')]
  const { resources } = world
  const changed = [...resources.slice(0, -1), object('VirtualKey', `key-${KEYS - 1}`, { alias: 'other' })]
  const second = compile({ ...world, resources: changed })
  expect(keyId).toHaveBeenCalledTimes(1)
  expect(seal).not.toHaveBeenCalled()
  const before = new Set(first.compiled.tenants.get('default'))
  expect(second.compiled.tenants.get('default')?.filter(item => !before.has(item))).toMatchObject([{ alias: 'other' }])
  const told = new Set(first.statuses)
  expect(second.statuses.filter(status => !told.has(status))).toHaveLength(1)
})

test('a changed Secret changes the key and nothing else', () => {
  const world = worldOf()
  const first = compile(world)
  const token = { token: `sk-sf-${'f'.repeat(48)}` }
  const second = compile({ ...world, secrets: new Map([...world.secrets, ['apps/key-7-key', token]]) })
  const before = new Set(first.compiled.tenants.get('default'))
  const after = second.compiled.tenants.get('default')?.filter(item => !before.has(item))
  expect(after).toMatchObject([{ alias: 'key-7', secrets: [{ keyId: keyring.keyId(token.token) }] }])
})

test('asks the store only about the one item that changed', async () => {
  const signing = newSigningKeys()
  const store = new MemoryConfigStore()
  const publisher = new Publisher({
    store,
    signer: signerOf(signing.privateKey),
    verifier: verifierOf(signing.publicKey),
  })
  const world = worldOf()
  await publisher.publish(compile(world).compiled)
  const [missing, touch] = [vi.spyOn(store, 'missing'), vi.spyOn(store, 'touch')]
  const changed = [...world.resources.slice(0, -1), object('VirtualKey', `key-${KEYS - 1}`, { alias: 'other' })]
  await publisher.publish(compile({ ...world, resources: changed }).compiled)
  expect(missing.mock.calls.map(([, digests]) => digests.length)).toEqual([1])
  // The new item, the old one, the new manifest, the old one; then the tenant's own root.
  expect(touch.mock.calls.map(([, , pieces]) => pieces.length)).toEqual([4, 1])
})
