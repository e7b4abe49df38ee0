// What every ConfigStore must do, as tests: each adapter's test file calls configStoreContract with a fresh, empty
// store.
import { describe, expect, test } from 'vitest'
import { digestOf } from './canonical.ts'
import type { ConfigStore, Head } from './config-store.ts'
import { manifestId } from './keys.ts'

function head(epoch: number, generation: number): Head {
  return { epoch, generation, digest: digestOf(`${epoch} ${generation}`), manifest: manifestId(epoch, generation) }
}

/** Registers the tests. `create` gives a store that nobody else uses; called once a test. */
export function configStoreContract(name: string, create: () => Promise<ConfigStore>): void {
  describe(`the configuration store ${name}`, () => {
    test('has no head before the first commit, not even when an epoch was claimed', async () => {
      const store = await create()
      expect(await store.head()).toBeUndefined()
      await store.claimEpoch(0)
      expect(await store.head()).toBeUndefined()
    })

    test('commits only what is newer, in epoch before generation', async () => {
      const store = await create()
      const results = []
      for (const [epoch, generation] of [
        [1, 1],
        [1, 2],
        [1, 2],
        [0, 9],
        [2, 1],
        [1, 3],
        [2, 10],
        [2, 9],
      ] as const) {
        results.push(await store.commit(head(epoch, generation)))
      }
      expect(results).toEqual(['OK', 'OK', 'STALE_GEN', 'STALE_EPOCH', 'OK', 'STALE_EPOCH', 'OK', 'STALE_GEN'])
      expect(await store.head()).toEqual(head(2, 10))
    })

    test('fences off a writer as soon as another one claimed, before that one commits', async () => {
      const store = await create()
      const first = await store.claimEpoch(0)
      expect(await store.commit(head(first, 1))).toBe('OK')
      const second = await store.claimEpoch(0)
      expect(second).toBeGreaterThan(first)
      expect(await store.commit(head(first, 2))).toBe('STALE_EPOCH')
      expect(await store.commit(head(second, 2))).toBe('OK')
    })

    test('gives each claim an epoch of its own, above what writers remember', async () => {
      const store = await create()
      const claims = await Promise.all([store.claimEpoch(0), store.claimEpoch(0), store.claimEpoch(0)])
      expect(new Set(claims).size).toBe(3)
      expect(await store.claimEpoch(41)).toBe(42)
      await store.commit(head(50, 1))
      expect(await store.claimEpoch(0)).toBe(51)
    })

    test('gives back what was put, in the order asked for, and undefined for the rest', async () => {
      const store = await create()
      await store.putItems(
        'red',
        new Map([
          ['a', '{"a":1}'],
          ['b', '{"b":"é"}'],
        ]),
      )
      expect(await store.items('red', ['b', 'x', 'a'])).toEqual(['{"b":"é"}', undefined, '{"a":1}'])
      expect(await store.missing('red', ['a', 'x', 'b', 'y'])).toEqual(['x', 'y'])
      expect(await store.items('red', [])).toEqual([])
      expect(await store.missing('red', [])).toEqual([])
      await store.putTenantManifest('red', 'd', 'tenant text')
      await store.putRootManifest('1.1', 'root text')
      expect(await store.tenantManifest('red', 'd')).toBe('tenant text')
      expect(await store.rootManifest('1.1')).toBe('root text')
      expect(await store.tenantManifest('red', 'e')).toBeUndefined()
      expect(await store.rootManifest('1.2')).toBeUndefined()
    })

    test('lets a writer announce pieces unless a newer one was there', async () => {
      const store = await create()
      const pieces = ['item:a', 'manifest:b', 'root:1.1'] as const
      const results = []
      for (const [epoch, generation] of [
        [1, 5],
        [1, 5],
        [1, 4],
        [2, 1],
        [1, 9],
        [2, 2],
      ] as const) {
        results.push(await store.touch('red', { epoch, generation }, pieces))
      }
      expect(results).toEqual([true, true, false, true, false, true])
      expect(await store.touch('blue', { epoch: 1, generation: 1 }, [])).toBe(true)
      expect(await store.readerOf('red').head()).toBeUndefined()
    })

    test("has a head and roots of each tenant, apart from the gateway's", async () => {
      const store = await create()
      await store.putTenantRoot('red', '1.1', 'red root')
      expect(await store.commitTenant('red', head(1, 1))).toBe('OK')
      expect(await store.commitTenant('red', head(1, 1))).toBe('STALE_GEN')
      expect(await store.commitTenant('red', head(0, 9))).toBe('STALE_EPOCH')
      expect(await store.commitTenant('blue', head(1, 1))).toBe('OK')
      expect(await store.commitTenant('blue', head(2, 1))).toBe('OK')
      const red = store.readerOf('red')
      expect(await red.head()).toEqual(head(1, 1))
      expect(await red.rootManifest('1.1')).toBe('red root')
      expect(await store.rootManifest('1.1')).toBeUndefined()
      expect(await store.head()).toBeUndefined()
      expect([...(await store.tenantsWithHeads())].sort()).toEqual(['blue', 'red'])
      await store.putItems('red', new Map([['a', 'text']]))
      await store.putTenantManifest('red', 'd', 'manifest')
      expect(await red.items('red', ['a', 'b'])).toEqual(['text', undefined])
      expect(await red.tenantManifest('red', 'd')).toBe('manifest')
    })

    test('keeps tenants apart', async () => {
      const store = await create()
      await store.putItems('red', new Map([['a', 'red text']]))
      await store.putTenantManifest('red', 'd', 'red manifest')
      expect(await store.items('blue', ['a'])).toEqual([undefined])
      expect(await store.missing('blue', ['a'])).toEqual(['a'])
      expect(await store.tenantManifest('blue', 'd')).toBeUndefined()
    })
  })
}
