// Publishing to a real Redis: outcomes, what survives a restart, and what a store that lost something gets again.
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { configKeys } from '@smartflow/core/snapshot/keys'
import { newSigningKeys, signerOf, verifierOf } from '@smartflow/core/snapshot/signing'
import { testCompiled, testKey, testTenant } from '@smartflow/core/snapshot/test-world'
import { Acks } from './acks.ts'
import { evictionProblem } from './eviction.ts'
import { Publication, type PublicationOptions } from './publication.ts'
import { StoreAway, StoreConnection } from './redis.ts'

const url = inject('redisUrl')
const keys = newSigningKeys()
const signing = { signer: signerOf(keys.privateKey), verifier: verifierOf(keys.publicKey) }

describe.skipIf(url === '')('the operator and its store (skipped without a Redis)', () => {
  let redis: StoreConnection
  let gateway: string
  let tenant: string
  let time: number

  beforeEach(async () => {
    const mark = randomBytes(6).toString('hex')
    gateway = `gateway-${mark}`
    tenant = `tenant-${mark}`
    time = Date.now()
    redis = new StoreConnection({ url, name: 'operator' })
    expect(await redis.whenUp(5_000)).toBe(true)
  })
  afterEach(() => redis.close())

  const publicationOf = (change: Partial<PublicationOptions> = {}): Publication =>
    new Publication({
      redis,
      gateway,
      ...signing,
      now: () => time,
      failed: (message, error) => {
        throw new Error(message, { cause: error })
      },
      ...change,
    })
  const worldOf = (...at: number[]) => {
    const items = at.map(each => testKey(tenant, each))
    return testCompiled({ [tenant]: testTenant(tenant, items) })
  }
  const acksOf = (): Acks => new Acks({ redis, gateway, now: () => time })
  const acknowledge = async (pod: string, fields: Record<string, string | number>): Promise<void> => {
    const [seconds] = (await redis.send('time', [])) as string[]
    const all = { boot: 'b', digest: 'd', schema: 3, version: '1', at: Number(seconds) * 1_000, ...fields }
    await redis.send('hset', [configKeys.ack(gateway, pod), ...Object.entries(all).flat()])
  }
  /** Every key of this test. */
  const lose = async (): Promise<void> => {
    for (const pattern of [`sf:cfg:{${gateway}}:*`, `sf:{${tenant}}:*`]) {
      const found = (await redis.send('keys', [pattern])) as string[]
      if (found.length > 0) await redis.send('del', found)
    }
  }

  test('a publication says the digest of every item', async () => {
    const publication = publicationOf()
    const first = await publication.publish(worldOf(1))
    expect(first).toMatchObject({ outcome: 'published', version: { epoch: 1, generation: 1 } })
    expect([...first.inForce.keys()]).toContain(`${tenant} VirtualKey apps/key-00001`)
    expect(first.inForce).toEqual(first.wanted)
    const second = await publication.publish(worldOf(1))
    expect(second).toMatchObject({ outcome: 'unchanged', version: { epoch: 1, generation: 1 } })
    expect(second.inForce).toEqual(first.inForce)
  })

  test('a store that does not answer for once takes nothing back: what is wanted and in force is so still', async () => {
    let away = false
    const asks = <T>(ask: () => Promise<T>): Promise<T> => (away ? Promise.reject(new StoreAway('too slow')) : ask())
    const publication = publicationOf({
      redis: {
        send: (command, args) => asks(() => redis.send(command, args)),
        run: (script, names, args) => asks(() => redis.run(script, names, args)),
      },
    })
    const { version } = await publication.publish(worldOf(1))
    away = true
    expect(await publication.publish(worldOf(1))).toMatchObject({ outcome: 'unavailable', upToDate: true, version })
    const since = time
    time += 1_000
    const unavailable = { outcome: 'unavailable', upToDate: false, version }
    expect(await publication.publish(worldOf(2))).toMatchObject({ ...unavailable, since })
    away = false
    expect(await publication.publish(worldOf(2))).toMatchObject({ outcome: 'published', upToDate: true })
    away = true
    time += 1_000
    expect(await publication.publish(worldOf(2))).toMatchObject({ outcome: 'unavailable', since: time })
  })

  test('calls that overlap run in turn', async () => {
    const publication = publicationOf()
    const outcomes = await Promise.all([1, 2, 3].map(at => publication.publish(worldOf(at))))
    expect(outcomes.map(({ version }) => version?.generation)).toEqual([1, 2, 3])
  })

  test('a publication that is held back tells what is wanted and what is in force, and goes through the second time', async () => {
    const publication = publicationOf()
    const many = Array.from({ length: 20 }, (_, at) => at)
    await publication.publish(worldOf(...many))
    const held = await publication.publish(worldOf(1))
    expect(held).toMatchObject({ outcome: 'held', few: false, version: { generation: 1 } })
    expect([held.wanted.size, held.inForce.size]).toEqual([6, 25])
    expect(await publication.publish(worldOf(1))).toMatchObject({ outcome: 'published' })
  })

  test('what is in force is told after a start too, while a publication is held back', async () => {
    const { version, inForce } = await publicationOf().publish(worldOf(...Array.from({ length: 20 }, (_, at) => at)))
    const restarted = publicationOf()
    for (let look = 0; look < 2; look++) {
      expect(await restarted.publish(worldOf(1))).toMatchObject({ outcome: 'held', version, inForce })
      restarted.unconfirmed()
    }
    await lose()
    const other = publicationOf({ remembered: { epoch: 4, generation: 20 } })
    expect(await other.publish(worldOf(1))).toMatchObject({ outcome: 'published', version: { generation: 21 } })
  })

  test('the first publication since a start removes nothing without a second look', async () => {
    await publicationOf().publish(worldOf(1, 2))
    const restarted = publicationOf()
    expect(await restarted.publish(worldOf(1))).toMatchObject({ outcome: 'held', few: true })
    expect(await restarted.publish(worldOf(1))).toMatchObject({ outcome: 'published' })
    expect(await restarted.publish(worldOf(2))).toMatchObject({ outcome: 'published' })
  })

  test('a second operator takes over for good', async () => {
    const first = publicationOf()
    await first.publish(worldOf(1))
    await publicationOf().publish(worldOf(1, 2))
    expect(await first.publish(worldOf(3))).toMatchObject({ outcome: 'stale' })
    expect(await first.publish(worldOf(3))).toMatchObject({ outcome: 'stale' })
    expect(await first.collect()).toBe(0)
  })

  test('what AIGateway.status remembers is never published below, even in an empty store', async () => {
    const publication = publicationOf({ remembered: { epoch: 4, generation: 20 } })
    expect(await publication.publish(worldOf(1))).toMatchObject({ version: { epoch: 5, generation: 21 } })
    await lose()
    expect(await publication.publish(worldOf(1))).toMatchObject({ version: { epoch: 6, generation: 22 } })
  })

  test('pods that are ahead of a store that was rolled back make the next publication go above them', async () => {
    const publication = publicationOf()
    await publication.publish(worldOf(1))
    await acknowledge('pod-1', { epoch: 1, gen: 1 })
    expect(publication.notice((await acksOf().read(['pod-1'])).values())).toBe(false)
    await acknowledge('pod-2', { epoch: 3, gen: 8 })
    const acks = await acksOf().read(['pod-1', 'pod-2'])
    expect(publication.notice(acks.values())).toBe(true)
    expect(await publication.publish(worldOf(1))).toMatchObject({
      outcome: 'published',
      version: { epoch: 4, generation: 9 },
    })
    expect(publication.notice(acks.values())).toBe(false)
  })

  test('a pod that claims what cannot be is not believed', async () => {
    const publication = publicationOf()
    await publication.publish(worldOf(1))
    await acknowledge('pod-1', { epoch: Number.MAX_SAFE_INTEGER, gen: 1 })
    await acknowledge('pod-2', { epoch: '9'.repeat(30), gen: 1 })
    const acks = await acksOf().read(['pod-1', 'pod-2'])
    expect([...acks.keys()]).toEqual(['pod-1'])
    expect(publication.notice(acks.values())).toBe(false)
  })

  test('a piece that the store lost comes back once pods complain', async () => {
    const publication = publicationOf()
    await publication.publish(worldOf(1))
    const [item = ''] = (await redis.send('keys', [`sf:{${tenant}}:*:item:*`])) as string[]
    await redis.send('del', [item])
    publication.distrust()
    expect(await publication.publish(worldOf(1))).toMatchObject({ outcome: 'published' })
    expect(await redis.send('exists', [item])).toBe(1)
  })

  test('old configuration is removed by the way, never what is in force', async () => {
    const publication = publicationOf()
    for (let at = 0; at < 25; at++) await publication.publish(worldOf(at))
    // Everything was written two hours ago.
    const index = configKeys.tenantIndex(gateway, tenant)
    for (const member of (await redis.send('zrange', [index, 0, -1])) as string[]) {
      await redis.send('zadd', [index, time - 7_200_000, member])
    }
    time += 600_000
    await publication.publish(worldOf(24))
    await publication.publish(worldOf(24))
    expect(await redis.send('keys', [`sf:{${tenant}}:*:item:*`])).toHaveLength(5 + 20)
    // Looked at piece by piece: nothing that is in force is missing.
    publication.distrust()
    expect(await publication.publish(worldOf(24))).toMatchObject({ outcome: 'unchanged' })
  })

  test('acknowledgements are read by pod, in the time of this process', async () => {
    time = 5_000_000
    await acknowledge('pod-1', { epoch: 2, gen: 3, problem: 'an item is missing' })
    await redis.send('hset', [configKeys.ack(gateway, 'pod-2'), 'epoch', 'x'])
    const acks = await acksOf().read(['pod-1', 'pod-2', 'pod-3'])
    expect([...acks.keys()]).toEqual(['pod-1'])
    const ack = acks.get('pod-1')
    expect(ack).toMatchObject({ epoch: 2, generation: 3, problem: 'an item is missing', bootId: 'b', schema: 3 })
    expect(time - (ack?.at ?? 0)).toBeLessThan(5_000)
    await acknowledge('pod-1', { problem: '' })
    expect((await acksOf().read(['pod-1'])).get('pod-1')?.problem).toBeUndefined()
    expect(await acksOf().read([])).toEqual(new Map())
  })

  test('a pod that acknowledges is heard at once', async () => {
    const heard: string[] = []
    redis.subscribe(configKeys.ackNotify(gateway), pod => heard.push(pod))
    await expect
      .poll(async () => {
        await redis.send('publish', [configKeys.ackNotify(gateway), 'pod-1'])
        return heard
      })
      .toContain('pod-1')
  })

  test('a wrong argument is an error of the caller, not an absence', async () => {
    await expect(redis.send('get', [])).rejects.toThrow('wrong number of arguments')
    expect(redis.up()).toBe(true)
  })
})

describe('a store that throws configuration away', () => {
  const answering = (info: string) => ({ send: async () => info, run: async () => null })

  test.each([
    ['allkeys-lru', true],
    ['allkeys-random', true],
    ['noeviction', false],
    ['volatile-ttl', false],
  ])('is recognized by its policy %s', async (policy, unsafe) => {
    const info = `# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:${policy}\r\n`
    const problem = await evictionProblem(answering(info))
    expect(problem?.includes(policy) ?? false).toBe(unsafe)
  })

  test('is not suspected when it does not tell', async () => {
    const refused = Object.assign(new Error('NOPERM'), { name: 'ReplyError' })
    expect(await evictionProblem({ send: () => Promise.reject(refused), run: async () => null })).toBeUndefined()
    await expect(
      evictionProblem({ send: () => Promise.reject(new StoreAway('gone')), run: async () => null }),
    ).rejects.toThrow(StoreAway)
  })
})

describe('a store that is away', () => {
  test('fails calls at once, is an outcome of publishing, and never an empty answer', async () => {
    const redis = new StoreConnection({ url: 'redis://user:hush@127.0.0.1:1', name: 'operator' })
    const publication = new Publication({ redis, gateway: 'g', ...signing, now: Date.now, failed: () => undefined })
    const outcome = await publication.publish(testCompiled({ red: testTenant('red') }))
    expect(outcome).toMatchObject({ outcome: 'unavailable', version: undefined })
    expect(outcome.wanted.size).toBe(5)
    expect(outcome.inForce.size).toBe(0)
    expect(JSON.stringify(outcome)).not.toContain('hush')
    await expect(new Acks({ redis, gateway: 'g', now: Date.now }).read(['pod'])).rejects.toThrow(StoreAway)
    expect(redis.up()).toBe(false)
    redis.close()
  })
})
