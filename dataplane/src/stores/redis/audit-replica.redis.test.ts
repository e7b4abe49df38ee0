// What the audit log does where the store has a replica: nothing is forgotten before the replica has it (design: Redis lost).
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { hasRedisPair, type RedisPair, startRedisPair } from '../../../../test/redis-pair.ts'
import type { AuditRecord } from '../../ports/audit-log.ts'
import { auditRecord } from '../../ports/audit-log.contract.ts'
import { RedisAuditLog, type RedisAuditLogOptions } from './audit-log.ts'
import { openRedis, type RedisConnection } from './connection.ts'
import { openTestProxy, type TestProxy } from './test-proxy.ts'

const SOON = { timeout: 10_000, interval: 20 }

describe.skipIf(!(await hasRedisPair()))(
  'the audit log on a Redis with a replica (skipped without one of its own)',
  () => {
    let tenant: string
    let pair: RedisPair
    /** What the gateway is connected through; and the replica, to its primary. */
    let front: TestProxy
    let link: TestProxy
    let redis: RedisConnection
    let primary: RedisConnection
    let replica: RedisConnection
    let log: RedisAuditLog

    beforeEach(async () => {
      tenant = `replica-${randomBytes(6).toString('hex')}`
      pair = await startRedisPair()
      front = await openTestProxy(pair.primary.url)
      link = await openTestProxy(pair.primary.url)
      redis = openRedis(front.url, { name: 'audit', commandTimeoutMs: 2_000 })
      primary = openRedis(pair.primary.url, { name: 'onlooker', commandTimeoutMs: 5_000 })
      replica = openRedis(pair.replica.url, { name: 'onlooker', commandTimeoutMs: 5_000 })
      const all = [redis, primary, replica].map(connection => connection.whenUp(10_000))
      expect(await Promise.all(all)).toEqual([true, true, true])
    })

    afterEach(async () => {
      log?.close()
      for (const connection of [redis, primary, replica]) connection?.close()
      await Promise.all([front?.close(), link?.close(), pair?.end()])
    })

    const open = (options: Partial<RedisAuditLogOptions> = {}): void => {
      log = new RedisAuditLog({ redis, ...options })
    }

    const follow = async (): Promise<void> => {
      await replica.send('replicaof', ['127.0.0.1', new URL(link.url).port])
      await expect.poll(() => primary.send('info', ['replication']), SOON).toContain('state=online')
    }

    const promote = (): Promise<unknown> => replica.send('replicaof', ['no', 'one'])

    const append = (from: number, to: number, fields: Partial<AuditRecord> = {}): void => {
      const content = { request: Buffer.from('question'), response: Buffer.from('answer') }
      for (let at = from; at < to; at++) log.append(() => auditRecord({ tenant, id: `r${at}`, ...fields }), content)
    }

    const numbered = (from: number, to: number): string[] =>
      Array.from({ length: to - from }, (_, at) => `r${from + at}`)

    /** Ids in a server's log, oldest first, each as often as it is there. */
    const idsAt = async (server: RedisConnection): Promise<string[]> => {
      const entries = await server.send('xrange', [`sf:{${tenant}}:audit`, '-', '+'])
      return Array.isArray(entries) ? entries.map((entry: [string, string[]]) => String(entry[1][1])) : []
    }

    const settled = async (): Promise<void> => {
      await expect.poll(() => log.health().spooled, SOON).toBe(0)
    }

    const appends = async (): Promise<unknown> =>
      /cmdstat_evalsha:calls=(\d+)/.exec(String(await primary.send('info', ['commandstats'])))?.[1]

    const names = async (): Promise<string> => String(await primary.send('client', ['list']))

    test('a record leaves the spool when the replica has it, soon after the primary has', async () => {
      await follow()
      open()
      const soonest = await bestOf(3, 900, async round => {
        append(300 * round, 300 * (round + 1))
        await expect.poll(async () => (await idsAt(primary)).length, SOON).toBe(300 * (round + 1))
        const appendedAt = performance.now()
        await settled()
        const took = performance.now() - appendedAt
        expect(await idsAt(replica)).toEqual(numbered(0, 300 * (round + 1)))
        return took
      })
      expect(soonest).toBeLessThan(900) // by itself a replica acknowledges once a second
      expect(log.health()).toMatchObject({ lost: 0, uncovered: 0 })
    })

    test('where there is no replica it leaves with the answer, and no second connection is made', async () => {
      open()
      const soonest = await bestOf(3, 150, async round => {
        const from = performance.now()
        append(30 * round, 30 * (round + 1))
        await expect.poll(() => log.health().spooled, { ...SOON, interval: 2 }).toBe(0)
        const took = performance.now() - from
        expect(await idsAt(primary)).toEqual(numbered(0, 30 * (round + 1)))
        return took
      })
      expect(soonest).toBeLessThan(150)
      expect(await names()).not.toContain('audit-acks')
      expect(log.health().uncovered).toBe(0)
    })

    test('a replica that comes later is noticed', { timeout: 60_000 }, async () => {
      open()
      append(0, 3)
      await settled()
      await follow()
      link.set('deaf')
      let next = 3
      await expect
        .poll(
          () => {
            append(next, ++next)
            return log.health().spooled
          },
          { timeout: 20_000, interval: 100 },
        )
        .toBeGreaterThan(10)
      link.set('through')
      await settled()
      expect(await idsAt(replica)).toEqual(numbered(0, next))
      expect(await names()).toContain('audit-acks')
    })

    test('a replica that hangs keeps records in the spool until it goes on, and holds up nobody', async () => {
      await follow()
      open()
      const pid = pair.replica.pid ?? 0
      process.kill(pid, 'SIGSTOP')
      try {
        append(0, 100)
        await expect.poll(async () => (await idsAt(primary)).length, SOON).toBe(100)
        append(100, 200)
        await expect.poll(async () => (await idsAt(primary)).length, SOON).toBe(200)
        // Each round is long enough for a wait for the replica to begin, and such a wait takes 200 ms.
        const slowest = await bestOf(5, 150, () => longestWithin(600, () => redis.send('ping', [])))
        expect(slowest).toBeLessThan(150)
        expect(log.health()).toMatchObject({ up: true, spooled: 200, lost: 0, uncovered: 0 })
      } finally {
        process.kill(pid, 'SIGCONT')
      }
      await settled()
      expect(await idsAt(replica)).toEqual(numbered(0, 200))
      expect(log.health().uncovered).toBe(0)
    })

    for (const { how, part } of [
      { how: 'hangs on its way to the replica', part: async () => link.set('deaf') },
      { how: 'no longer goes to the replica, which was promoted already', part: promote },
    ]) {
      test(`a primary killed when a record ${how}: the replica takes over, and each record is there once`, async () => {
        await follow()
        open()
        append(0, 50)
        await settled()
        await part()
        append(50, 120)
        append(0, 7, { tenant: '' })
        await expect.poll(async () => (await idsAt(primary)).length, SOON).toBe(120)
        expect(log.health().spooled).toBe(77)
        expect(await idsAt(replica)).toEqual(numbered(0, 50))
        await pair.primary.stop('SIGKILL')
        await expect.poll(() => redis.up(), SOON).toBe(false)
        append(120, 130)
        link.set('cut')
        await promote()
        front.retarget(pair.replica.url)
        await settled()
        expect(sorted(await idsAt(replica))).toEqual(sorted(numbered(0, 130)))
        expect(await replica.send('xlen', ['sf:{-}:audit'])).toBe(7)
        expect(await replica.send('exists', [`sf:{${tenant}}:audit:c:r60`])).toBe(1)
        expect(log.health()).toEqual({ up: true, spooled: 0, lost: 0, strangersLost: 0, uncovered: 0 })
        append(130, 140)
        await settled()
        expect((await idsAt(replica)).length).toBe(140)
      })
    }

    test('a primary that changes places with its replica while the connection stays: what it forgets is told again', async () => {
      await follow()
      open()
      append(0, 10)
      await settled()
      link.set('deaf')
      append(10, 20)
      await expect.poll(async () => (await idsAt(primary)).length, SOON).toBe(20)
      await promote()
      front.retarget(pair.replica.url)
      await primary.send('replicaof', ['127.0.0.1', String(pair.replica.port)])
      await expect.poll(async () => (await idsAt(replica)).length, SOON).toBe(20)
      await settled()
      expect(await idsAt(primary)).toEqual(numbered(0, 20))
      expect(await idsAt(replica)).toEqual(numbered(0, 20))
      expect(log.health()).toMatchObject({ lost: 0, uncovered: 0 })
    })

    test('a connection that was only cut finds the same server: nothing is sent again, all is covered', async () => {
      await follow()
      open()
      link.set('deaf')
      append(0, 10)
      await expect.poll(() => idsAt(primary), SOON).toEqual(numbered(0, 10))
      const before = await appends()
      front.set('cut')
      await expect.poll(() => redis.up(), SOON).toBe(false)
      front.set('through')
      expect(await redis.whenUp(10_000)).toBe(true)
      link.set('through')
      await settled()
      expect(await idsAt(replica)).toEqual(numbered(0, 10))
      expect(await appends()).toBe(before)
    })

    test('a replica that never acknowledges does not stop the log: the oldest go uncovered, and are counted', async () => {
      await follow()
      open({ maxSpooled: 100 })
      link.set('deaf')
      for (let at = 0; at < 300; at += 30) {
        append(at, at + 30)
        await expect.poll(async () => (await idsAt(primary)).length, SOON).toBe(at + 30)
      }
      await expect.poll(() => log.health().spooled, SOON).toBeLessThanOrEqual(50)
      const { spooled, uncovered, lost } = log.health()
      expect([spooled + uncovered, lost]).toEqual([300, 0])
      link.set('through')
      await settled()
      expect(log.health().uncovered).toBe(uncovered)
    })
  },
)

function sorted(ids: readonly string[]): string[] {
  return ids.toSorted((a, b) => a.localeCompare(b))
}

/** The least of what `measure` gives in so many rounds, fewer when one gives less than is enough. */
async function bestOf(rounds: number, enough: number, measure: (round: number) => Promise<number>): Promise<number> {
  let best = Infinity
  for (let round = 0; round < rounds && best >= enough; round++) best = Math.min(best, await measure(round))
  return best
}

/** Acts again and again for so many milliseconds; gives those of the slowest. */
async function longestWithin(ms: number, act: () => Promise<unknown>): Promise<number> {
  const end = performance.now() + ms
  let longest = 0
  for (let from = performance.now(); from < end; from = performance.now()) {
    await act()
    longest = Math.max(longest, performance.now() - from)
  }
  return longest
}
