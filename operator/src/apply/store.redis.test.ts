// The store in use, on a real Redis: which server, what is remembered from one to the next, and whose coming and going
// is told.
import { randomBytes } from 'node:crypto'
import { Keyring } from '@smartflow/core/snapshot/keyring'
import { configKeys } from '@smartflow/core/snapshot/keys'
import { newSigningKeys, signerOf, verifierOf } from '@smartflow/core/snapshot/signing'
import { testCompiled, testKey, testTenant } from '@smartflow/core/snapshot/test-world'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { StoreConnection } from './redis.ts'
import { Store } from './store.ts'

const url = inject('redisUrl')
const pair = newSigningKeys()
const keys = {
  keyring: Keyring.fromMaster(Buffer.alloc(32, 7)),
  signer: signerOf(pair.privateKey),
  verifier: verifierOf(pair.publicKey),
  publicKey: pair.publicKey,
}

let gateway: string
let told: boolean[]
let heard: number
let store: Store

beforeEach(() => {
  gateway = `gateway-${randomBytes(6).toString('hex')}`
  const changes: boolean[] = []
  ;[told, heard] = [changes, 0]
  store = new Store({
    gateway,
    keys,
    name: 'test',
    now: Date.now,
    heard: () => heard++,
    changed: up => changes.push(up),
    failed: message => {
      throw new Error(message)
    },
  })
})
afterEach(() => store.close())

const compiled = () => testCompiled({ tenant: testTenant('tenant', [testKey('tenant', 1)]) })

test('without an address nothing is published, and what to do is said', async () => {
  store.use(undefined, undefined)
  const outcome = await store.publish(compiled())
  expect(outcome).toMatchObject({ outcome: 'unavailable', message: expect.stringContaining('secretRef') })
  expect([store.acks(), store.publication(), store.up()]).toEqual([undefined, undefined, false])
})

test('a server that is not there makes a publication unavailable, soon', async () => {
  store.use('redis://127.0.0.1:1', undefined)
  expect(await store.publish(compiled())).toMatchObject({ outcome: 'unavailable' })
})

describe.skipIf(url === '')('with a server (skipped without a Redis)', () => {
  /** Another database of the same server, as if it were another one. */
  const other = (): string => Object.assign(new URL(url), { pathname: '/1' }).toString()

  test('a publication goes on above what was published before, here or elsewhere', async () => {
    store.use(url, { epoch: 4, generation: 20 })
    await expect.poll(() => store.up()).toBe(true)
    const first = await store.publish(compiled())
    expect(first.version).toMatchObject({ epoch: 5, generation: 21 })
    store.use(other(), undefined)
    await expect.poll(() => store.up()).toBe(true)
    const second = await store.publish(compiled())
    expect(second).toMatchObject({ outcome: 'published', version: { epoch: 6, generation: 22 } })
  })

  test('the same address keeps its connection', async () => {
    store.use(url, undefined)
    const publication = store.publication()
    store.use(url, { epoch: 9, generation: 9 })
    expect(store.publication()).toBe(publication)
  })

  test('the end of a connection that was replaced is not the end of the one in use', async () => {
    store.use(url, undefined)
    await expect.poll(() => told).toEqual([true])
    store.use(other(), undefined)
    await expect.poll(() => store.up()).toBe(true)
    await store.publish(compiled())
    expect(told).toEqual([true, true])
    store.use(undefined, undefined)
    await expect.poll(() => told).toEqual([true, true, false])
  })

  test('pods that say something are heard', async () => {
    store.use(url, undefined)
    const pod = new StoreConnection({ url, name: 'pod' })
    expect(await pod.whenUp(10_000)).toBe(true)
    await expect
      .poll(async () => {
        await pod.send('publish', [configKeys.ackNotify(gateway), 'pod-1'])
        return heard
      })
      .toBeGreaterThan(0)
    pod.close()
  })
})
