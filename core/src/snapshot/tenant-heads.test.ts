// Heads of single tenants: what a reader sees that may read one tenant's keys and nothing else.
import { beforeEach, describe, expect, test } from 'vitest'
import { follow } from './follow.ts'
import type { Item } from './items.ts'
import { MemoryConfigStore } from './memory-config-store.ts'
import { Publisher } from './publish.ts'
import { newSigningKeys, signerOf, verifierOf } from './signing.ts'
import { testCompiled, testKey, testTenant } from './test-world.ts'

const keys = newSigningKeys()
const signing = { signer: signerOf(keys.privateKey), verifier: verifierOf(keys.publicKey) }
let store = new MemoryConfigStore()

beforeEach(() => {
  store = new MemoryConfigStore()
})

const publisherOf = () => new Publisher({ store, ...signing })
const tenantOf = (name: string, ...at: number[]): Item[] =>
  testTenant(
    name,
    at.map(each => testKey(name, each)),
  )
const followed = (tenant: string) =>
  follow({ reader: store.readerOf(tenant), verifier: signing.verifier, current: undefined })
const versions = () => Object.fromEntries([...store.tenantHeads].map(([name, { manifest }]) => [name, manifest]))

describe("a tenant's own head", () => {
  test('leads to this tenant alone, signed and whole', async () => {
    await publisherOf().publish(testCompiled({ red: tenantOf('red', 1), blue: tenantOf('blue', 2) }))
    const red = await followed('red')
    expect(red.outcome).toBe('newer')
    if (red.outcome !== 'newer') return
    expect([...red.data.tenants.keys()]).toEqual(['red'])
    expect(red.data.tenants.get('red')?.items).toHaveLength(6)
    expect(red.data.signedRoot).not.toContain('blue')
  })

  test('moves when the tenant or the settings change, not when another tenant does', async () => {
    const publisher = publisherOf()
    await publisher.publish(testCompiled({ red: tenantOf('red', 1), blue: tenantOf('blue', 2) }))
    await publisher.publish(testCompiled({ red: tenantOf('red', 1, 3), blue: tenantOf('blue', 2) }))
    expect(versions()).toEqual({ red: '1.2', blue: '1.1' })
    const { settings, tenants } = testCompiled({ red: tenantOf('red', 1, 3), blue: tenantOf('blue', 2) })
    await publisher.publish({ settings: { ...settings, maxBodyBytes: 5_000 }, tenants })
    expect(versions()).toEqual({ red: '1.3', blue: '1.3' })
  })

  test('of a tenant that is gone leads to nothing, so that its readers let go', async () => {
    const publisher = publisherOf()
    await publisher.publish(testCompiled({ red: tenantOf('red', 1), blue: tenantOf('blue', 2) }))
    await publisher.publish(testCompiled({ blue: tenantOf('blue', 2) }))
    expect(await followed('red')).toMatchObject({ outcome: 'newer', data: { tenants: new Map() } })
  })

  test('is set right by the next writer when the one before ended on the way', async () => {
    const first = publisherOf()
    await first.publish(testCompiled({ red: tenantOf('red', 1), blue: tenantOf('blue', 2) }))
    store.commitTenant = () => Promise.reject(new Error('the store is gone'))
    await expect(first.publish(testCompiled({ red: tenantOf('red', 3) }))).rejects.toThrow('the store is gone')
    expect(await store.head()).toMatchObject({ manifest: '1.2' })
    store.commitTenant = (...args) => MemoryConfigStore.prototype.commitTenant.apply(store, args)
    const next = await publisherOf().publish(testCompiled({ red: tenantOf('red', 3) }))
    expect(next).toMatchObject({ outcome: 'unchanged' })
    expect(versions()).toEqual({ red: '1.2', blue: '1.2' })
    expect(await followed('blue')).toMatchObject({ data: { tenants: new Map() } })
  })

  test('is written by the same writer again when the store was away just then', async () => {
    const publisher = publisherOf()
    await publisher.publish(testCompiled({ red: tenantOf('red', 1) }))
    store.commitTenant = () => Promise.reject(new Error('the store is gone'))
    await expect(publisher.publish(testCompiled({ red: tenantOf('red', 2) }))).rejects.toThrow('the store is gone')
    store.commitTenant = (...args) => MemoryConfigStore.prototype.commitTenant.apply(store, args)
    expect(await publisher.publish(testCompiled({ red: tenantOf('red', 2) }))).toMatchObject({ outcome: 'unchanged' })
    expect(versions()).toEqual({ red: '1.2' })
  })

  test('is not moved back by a writer that was held up while another one published', async () => {
    const old = publisherOf()
    await old.publish(testCompiled({ red: tenantOf('red', 1), blue: tenantOf('blue', 2) }))
    const commit = store.commitTenant.bind(store)
    const held = Promise.withResolvers<void>()
    const reached = Promise.withResolvers<void>()
    store.commitTenant = async (...args) => {
      reached.resolve()
      await held.promise
      return commit(...args)
    }
    const late = old.publish(testCompiled({ red: tenantOf('red', 9), blue: tenantOf('blue', 2) }))
    await reached.promise
    store.commitTenant = commit
    const young = publisherOf()
    await young.publish(testCompiled({ red: tenantOf('red', 1), blue: tenantOf('blue', 3) }))
    held.resolve()
    expect(await late).toMatchObject({ outcome: 'stale' })
    expect(versions()).toEqual({ red: '2.3', blue: '2.3' })
  })
})
