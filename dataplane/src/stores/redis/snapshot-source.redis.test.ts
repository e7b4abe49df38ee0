import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, inject, test, vi } from 'vitest'
import type { Compiled, Item } from '@smartflow/core/snapshot/items'
import { Keyring } from '@smartflow/core/snapshot/keyring'
import { configKeys } from '@smartflow/core/snapshot/keys'
import { Publisher } from '@smartflow/core/snapshot/publish'
import { newSigningKeys, signerOf, verifierOf } from '@smartflow/core/snapshot/signing'
import { RedisConfigStore } from '@smartflow/core/snapshot/redis-config-store'
import { SNAPSHOT_SCHEMA } from '@smartflow/core/snapshot/snapshot-data'
import { Acknowledgement } from './acknowledgement.ts'
import { openRedis, type RedisConnection, StoreAway } from './connection.ts'
import { RedisSnapshotSource, type SnapshotSourceOptions } from './snapshot-source.ts'
import { subscribe } from './subscriber.ts'
import { longestTurn } from './test-longest-turn.ts'
import { openTestProxy, type TestProxy } from './test-proxy.ts'

const url = inject('redisUrl')
const keyring = Keyring.fromMaster(randomBytes(32))
const { privateKey, publicKey } = newSigningKeys()
const verifier = verifierOf(publicKey)

/** CPU milliseconds of one turn; some of it is the test's own proxy. */
const STALL_MS = 13

/** A configuration of one tenant with these keys; `name=alias` gives one another alias than its name. */
function compiled(tenant: string, ...keys: string[]): Compiled {
  const items: Item[] = [
    { kind: 'AITenant', name: tenant, namespaces: [tenant], teams: [], suspended: false },
    ...keys.map((key): Item => ({
      kind: 'VirtualKey',
      name: key.split('=')[0] ?? '',
      alias: key.split('=').at(-1) ?? '',
      secrets: [],
      role: 'InternalUser',
      models: [],
      providers: [],
      tags: [],
      suspended: false,
    })),
  ]
  const settings = {
    name: 'gateway',
    requestTimeout: 1000,
    streamIdleTimeout: 1000,
    maxBodyBytes: 1000,
    storeLoss: { budgets: 'FailOpenLocal', rateLimits: 'Local' },
  } as const
  return { settings, tenants: new Map([[tenant, items]]) }
}

describe.skipIf(url === '')('the configuration as a process follows it (skipped without a Redis)', () => {
  let gateway: string
  let tenant: string
  let folder: string
  let proxy: TestProxy
  let direct: RedisConnection
  let through: RedisConnection
  let publisher: Publisher
  let sources: RedisSnapshotSource[]

  beforeEach(async () => {
    const mark = randomBytes(6).toString('hex')
    gateway = `gateway-${mark}`
    tenant = `tenant-${mark}`
    folder = await mkdtemp(join(tmpdir(), 'snapshot-source-'))
    proxy = await openTestProxy(url)
    direct = openRedis(url, { name: 'writer', commandTimeoutMs: 5_000 })
    through = openRedis(proxy.url, { name: 'reader', commandTimeoutMs: 2_000 })
    expect(await Promise.all([direct.whenUp(10_000), through.whenUp(10_000)])).toEqual([true, true])
    const store = new RedisConfigStore({ redis: direct, gateway })
    publisher = new Publisher({ store, signer: signerOf(privateKey), verifier })
    sources = []
  })

  afterEach(async () => {
    await Promise.all(sources.map(source => source.stop()))
    direct.close()
    through.close()
    await proxy.close()
    await rm(folder, { recursive: true })
  })

  const acknowledgement = (process = 'pod-1'): Acknowledgement =>
    new Acknowledgement({
      redis: through,
      key: configKeys.ack(gateway, process),
      channel: configKeys.ackNotify(gateway),
      process,
      version: '1.2.3',
    })

  const open = (options: Partial<SnapshotSourceOptions> = {}): RedisSnapshotSource => {
    const source = new RedisSnapshotSource({
      redis: through,
      url: proxy.url,
      reader: new RedisConfigStore({ redis: through, gateway }),
      channel: configKeys.notify(gateway),
      acknowledgement: acknowledgement(),
      keyring,
      verifier,
      lastGoodFile: join(folder, 'last-good.json'),
      pollMs: 100,
      log: () => undefined,
      ...options,
    })
    sources.push(source)
    return source
  }

  const publish = async (...keys: string[]): Promise<void> => {
    expect(await publisher.publish(compiled(tenant, ...keys))).toMatchObject({ outcome: 'published' })
  }

  const keysOf = (source: RedisSnapshotSource): string[] => [...(source.current()?.tenant(tenant)?.keys.keys() ?? [])]

  const acknowledged = async (): Promise<Record<string, string>> => {
    const reply = await direct.send('hgetall', [configKeys.ack(gateway, 'pod-1')])
    return typeof reply === 'object' && reply !== null ? Object.fromEntries(Object.entries(reply)) : {}
  }

  const head = async (): Promise<Record<string, string>> => {
    const reply = await direct.send('hgetall', [configKeys.head(gateway)])
    return typeof reply === 'object' && reply !== null ? Object.fromEntries(Object.entries(reply)) : {}
  }

  test('starts with what is published and follows what is published later', async () => {
    await publish('a')
    const source = open({ pollMs: 60_000 })
    await source.start()
    expect(keysOf(source)).toEqual(['a'])
    const before = source.current()
    await publish('a', 'b')
    await expect.poll(() => keysOf(source)).toEqual(['a', 'b'])
    expect(before?.tenant(tenant)?.keys.size).toBe(1)
    expect(source.problem()).toBeUndefined()
  })

  test('a look that the store did not answer in time is made again at once, and so is an acknowledgement', async () => {
    await publish('a')
    const late = new StoreAway('the store did not answer in time', { sent: true })
    const reader = new RedisConfigStore({ redis: through, gateway })
    const said = acknowledgement()
    const source = open({ pollMs: 60_000, reader, acknowledgement: said })
    await source.start()
    await expect.poll(acknowledged).toMatchObject({ gen: '1' })
    const looks = vi.spyOn(reader, 'head').mockRejectedValueOnce(late).mockRejectedValueOnce(late)
    const tells = vi.spyOn(said, 'tell').mockRejectedValueOnce(late)
    await publish('a', 'b')
    await expect.poll(acknowledged, { timeout: 10_000 }).toMatchObject({ gen: '2', problem: '' })
    expect(keysOf(source)).toEqual(['a', 'b'])
    expect(looks.mock.calls.length).toBeGreaterThanOrEqual(3)
    expect(tells.mock.calls.length).toBeGreaterThanOrEqual(2)
  })

  test('a hint that it may hear comes when it does hear, so that nothing published falls in between', async () => {
    const channel = configKeys.notify(gateway)
    const listeners: unknown[] = []
    let asking = Promise.resolve()
    const hinted = async (): Promise<void> => void listeners.push(await direct.send('pubsub', ['numsub', channel]))
    const forget = subscribe(proxy.url, channel, () => void (asking = hinted()))
    try {
      await expect.poll(() => listeners).toEqual([[channel, 1]])
      proxy.set('cut')
      await expect.poll(async () => direct.send('pubsub', ['numsub', channel])).toEqual([channel, 0])
      proxy.set('through')
      await expect
        .poll(() => listeners, { timeout: 5_000 })
        .toEqual([
          [channel, 1],
          [channel, 1],
        ])
    } finally {
      forget()
      await asking
    }
  })

  test('waits for a first configuration and says so', async () => {
    const source = open()
    const started = source.start()
    await expect.poll(() => source.problem()).toMatch(/nothing has been published/)
    expect(source.current()).toBeUndefined()
    await publish('a')
    await started
    expect(keysOf(source)).toEqual(['a'])
  })

  test('acknowledges what it serves, for 45 seconds at a time, and takes that back when it stops', async () => {
    await publish('a')
    const source = open()
    await source.start()
    const digest = source.current()?.version.digest
    await expect.poll(acknowledged).toMatchObject({ epoch: '1', gen: '1', digest, problem: '', version: '1.2.3' })
    const { at, boot, schema } = await acknowledged()
    expect(boot).toMatch(/^[0-9a-f]{16}$/)
    expect(schema).toBe(String(SNAPSHOT_SCHEMA))
    const [seconds = 0, micros = 0] = ((await direct.send('time', [])) as string[]).map(Number)
    expect(Math.abs(seconds * 1_000 + micros / 1_000 - Number(at))).toBeLessThan(5_000)
    const life = Number(await direct.send('ttl', [configKeys.ack(gateway, 'pod-1')]))
    expect(life).toBeGreaterThan(40)
    expect(life).toBeLessThanOrEqual(45)
    await expect.poll(async () => Number((await acknowledged())['at'])).toBeGreaterThan(Number(at)) // renewed
    expect((await acknowledged())['boot']).toBe(boot)
    expect(acknowledgement().boot).not.toBe(boot)
    await source.stop()
    expect(await acknowledged()).toEqual({})
  })

  test('acknowledges at once, without waiting for its next look, and tells so: what it took and what it refused', async () => {
    await publish('a')
    const source = open({ pollMs: 60_000 })
    await source.start()
    const told: string[] = []
    const listener = new Redis(url)
    listener.on('message', (_channel, message) => told.push(message))
    await listener.subscribe(configKeys.ackNotify(gateway))
    try {
      const times: number[] = []
      for (const keys of [['a', 'b'], ['a'], ['a', 'c']]) {
        await publish(...keys)
        const { generation } = source.current()?.version ?? { generation: 0 }
        const from = performance.now()
        const wanted = String(generation === Number((await head())['gen']) ? generation : generation + 1)
        await expect.poll(async () => (await acknowledged())['gen'], { interval: 2 }).toBe(wanted)
        times.push(performance.now() - from)
      }
      expect(Math.min(...times)).toBeLessThan(200)
      const stranger = newSigningKeys()
      const store = new RedisConfigStore({ redis: direct, gateway })
      const signing = { signer: signerOf(stranger.privateKey), verifier: verifierOf(stranger.publicKey) }
      await new Publisher({ store, ...signing }).publish(compiled(tenant, 'evil'))
      await expect.poll(acknowledged).toMatchObject({ gen: '4', problem: expect.stringMatching(/not signed/) })
      await expect.poll(() => told.length).toBeGreaterThanOrEqual(4)
      const before = told.length
      await source.stop()
      await expect.poll(() => told.length).toBeGreaterThan(before)
      expect(new Set(told)).toEqual(new Set(['pod-1']))
    } finally {
      listener.disconnect()
    }
  })

  test('acknowledges that it has nothing to serve, and why', async () => {
    const source = open()
    void source.start()
    const nothing = { epoch: '0', gen: '0', digest: '', problem: expect.stringMatching(/nothing has been published/) }
    await expect.poll(acknowledged).toMatchObject(nothing)
  })

  test('does not serve what is on disk before it looked whether the store has something newer', async () => {
    await publish('a')
    const first = open()
    await first.start()
    await first.stop()
    await publish('a', 'b')
    const reader = new RedisConfigStore({ redis: through, gateway })
    const gate = Promise.withResolvers<void>()
    let asked = false
    reader.head = async () => {
      asked = true
      await gate.promise
      return RedisConfigStore.prototype.head.call(reader)
    }
    const second = open({ reader })
    const started = second.start()
    await expect.poll(() => asked).toBe(true)
    expect(second.current()).toBeUndefined()
    gate.resolve()
    await started
    expect(keysOf(second)).toEqual(['a', 'b'])
  })

  test('a restart while the store is away serves the last good configuration, and follows when it is back', async () => {
    await publish('a')
    const first = open()
    await first.start()
    await expect.poll(() => stat(join(folder, 'last-good.json')).then(file => file.mode & 0o777)).toBe(0o600)
    await first.stop()
    proxy.set('cut')
    await expect.poll(() => through.up()).toBe(false)
    const second = open()
    await second.start()
    expect(keysOf(second)).toEqual(['a'])
    await publish('a', 'b')
    proxy.set('through')
    await expect.poll(() => keysOf(second), { timeout: 5000 }).toEqual(['a', 'b'])
  })

  test('a last good file that was changed is not used', async () => {
    await publish('a')
    const first = open()
    await first.start()
    const file = join(folder, 'last-good.json')
    await expect.poll(() => readFile(file, 'utf8').catch(() => '')).toContain('VirtualKey')
    await first.stop()
    await writeFile(file, (await readFile(file, 'utf8')).replaceAll('InternalUser', 'ProxyAdmin'))
    proxy.set('cut')
    await expect.poll(() => through.up()).toBe(false)
    const second = open()
    void second.start()
    await new Promise(resolve => setTimeout(resolve, 200))
    expect(second.current()).toBeUndefined()
  })

  test('an emptied store changes nothing but is reported, and the next publication is taken', async () => {
    await publish('a')
    const source = open()
    await source.start()
    for (const pattern of [`*${gateway}*`, `*${tenant}*`]) {
      const keys = await direct.send('keys', [pattern])
      if (Array.isArray(keys) && keys.length > 0) await direct.send('del', keys.map(String))
    }
    await expect.poll(() => source.problem()).toMatch(/emptied/)
    expect(keysOf(source)).toEqual(['a'])
    await expect.poll(acknowledged).toMatchObject({ gen: '1', problem: expect.stringMatching(/emptied/) })
    await publish('a', 'b')
    await expect.poll(() => keysOf(source)).toEqual(['a', 'b'])
    expect(source.problem()).toBeUndefined()
  })

  test('a store that was rolled back changes nothing but is reported', async () => {
    await publish('a')
    const head = configKeys.head(gateway)
    const old = await direct.send('hmget', [head, 'epoch', 'gen', 'digest', 'manifest'])
    await publish('a', 'b')
    const source = open()
    await source.start()
    const [epoch, gen, digest, manifest] = Array.isArray(old) ? old.map(String) : []
    const fields = ['epoch', epoch ?? '', 'gen', gen ?? '', 'digest', digest ?? '', 'manifest', manifest ?? '']
    await direct.send('hset', [head, ...fields])
    await expect.poll(() => source.problem()).toMatch(/rolled back/)
    expect(keysOf(source)).toEqual(['a', 'b'])
  })

  test('a restart on a store that was restored from an older dump serves what is on disk, until the writer publishes above it', async () => {
    await publish('a')
    const dump = await head()
    await publish('a', 'b')
    const first = open()
    await first.start()
    await first.stop()
    await direct.send('del', [configKeys.head(gateway)])
    await direct.send('hset', [configKeys.head(gateway), ...Object.entries(dump).flat()])
    const second = open()
    await second.start()
    expect(keysOf(second)).toEqual(['a', 'b'])
    const problem = expect.stringMatching(/rolled back/)
    await expect.poll(acknowledged).toMatchObject({ epoch: '1', gen: '2', problem })
    await publish('a', 'b', 'c')
    await expect.poll(() => keysOf(second)).toEqual(['a', 'b', 'c'])
    await expect.poll(acknowledged).toMatchObject({ epoch: '2', problem: '' })
  })

  test('a restart on a store that was flushed serves what is on disk and says so', async () => {
    await publish('a')
    const first = open()
    await first.start()
    await first.stop()
    await direct.send('del', [configKeys.head(gateway)])
    const second = open()
    await second.start()
    expect(keysOf(second)).toEqual(['a'])
    await expect.poll(acknowledged).toMatchObject({ gen: '1', problem: expect.stringMatching(/emptied/) })
  })

  test('a restart whose store holds a broken publication serves what is on disk, as those do that were running', async () => {
    await publish('a')
    const first = open()
    await first.start()
    await first.stop()
    await publish('a', 'b')
    await direct.send('del', [configKeys.rootManifest(gateway, '1.2')])
    const second = open()
    await second.start()
    expect(keysOf(second)).toEqual(['a'])
    await expect.poll(acknowledged).toMatchObject({ gen: '1', problem: expect.stringMatching(/not in the store/) })
  })

  test('taking 5,000 changed keys does not hold up the event loop, and they are on disk afterwards', async () => {
    const names = Array.from({ length: 5_000 }, (_, at) => `key-${at}`)
    await publish(...names)
    const source = open({ pollMs: 60_000 })
    await source.start()
    const file = join(folder, 'last-good.json')
    const inode = (): Promise<number> => stat(file).then(found => found.ino)
    const kept = (alias: string): Promise<boolean> =>
      readFile(file, 'utf8')
        .then(text => text.includes(`"alias":"${alias}"`))
        .catch(() => false)
    await expect.poll(() => kept('key-4999')).toBe(true)
    const stalls: number[] = []
    for (const mark of ['x', 'y', 'z']) {
      // Held back, so that the publisher's own work, done in this process too, is not measured.
      const taken = source.current()?.version.generation ?? 0
      proxy.set('cut')
      await expect.poll(() => through.up()).toBe(false)
      await publish(...names.map(name => `${name}=${name}${mark}`))
      const before = await inode()
      const measured = longestTurn()
      proxy.set('through')
      await expect.poll(() => source.current()?.version.generation).toBe(taken + 1)
      // Only looked at, not read: reading all of it would be measured too.
      await expect.poll(inode).not.toBe(before)
      stalls.push(measured())
      expect(await kept(`key-4999${mark}`)).toBe(true)
    }
    expect(Math.min(...stalls)).toBeLessThan(STALL_MS)
  })

  test('an item that was changed in the store is not taken; the configuration in force stays and the problem is acknowledged', async () => {
    await publish('a')
    const source = open()
    await source.start()
    proxy.set('cut')
    await expect.poll(() => through.up()).toBe(false)
    await publish('a', 'b')
    const found = await direct.send('keys', [`sf:{${tenant}}:cfg:${gateway}:item:*`])
    for (const key of Array.isArray(found) ? found.map(String) : []) {
      const text = String(await direct.send('get', [key]))
      await direct.send('set', [key, text.replace('InternalUser', 'ProxyAdmin')])
    }
    proxy.set('through')
    await expect.poll(() => source.problem(), { timeout: 5000 }).toMatch(/not what its digest says/)
    expect(keysOf(source)).toEqual(['a'])
    await expect.poll(acknowledged).toMatchObject({ gen: '1', problem: expect.stringMatching(/digest/) })
  })

  test('a configuration signed by a stranger is not taken', async () => {
    await publish('a')
    const source = open()
    await source.start()
    const store = new RedisConfigStore({ redis: direct, gateway })
    const stranger = newSigningKeys()
    const writer = new Publisher({
      store,
      signer: signerOf(stranger.privateKey),
      verifier: verifierOf(stranger.publicKey),
    })
    expect(await writer.publish(compiled(tenant, 'evil'))).toMatchObject({ outcome: 'published' })
    await expect.poll(() => source.problem()).toMatch(/not signed by a key that this program trusts/)
    expect(keysOf(source)).toEqual(['a'])
  })
})
