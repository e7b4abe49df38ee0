// Round trips through the store, and every way in which a published configuration can be wrong.
import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { canonicalJSON } from './canonical.ts'
import { compareVersions, follow } from './follow.ts'
import { loadLastGood, saveLastGood } from './last-good.ts'
import { MemoryConfigStore } from './memory-config-store.ts'
import { Publisher } from './publish.ts'
import { newSigningKeys, signerOf, verifierOf } from './signing.ts'
import { SNAPSHOT_SCHEMA, type SnapshotData, snapshotData } from './snapshot-data.ts'
import type { SnapshotError } from './snapshot-error.ts'
import { testCompiled, testKey, testKeyring, testTenant, testToken } from './test-world.ts'
import { buildView } from './view.ts'

const keys = newSigningKeys()
const signer = signerOf(keys.privateKey)
const verifier = verifierOf(keys.publicKey)
let store = new MemoryConfigStore()
let publisher = new Publisher({ store, signer, verifier })

beforeEach(() => {
  store = new MemoryConfigStore()
  publisher = new Publisher({ store, signer, verifier })
})

const world = (...numbers: number[]) =>
  testCompiled({
    red: testTenant(
      'red',
      numbers.map(at => testKey('red', at)),
    ),
    blue: testTenant('blue', [testKey('blue', 99)]),
  })

async function followed(current?: SnapshotData): Promise<SnapshotData> {
  const result = await follow({ reader: store, verifier, current })
  if (result.outcome !== 'newer') throw new Error(`expected something newer, got ${result.outcome}`)
  return result.data
}

/** Changes the first stored text whose key fits and that the change concerns. */
function tamper(key: RegExp, change: (text: string) => string | undefined): void {
  const found = [...store.texts].find(([name, text]) => key.test(name) && change(text) !== text)
  if (found === undefined) throw new Error(`nothing is stored as ${key}`)
  const text = change(found[1])
  if (text === undefined) store.texts.delete(found[0])
  else store.texts.set(found[0], text)
}

const faultOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'none',
    (error: SnapshotError) => `${error.name} ${error.fault}`,
  )

describe('following', () => {
  test('gives exactly what was compiled', async () => {
    const compiled = world(1, 2)
    await publisher.publish(compiled)
    const data = await followed()
    expect(data.settings).toEqual(compiled.settings)
    expect(new Map([...data.tenants].map(([name, tenant]) => [name, tenant.items]))).toEqual(compiled.tenants)
    expect(data.version).toEqual({ epoch: 1, generation: 1, digest: snapshotData(compiled, 5, 5).version.digest })
  })

  test('takes over tenants and items that did not change, and asks only for the others', async () => {
    await publisher.publish(world(1, 2))
    const before = await followed()
    await publisher.publish(world(1, 2, 3))
    const asked: string[] = []
    const reader = {
      head: () => store.head(),
      rootManifest: (id: string) => store.rootManifest(id),
      tenantManifest: (tenant: string, digest: string) => store.tenantManifest(tenant, digest),
      items(tenant: string, digests: readonly string[]) {
        asked.push(...digests)
        return store.items(tenant, digests)
      },
    }
    const result = await follow({ reader, verifier, current: before })
    expect(result).toMatchObject({ outcome: 'newer', data: { version: { generation: 2 } } })
    expect(asked).toHaveLength(1)
    const after = await followed(before)
    expect(after.tenants.get('blue')).toBe(before.tenants.get('blue'))
    const known = new Set(before.tenants.get('red')?.items)
    expect(after.tenants.get('red')?.items.filter(item => !known.has(item))).toHaveLength(1)
  })

  test('stays where it is when the head is the same, older, or gone', async () => {
    await publisher.publish(world(1))
    const old = await store.head()
    await publisher.publish(world(2))
    const current = await followed()
    expect(await follow({ reader: store, verifier, current })).toMatchObject({ outcome: 'same' })
    store.clear()
    expect(await follow({ reader: store, verifier, current })).toEqual({ outcome: 'empty' })
    if (old !== undefined) await store.commit(old)
    expect(await follow({ reader: store, verifier, current })).toMatchObject({
      outcome: 'older',
      head: { generation: 1 },
    })
  })

  test('orders by epoch, then generation', () => {
    expect(compareVersions({ epoch: 2, generation: 1 }, { epoch: 1, generation: 9 })).toBeGreaterThan(0)
    expect(compareVersions({ epoch: 1, generation: 1 }, { epoch: 1, generation: 2 })).toBeLessThan(0)
    expect(compareVersions({ epoch: 1, generation: 1 }, { epoch: 1, generation: 1 })).toBe(0)
  })
})

describe('any sequence of publications, losses and looks', () => {
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('publish' as const),
        numbers: fc.uniqueArray(fc.nat(6), { maxLength: 4 }),
      }),
    },
    { weight: 4, arbitrary: fc.constant({ kind: 'look' as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'lose everything' as const }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('lose a piece' as const), at: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'new writer' as const }) },
  )

  test('leaves a reader with a whole configuration that was published, never an older one than before', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async steps => {
        const mine = new MemoryConfigStore()
        let writer = new Publisher({ store: mine, signer, verifier })
        let remembered = { epoch: 0, generation: 0 }
        let current: SnapshotData | undefined
        const published = new Set<string>()
        const actions = {
          async publish(numbers: number[]) {
            writer.distrust()
            const result = await writer.publish(world(...numbers))
            published.add(snapshotData(world(...numbers), 0, 0).version.digest)
            if (result.outcome === 'published') remembered = result.version
          },
          async look() {
            const result = await follow({ reader: mine, verifier, current }).catch(() => undefined)
            if (result?.outcome !== 'newer') return
            expect(
              compareVersions(result.data.version, current?.version ?? { epoch: 0, generation: 0 }),
            ).toBeGreaterThan(0)
            expect(published).toContain(result.data.version.digest)
            current = result.data
          },
        }
        for (const each of steps) {
          if (each.kind === 'publish') await actions.publish(each.numbers)
          else if (each.kind === 'look') await actions.look()
          else if (each.kind === 'lose everything') mine.clear()
          else if (each.kind === 'lose a piece') mine.texts.delete([...mine.texts.keys()][each.at] ?? '')
          else writer = new Publisher({ store: mine, signer, verifier, remembered })
        }
        // However it went: one more publication and one more look, and the reader has exactly that.
        await actions.publish([5])
        await actions.look()
        expect(current?.version.digest).toBe(snapshotData(world(5), 0, 0).version.digest)
      }),
      { numRuns: 100 },
    )
  })
})

describe('a configuration that was changed or is incomplete is refused:', () => {
  beforeEach(async () => {
    await publisher.publish(world(1, 2))
  })

  const change = (from: string, to: string) => (text: string) => text.replace(from, to)
  const cases: [string, RegExp, (text: string) => string | undefined, string][] = [
    ['an item with another role', /^item/, change('"suspended":false', '"suspended":true '), 'DIGEST_MISMATCH'],
    ['an item that is gone', /^item/, () => undefined, 'ITEM_MISSING'],
    [
      'a tenant manifest with an item less',
      /^manifest/,
      change('"kind":"Policy"', '"kind":"Nobody"'),
      'DIGEST_MISMATCH',
    ],
    ['a tenant manifest that is gone', /^manifest/, () => undefined, 'MANIFEST_MISSING'],
    [
      'a root with other settings',
      /^root/,
      change('"maxBodyBytes":1000000', '"maxBodyBytes":1000001'),
      'SIGNATURE_INVALID',
    ],
    ['a root of another generation', /^root/, change('"generation":1', '"generation":2'), 'SIGNATURE_INVALID'],
    ['a root with another signature', /^root/, change('"value":"', '"value":"A'), 'SIGNATURE_INVALID'],
    ['a root without a signature', /^root/, text => text.replace('"signature"', '"other"'), 'MANIFEST_INVALID'],
    ['a root that is cut off', /^root/, text => text.slice(0, 99), 'MANIFEST_INVALID'],
    ['a root that is gone', /^root/, () => undefined, 'MANIFEST_MISSING'],
  ]

  test.each(cases)('%s', async (_name, key, how, fault) => {
    tamper(key, how)
    expect(await faultOf(follow({ reader: store, verifier, current: undefined }))).toBe(`SnapshotError ${fault}`)
  })

  test('a root signed by somebody else', async () => {
    const stranger = verifierOf(newSigningKeys().publicKey)
    expect(await faultOf(follow({ reader: store, verifier: stranger, current: undefined }))).toBe(
      'SnapshotError SIGNATURE_INVALID',
    )
  })

  test('an old root, well signed, under a new head', async () => {
    const old = await store.rootManifest('1.1')
    await publisher.publish(world(1, 2, 3))
    store.texts.set('root 1.2', old ?? '')
    expect(await faultOf(follow({ reader: store, verifier, current: undefined }))).toBe('SnapshotError DIGEST_MISMATCH')
  })

  test.each([
    ['a later', SNAPSHOT_SCHEMA + 1],
    ['an earlier', SNAPSHOT_SCHEMA - 1],
  ])('a schema of %s release', async (_, schema) => {
    const root = JSON.parse((await store.rootManifest('1.1')) ?? '').manifest
    const manifest = { ...root, schema }
    const signature = { key: signer.key, value: signer.sign(canonicalJSON(manifest)) }
    store.texts.set('root 1.1', canonicalJSON({ manifest, signature }))
    expect(await faultOf(follow({ reader: store, verifier, current: undefined }))).toBe(
      'SnapshotError SCHEMA_UNSUPPORTED',
    )
  })

  test('an item of a shape that this release does not know', async () => {
    const strange = { ...testKey('red', 3), role: 'Emperor' }
    // @ts-expect-error: what a later release might publish under the same schema
    await publisher.publish(testCompiled({ red: testTenant('red', [strange]) }))
    expect(await faultOf(follow({ reader: store, verifier, current: undefined }))).toBe('SnapshotError ITEM_INVALID')
  })

  test('but fields that a later release added are no harm', async () => {
    const compiled = testCompiled({ red: testTenant('red', [{ ...testKey('red', 3), novelty: 1 } as never]) })
    await publisher.publish({ ...compiled, settings: { ...compiled.settings, novelty: { a: 1 } } as never })
    const data = await followed()
    expect(JSON.stringify([data.settings, data.tenants.get('red')?.items])).not.toContain('novelty')
    expect((await loadLastGood(saved(data), verifier)).version).toEqual(data.version)
  })
})

/** The text as a file has it. */
function saved(data: SnapshotData): string {
  return [...saveLastGood(data)].join('')
}

describe('the last good configuration on disk', () => {
  test('is the same when it is read back, and builds the same view', async () => {
    await publisher.publish(world(1, 2))
    const data = await followed()
    const text = saved(data)
    expect(text).not.toContain('credential of red')
    const loaded = await loadLastGood(text, verifier)
    expect(loaded).toEqual(data)
    const view = await buildView(loaded, { keyring: testKeyring })
    expect(view.findKey(testToken(2))?.key.alias).toBe('key-2')
    expect(view.tenant('red')?.credential('main')).toBe('credential of red')
  })

  test('keeps the pieces of several tenants apart, whatever they are called, and is written in pieces', async () => {
    const keys = Array.from({ length: 300 }, (_, at) => testKey('red', at))
    const names = ['red', '10', '9', 'constructor']
    await publisher.publish(
      testCompiled(Object.fromEntries(names.map(name => [name, testTenant(name, name === 'red' ? keys : [])]))),
    )
    const data = await followed()
    const pieces = [...saveLastGood(data)]
    expect(pieces.length).toBeGreaterThan(1)
    expect(Math.max(...pieces.map(piece => piece.length))).toBeLessThan(80 * 1024)
    expect(await loadLastGood(pieces.join(''), verifier)).toEqual(data)
  })

  test('is verified again: a changed or cut file is refused', async () => {
    await publisher.publish(world(1))
    const text = saved(await followed())
    const changed = text.replace('InternalUser', 'ProxyAdmin')
    expect(changed).not.toBe(text)
    expect(await faultOf(loadLastGood(changed, verifier))).toBe('SnapshotError ITEM_MISSING')
    expect(await faultOf(loadLastGood(text.slice(0, -5), verifier))).toBe('SnapshotError ITEM_MISSING')
    expect(await faultOf(loadLastGood(text.slice(0, 20), verifier))).toBe('SnapshotError MANIFEST_INVALID')
    expect(await faultOf(loadLastGood(text, verifierOf(newSigningKeys().publicKey)))).toBe(
      'SnapshotError SIGNATURE_INVALID',
    )
    expect(await faultOf(loadLastGood(text.replace('"generation":1', '"generation":7'), verifier))).toBe(
      'SnapshotError DIGEST_MISMATCH',
    )
  })

  test('is made only of what was signed', () => {
    expect(() => saved(snapshotData(world(1), 1, 1))).toThrow('published and verified')
  })
})
