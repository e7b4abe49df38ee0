// One token in two tenants: it stays with the key that it was served for, whichever is older.
import { expect, test } from 'vitest'
import { parseResource, type Resource } from '../resources/resource.ts'
import { Keyring } from '../snapshot/keyring.ts'
import { compile } from './compile.ts'

const keyring = Keyring.fromMaster(Buffer.alloc(32, 1))
const token = 'k'.repeat(40)

function object(kind: string, name: string, spec: object, metadata: object = {}): Resource {
  const resource = parseResource({ apiVersion: 'smartflow.dev/v1alpha1', kind, metadata: { name, ...metadata }, spec })
  if (Array.isArray(resource)) throw new Error(resource.map(problem => problem.message).join('; '))
  return resource
}

const tenant = (name: string): Resource => object('AITenant', name, { namespaces: { names: [name] } })
const key = (namespace: string, year: number): Resource =>
  object(
    'VirtualKey',
    'app',
    { alias: 'app' },
    { namespace, uid: namespace, creationTimestamp: `${year}-01-01T00:00:00Z` },
  )

function servedFor(heldTokens: ReadonlyMap<string, string> | undefined): { tenants: string[]; told: string[] } {
  const { compiled, statuses } = compile({
    resources: [tenant('red'), tenant('blue'), key('red', 2024), key('blue', 2025)],
    secrets: new Map(['red/app-key', 'blue/app-key'].map(name => [name, { token }])),
    environment: undefined,
    standalone: false,
    keyring,
    heldTokens,
  })
  const tenants = [...compiled.tenants].filter(([, items]) => items.some(({ kind }) => kind === 'VirtualKey'))
  const conflicts = statuses.flatMap(({ conditions }) => conditions).filter(({ reason }) => reason === 'Conflicted')
  return { tenants: tenants.map(([name]) => name), told: conflicts.map(({ message }) => message) }
}

test('the older key has a token that nobody had before, and the other is not told whose it is', () => {
  const { tenants, told } = servedFor(undefined)
  expect(tenants).toEqual(['red'])
  expect(told[0]).toContain('belongs to a key of another tenant')
  expect(told.join()).not.toContain('red')
})

test('the key that it was served for keeps it from an older one', () => {
  expect(servedFor(new Map([[keyring.keyId(token), 'blue']])).tenants).toEqual(['blue'])
})

test('a key that is gone holds nothing', () => {
  expect(servedFor(new Map([[keyring.keyId(token), 'gone']])).tenants).toEqual(['red'])
})
