// Old configuration goes, what is in force stays, whoever is slow.
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { configKeys } from '@smartflow/core/snapshot/keys'
import { follow } from '@smartflow/core/snapshot/follow'
import { Publisher } from '@smartflow/core/snapshot/publish'
import { RedisConfigStore } from '@smartflow/core/snapshot/redis-config-store'
import { RedisGarbage } from '@smartflow/core/snapshot/redis-garbage'
import { newSigningKeys, signerOf, verifierOf } from '@smartflow/core/snapshot/signing'
import { testCompiled, testKey, testTenant } from '@smartflow/core/snapshot/test-world'
import { openRedis, type RedisConnection } from './connection.ts'

const url = inject('redisUrl')
const keys = newSigningKeys()
const signing = { signer: signerOf(keys.privateKey), verifier: verifierOf(keys.publicKey) }

describe.skipIf(url === '')('garbage in Redis (skipped without a Redis)', () => {
  let redis: RedisConnection
  let gateway: string
  let tenant: string
  let store: RedisConfigStore
  let publisher: Publisher
  let garbage: RedisGarbage

  beforeAll(async () => {
    redis = openRedis(url, { name: 'garbage', commandTimeoutMs: 5_000 })
    expect(await redis.whenUp(10_000)).toBe(true)
  })
  afterAll(() => redis.close())

  beforeEach(() => {
    const mark = randomBytes(6).toString('hex')
    gateway = `gateway-${mark}`
    tenant = `tenant-${mark}`
    store = new RedisConfigStore({ redis, gateway })
    publisher = new Publisher({ store, ...signing })
    // Everything is old enough at once.
    garbage = new RedisGarbage({ redis, gateway, keptMs: -1_000 })
  })

  const worldOf = (...at: number[]) =>
    testCompiled({
      [tenant]: testTenant(
        tenant,
        at.map(each => testKey(tenant, each)),
      ),
    })
  const publish = async (from: number, to: number): Promise<void> => {
    for (let at = from; at <= to; at++) {
      expect(await publisher.publish(worldOf(0, at))).toMatchObject({ outcome: 'published' })
    }
  }
  const count = async (pattern: string): Promise<number> => {
    const found = await redis.send('keys', [pattern])
    return Array.isArray(found) ? found.length : 0
  }
  const items = (): Promise<number> => count(`sf:{${tenant}}:cfg:${gateway}:item:*`)
  const whole = async (): Promise<number> => {
    const followed = await follow({ reader: store, verifier: signing.verifier, current: undefined })
    const own = await follow({ reader: store.readerOf(tenant), verifier: signing.verifier, current: undefined })
    if (followed.outcome !== 'newer' || own.outcome !== 'newer') return 0
    expect(own.data.tenants.get(tenant)?.digest).toBe(followed.data.tenants.get(tenant)?.digest)
    return followed.data.tenants.get(tenant)?.items.length ?? 0
  }

  test('what the last 20 commits refer to stays, everything older goes', async () => {
    await publish(1, 30)
    expect(await items()).toBe(6 + 30)
    const { removed, overtaken } = await garbage.collect(publisher.place())
    expect(overtaken).toBe(false)
    expect(removed).toBeGreaterThan(10)
    expect(await items()).toBe(6 + 20)
    expect(await count(configKeys.rootManifest(gateway, '*'))).toBe(20)
    expect(await count(`sf:{${tenant}}:cfg:${gateway}:manifest:*`)).toBe(20)
    expect(await count(`sf:{${tenant}}:cfg:${gateway}:root:*`)).toBe(1)
    expect(await whole()).toBe(7)
    expect(await garbage.collect(publisher.place())).toEqual({ removed: 0, overtaken: false })
  })

  test('what was referred to within the hour stays', async () => {
    await publish(1, 30)
    const patient = new RedisGarbage({ redis, gateway })
    expect(await patient.collect(publisher.place())).toEqual({ removed: 0, overtaken: false })
    expect(await items()).toBe(6 + 30)
  })

  test('a tenant that is gone leaves nothing but its empty head', async () => {
    await publisher.publish(worldOf(1, 2))
    await publisher.publish(testCompiled({}))
    for (let at = 0; at < 20; at++) {
      const settings = { ...testCompiled({}).settings, requestTimeout: 1_000 + at }
      await publisher.publish({ settings, tenants: new Map() })
    }
    await garbage.collect(publisher.place())
    expect(await items()).toBe(0)
    const own = await follow({ reader: store.readerOf(tenant), verifier: signing.verifier, current: undefined })
    expect(own).toMatchObject({ outcome: 'newer', data: { tenants: new Map() } })
  })

  test('a collector that was held up removes nothing that came into force again meanwhile', async () => {
    await publish(1, 30)
    const place = publisher.place()
    // Held up between its judgement and its removal: the key number 1 comes back just then.
    const slow = new RedisGarbage({
      gateway,
      keptMs: -1_000,
      redis: {
        send: (command, args) => redis.send(command, args),
        run: async (script, scriptKeys, args) => {
          await publisher.publish(worldOf(0, 1))
          return redis.run(script, scriptKeys, args)
        },
      },
    })
    expect(await slow.collect(place)).toEqual({ removed: 0, overtaken: true })
    expect(await whole()).toBe(7)
  })

  test('a collector of a writer that was replaced removes nothing', async () => {
    await publish(1, 30)
    const old = publisher.place()
    const young = new Publisher({ store, ...signing })
    await young.publish(worldOf(0, 30))
    await young.publish(worldOf(0, 1))
    expect(await garbage.collect(old)).toEqual({ removed: 0, overtaken: true })
    expect(await whole()).toBe(7)
    expect(await garbage.collect(young.place())).toMatchObject({ overtaken: false })
    expect(await whole()).toBe(7)
  })

  test('nothing goes while a manifest that could refer to it is not there', async () => {
    await publish(1, 30)
    const root = (await store.rootManifest((await store.head())?.manifest ?? '')) ?? ''
    const digest = /"tenants":\{"[^"]*":"([0-9a-f]{64})"/.exec(root)?.[1]
    await redis.send('del', [configKeys.piece(gateway, tenant, `manifest:${digest}`)])
    await garbage.collect(publisher.place())
    expect(await items()).toBe(6 + 30)
  })
})
