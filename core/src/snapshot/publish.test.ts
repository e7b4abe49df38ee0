// One writer and its store: what is written when, who may write, and what is never published by accident.
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

const keysOf = (count: number): Item[] => Array.from({ length: count }, (_, at) => testKey('red', at))
const worldOf = (count: number) => testCompiled({ red: testTenant('red', keysOf(count)) })
const publisherOf = (more = {}) => new Publisher({ store, ...signing, ...more })

describe('publishing', () => {
  test('counts a generation for every content that differs, and writes nothing when none does', async () => {
    const publisher = publisherOf()
    expect(await publisher.publish(worldOf(1))).toMatchObject({
      outcome: 'published',
      version: { epoch: 1, generation: 1 },
    })
    const before = new Map(store.texts)
    expect(await publisher.publish(worldOf(1))).toMatchObject({
      outcome: 'unchanged',
      version: { epoch: 1, generation: 1 },
    })
    expect(store.texts).toEqual(before)
    expect(await publisher.publish(worldOf(2))).toMatchObject({
      outcome: 'published',
      version: { epoch: 1, generation: 2 },
    })
  })

  test('writes only the items that are new', async () => {
    const publisher = publisherOf()
    await publisher.publish(worldOf(3))
    const written: string[] = []
    store.putItems = async (tenant, items) => {
      written.push(...items.values())
      for (const [digest, text] of items) store.texts.set(`item ${tenant} ${digest}`, text)
    }
    await publisher.publish(worldOf(4))
    expect(written).toHaveLength(1)
    expect(written[0]).toContain('"alias":"key-3"')
  })

  test('writes every piece again into a store that was emptied', async () => {
    const publisher = publisherOf()
    await publisher.publish(worldOf(3))
    const pieces = [...store.texts.keys()].filter(name => !name.startsWith('root '))
    store.clear()
    expect(await publisher.publish(worldOf(3))).toMatchObject({ outcome: 'published', version: { epoch: 2 } })
    expect([...store.texts.keys()]).toEqual(expect.arrayContaining(pieces))
  })

  test('puts nothing in force when a write fails on the way', async () => {
    const publisher = publisherOf()
    await publisher.publish(worldOf(1))
    const before = await store.head()
    store.putTenantManifest = () => Promise.reject(new Error('the store is gone'))
    await expect(publisher.publish(worldOf(2))).rejects.toThrow('the store is gone')
    expect(await store.head()).toEqual(before)
  })

  test('after a restart goes on above what is there, and changes nothing that is in force already', async () => {
    await publisherOf().publish(worldOf(1))
    const restarted = publisherOf()
    expect(await restarted.publish(worldOf(1))).toMatchObject({
      outcome: 'unchanged',
      version: { epoch: 1, generation: 1 },
    })
    expect(await restarted.publish(worldOf(2))).toMatchObject({
      outcome: 'published',
      version: { epoch: 2, generation: 2 },
    })
  })

  test('with a new signing key publishes the same content again, for readers do not trust the old one', async () => {
    await publisherOf().publish(worldOf(1))
    const fresh = newSigningKeys()
    const other = publisherOf({ signer: signerOf(fresh.privateKey), verifier: verifierOf(fresh.publicKey) })
    expect(await other.publish(worldOf(1))).toMatchObject({
      outcome: 'published',
      version: { epoch: 2, generation: 2 },
    })
  })
})

describe('a store that lost something', () => {
  test('and came up empty gets everything again, above what readers have', async () => {
    const publisher = publisherOf()
    await publisher.publish(worldOf(1))
    store.clear()
    expect(await publisher.publish(worldOf(1))).toMatchObject({
      outcome: 'published',
      version: { epoch: 2, generation: 2 },
    })
    const taken = await follow({ reader: store, verifier: signing.verifier, current: undefined })
    expect(taken.outcome).toBe('newer')
  })

  test('and was rolled back gets even the same content again, above what readers have', async () => {
    const publisher = publisherOf()
    await publisher.publish(worldOf(1))
    const old = await store.head()
    await publisher.publish(worldOf(2))
    store.clear()
    if (old !== undefined) await store.commit(old)
    expect(await publisher.publish(worldOf(1))).toMatchObject({
      outcome: 'published',
      version: { epoch: 2, generation: 3 },
    })
  })

  test('is outlived by what the writer remembers of an earlier run', async () => {
    const publisher = publisherOf({ remembered: { epoch: 7, generation: 40 } })
    expect(await publisher.publish(worldOf(1))).toMatchObject({
      outcome: 'published',
      version: { epoch: 8, generation: 41 },
    })
  })

  test('gets evicted items again once readers complain', async () => {
    const publisher = publisherOf()
    await publisher.publish(worldOf(2))
    const item = [...store.texts.keys()].find(key => key.startsWith('item red'))
    store.texts.delete(item ?? '')
    expect(await publisher.publish(worldOf(2))).toMatchObject({ outcome: 'unchanged' })
    publisher.distrust()
    expect(await publisher.publish(worldOf(2))).toMatchObject({ outcome: 'published' })
    expect(store.texts.has(item ?? '')).toBe(true)
  })
})

describe('two writers', () => {
  test('never both publish: the one that claimed last goes on', async () => {
    const old = publisherOf()
    await old.publish(worldOf(1))
    const young = publisherOf()
    await young.publish(worldOf(2))
    expect(await old.publish(worldOf(3))).toMatchObject({
      outcome: 'stale',
      message: expect.stringContaining('epoch 1'),
    })
    expect(await young.publish(worldOf(4))).toMatchObject({ outcome: 'published' })
  })

  test('are fenced off from the moment of the claim', async () => {
    const old = publisherOf()
    await old.publish(worldOf(1))
    await store.claimEpoch(0)
    expect(await old.publish(worldOf(2))).toMatchObject({ outcome: 'stale' })
    expect(await store.head()).toMatchObject({ epoch: 1, generation: 1 })
  })
})

describe('a removal of more than half of all objects', () => {
  test('is held back once, and goes through when seen again', async () => {
    const publisher = publisherOf()
    await publisher.publish(worldOf(20))
    const held = await publisher.publish(worldOf(2))
    expect(held).toMatchObject({ outcome: 'held', removed: 18, of: 25 })
    expect(await store.head()).toMatchObject({ generation: 1 })
    expect(await publisher.publish(worldOf(2))).toMatchObject({ outcome: 'published' })
  })

  test('has to be seen twice in a row', async () => {
    const publisher = publisherOf()
    await publisher.publish(worldOf(20))
    expect(await publisher.publish(worldOf(2))).toMatchObject({ outcome: 'held' })
    expect(await publisher.publish(worldOf(3))).toMatchObject({ outcome: 'held' })
    expect(await publisher.publish(worldOf(19))).toMatchObject({ outcome: 'published' })
    expect(await publisher.publish(worldOf(2))).toMatchObject({ outcome: 'held' })
  })

  test('is held back for as long as the second look does not agree', async () => {
    const publisher = publisherOf()
    await publisher.publish(worldOf(20))
    for (let look = 0; look < 3; look++) {
      expect(await publisher.publish(worldOf(2))).toMatchObject({ outcome: 'held' })
      publisher.unconfirmed()
    }
    expect(await publisher.publish(worldOf(2))).toMatchObject({ outcome: 'held' })
    expect(await publisher.publish(worldOf(2))).toMatchObject({ outcome: 'published' })
  })

  test('is held back by what was in force when the store was emptied meanwhile', async () => {
    const publisher = publisherOf()
    await publisher.publish(worldOf(20))
    store.clear()
    expect(await publisher.publish(worldOf(2))).toMatchObject({ outcome: 'held' })
  })

  test('is held back after a restart too', async () => {
    await publisherOf().publish(worldOf(20))
    expect(await publisherOf().publish(worldOf(0))).toMatchObject({ outcome: 'held', removed: 20 })
  })

  test('of few objects is held back once with the first publication of a writer that looks twice', async () => {
    await publisherOf().publish(worldOf(20))
    const publisher = publisherOf({ looksTwiceAtFirst: true })
    expect(await publisher.publish(worldOf(19))).toMatchObject({ outcome: 'held', few: true, removed: 1 })
    publisher.unconfirmed()
    expect(await publisher.publish(worldOf(19))).toMatchObject({ outcome: 'held', few: true, removed: 1 })
    expect(await publisher.publish(worldOf(19))).toMatchObject({ outcome: 'published' })
    expect(await publisher.publish(worldOf(18))).toMatchObject({ outcome: 'published' })
    const other = publisherOf({ looksTwiceAtFirst: true })
    expect(await other.publish(worldOf(18))).toMatchObject({ outcome: 'unchanged' })
    expect(await other.publish(worldOf(17))).toMatchObject({ outcome: 'published' })
  })

  test('is not held back when it is half at most, or fewer than ten', async () => {
    const publisher = publisherOf()
    await publisher.publish(worldOf(20))
    expect(await publisher.publish(worldOf(8))).toMatchObject({ outcome: 'published' })
    expect(await publisher.publish(testCompiled({ red: testTenant('red').slice(0, 5) }))).toMatchObject({
      outcome: 'published',
    })
  })
})
