import { follow } from '@smartflow/core/snapshot/follow'
import { MemoryConfigStore } from '@smartflow/core/snapshot/memory-config-store'
import { Publisher } from '@smartflow/core/snapshot/publish'
import { newSigningKeys, signerOf, verifierOf } from '@smartflow/core/snapshot/signing'
import { testCompiled, testTenant } from '@smartflow/core/snapshot/test-world'
import { expect, test } from 'vitest'
import { onlyTenant } from './only-tenant.ts'

const { privateKey, publicKey } = newSigningKeys()
const verifier = verifierOf(publicKey)

async function published(...tenants: string[]): Promise<MemoryConfigStore> {
  const store = new MemoryConfigStore()
  const publisher = new Publisher({ store, signer: signerOf(privateKey), verifier })
  await publisher.publish(testCompiled(Object.fromEntries(tenants.map(name => [name, testTenant(name)]))))
  return store
}

test('takes a configuration of its tenant', async () => {
  const followed = await follow({ reader: onlyTenant(await published('red'), 'red'), verifier, current: undefined })
  expect(followed.outcome === 'newer' && [...followed.data.tenants.keys()]).toEqual(['red'])
})

test('refuses a root that names another tenant, although it is signed', async () => {
  const reader = onlyTenant(await published('blue', 'red'), 'red')
  await expect(follow({ reader, verifier, current: undefined })).rejects.toThrow('names the tenant "blue" too')
})
