// The configuration store goes away, is emptied, is rolled back, loses pieces: data planes serve on, statuses tell, and
// everything comes back by itself.
import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect } from 'vitest'
import { eventually } from '../e2e/gateway.ts'
import { Prober, everyPlane, servedBy } from './chaos-prober.ts'
import { gatewaySeen, TENANT, tenantAtWork, tenantSeen } from './chaos-tenant.ts'
import { allReady, create, endsAs, isGone, key, remove, tokenOf } from './chaos-world.ts'
import { test } from './cluster-test.ts'
import { condition, isSaid, see, startOperator, startPlane } from './stack.ts'

const held = tenantAtWork()
let prober: Prober

const newest = async (): Promise<{ epoch: number; generation: number }> => {
  const all = await Promise.all(held.planes.map(servedBy))
  const [first] = all.map(({ epoch, generation }) => ({ epoch: epoch ?? 0, generation: generation ?? 0 }))
  if (first === undefined) throw new Error('there are no planes')
  return first
}

/** Everything is Ready, as at first, and every plane serves what the AIGateway says. */
async function isWell(): Promise<void> {
  await allReady(held.world, { log: () => held.operator.log() })
  await eventually('every plane serves what is said', async () => {
    const config = (await gatewaySeen(held))?.status?.config
    const all = await Promise.all(held.planes.map(servedBy))
    return all.every(({ epoch, generation, digest, problem }) => {
      const same = epoch === config?.epoch && generation === config.generation && digest === config.digest
      return same && problem === null
    })
  })
}

/** Keys of one test; they go with it. */
const extra: string[] = []

async function newKey(name: string): Promise<string> {
  extra.push(name)
  await create(held.world, key(TENANT, name))
  return tokenOf(held.world, TENANT, name)
}

async function withRedis<T>(work: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(held.world.redisUrl)
  try {
    return await work(redis)
  } finally {
    redis.disconnect()
  }
}

describe('the configuration store', { timeout: 180_000 }, () => {
  beforeEach(async () => {
    prober = new Prober(() => held.planes)
    prober.watch(await tokenOf(held.world, TENANT, 'app'), await tokenOf(held.world, TENANT, 'web'))
  })
  afterEach(async () => {
    expect(await prober.stop()).toEqual([])
    for (const name of extra.splice(0)) {
      await remove(held.world, 'virtualkeys', name, TENANT)
      await isGone(held.world, TENANT, name)
    }
    await isWell()
    await endsAs(held.world, TENANT, held.calm)
  })

  test('is away: planes serve on, statuses say so and are not written over and over', async ({ cluster: _ }) => {
    const before = await newest()
    await held.world.redis.stop()
    await eventually('the AIGateway tells it', async () => {
      const seen = await gatewaySeen(held)
      return isSaid(seen, 'ConfigStoreReady', 'False', 'StoreUnavailable') && isSaid(seen, 'Programmed', 'Unknown')
    })
    await eventually('so does the tenant', async () =>
      isSaid(await tenantSeen(held), 'Programmed', 'Unknown', 'StoreUnavailable'),
    )
    const told = await Promise.all([gatewaySeen(held), tenantSeen(held)])
    // A key that comes meanwhile waits, and nothing is written again of what is known.
    const token = await newKey('late')
    await eventually('the key tells it too', async () => {
      const seen = await see(held.world.cluster, 'virtualkeys', 'late', TENANT)
      return condition(seen, 'Programmed')?.reason === 'StoreUnavailable'
    })
    const later = await Promise.all([gatewaySeen(held), tenantSeen(held)])
    expect(later.map(seen => seen?.metadata.resourceVersion)).toEqual(told.map(seen => seen?.metadata.resourceVersion))
    await everyPlane(held.planes, token, 401)
    await held.world.redis.restart()
    // It kept nothing: what comes now is above what the planes have.
    await everyPlane(held.planes, token, 200)
    const after = await newest()
    expect(after.epoch).toBeGreaterThan(before.epoch)
    expect(after.generation).toBeGreaterThan(before.generation)
  })

  test('is emptied: all of it is published again above what planes have, for new planes too', async ({
    cluster: _,
  }) => {
    const before = await newest()
    await withRedis(redis => redis.flushall())
    await eventually('it is published again', async () => (await newest()).epoch > before.epoch)
    const third = await startPlane(held.world, { ready: false })
    await everyPlane([third], await tokenOf(held.world, TENANT, 'app'), 200)
    await third.remove()
  })

  test('is rolled back: the next publication goes above what planes have', async ({ cluster: _ }) => {
    const dump = await withRedis(dumpOf)
    const token = await newKey('newer')
    await everyPlane(held.planes, token, 200)
    const before = await newest()
    prober.watch(token)
    await withRedis(redis => restore(redis, dump))
    await eventually('it is published above', async () => (await newest()).epoch > before.epoch)
    const third = await startPlane(held.world, { ready: false })
    await everyPlane([third], token, 200)
    await third.remove()
  })

  test('is rolled back while no operator runs', async ({ cluster: _ }) => {
    const dump = await withRedis(dumpOf)
    const token = await newKey('newest')
    await everyPlane(held.planes, token, 200)
    prober.watch(token)
    const before = await newest()
    await held.operator.stop()
    await withRedis(redis => restore(redis, dump))
    held.operator = await startOperator(held.world)
    await eventually('it is published above', async () => (await newest()).epoch > before.epoch, 60_000)
  })

  test('loses pieces: a plane that cannot start says so, and they are written again', async ({ cluster: _ }) => {
    await withRedis(async redis => {
      const pieces = await redis.keys(`sf:{${TENANT}}:cfg:${held.world.gateway}:*`)
      expect(pieces.length).toBeGreaterThan(3)
      await redis.del(...pieces)
    })
    const third = await startPlane(held.world, { ready: false })
    await everyPlane([third], await tokenOf(held.world, TENANT, 'app'), 200)
    await third.remove()
  })
})

type Dump = readonly (readonly [name: string, value: Buffer])[]

async function dumpOf(redis: Redis): Promise<Dump> {
  const names = (await redis.keys('sf:*')).filter(name => !name.startsWith('sf:ack:'))
  const values = await Promise.all(names.map(name => redis.dumpBuffer(name)))
  return names.flatMap((name, at): Dump => [[name, values[at] ?? Buffer.alloc(0)]])
}

/** As a failover to a replica that was behind, or a backup: all at once. */
async function restore(redis: Redis, dump: Dump): Promise<void> {
  const pipeline = redis.multi().flushall()
  for (const [name, value] of dump) pipeline.restore(name, 0, value)
  await pipeline.exec()
}
