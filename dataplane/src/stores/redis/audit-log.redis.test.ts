import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import type { AuditRecord } from '../../ports/audit-log.ts'
import { auditLogContract, auditRecord } from '../../ports/audit-log.contract.ts'
import { RedisAuditLog, type RedisAuditLogOptions } from './audit-log.ts'
import { openRedis, type RedisConnection } from './connection.ts'
import { openTestProxy, type TestProxy } from './test-proxy.ts'

const url = inject('redisUrl')

describe.skipIf(url === '')('on Redis (skipped without a Redis)', () => {
  auditLogContract('Redis audit log', async () => {
    const redis = openRedis(url, { name: 'audit', commandTimeoutMs: 5_000 })
    expect(await redis.whenUp(10_000)).toBe(true)
    const log = new RedisAuditLog({ redis })
    return {
      log,
      end: async () => {
        log.close()
        redis.close()
      },
    }
  })

  describe('beyond the contract', () => {
    let tenant: string
    let proxy: TestProxy
    let redis: RedisConnection
    let direct: RedisConnection
    let logs: RedisAuditLog[]

    beforeEach(async () => {
      tenant = `audit-${randomBytes(6).toString('hex')}`
      proxy = await openTestProxy(url)
      redis = await connect(2_000)
      direct = openRedis(url, { name: 'onlooker', commandTimeoutMs: 5_000 })
      logs = []
      expect(await direct.whenUp(10_000)).toBe(true)
    })

    afterEach(async () => {
      for (const log of logs) log.close()
      redis.close()
      direct.close()
      await proxy.close()
    })

    const connect = async (commandTimeoutMs: number): Promise<RedisConnection> => {
      const connection = openRedis(proxy.url, { name: 'audit', commandTimeoutMs })
      expect(await connection.whenUp(10_000)).toBe(true)
      return connection
    }

    const open = (options: Partial<RedisAuditLogOptions> = {}): RedisAuditLog => {
      const log = new RedisAuditLog({ redis, ...options })
      logs.push(log)
      return log
    }

    const append = (log: RedisAuditLog, from: number, to: number, fields: Partial<AuditRecord> = {}): void => {
      for (let at = from; at < to; at++) log.append(() => auditRecord({ tenant, id: `r${at}`, ...fields }), undefined)
    }

    const ids = async (log: RedisAuditLog): Promise<string[]> => {
      const query = { tenant, limit: 1000, offset: 0, provider: undefined, model: undefined, since: 0 }
      return (await log.list(query)).map(({ record }) => record.id)
    }

    const numbered = (from: number, to: number): string[] =>
      Array.from({ length: to - from }, (_, at) => `r${to - 1 - at}`)

    const away = async (): Promise<void> => {
      proxy.set('cut')
      await expect.poll(() => redis.up()).toBe(false)
    }

    const back = async (): Promise<void> => {
      proxy.set('through')
      expect(await redis.whenUp(10_000)).toBe(true)
    }

    const keys = async (pattern = '*'): Promise<string[]> => {
      const found = await direct.send('keys', [`sf:{${tenant}}:audit${pattern}`])
      return Array.isArray(found) ? found.map(String).sort() : []
    }

    test('keeps records while the store is away and tells them in order when it is back', async () => {
      const log = open()
      append(log, 0, 10)
      await log.drain(10_000)
      await away()
      append(log, 10, 500)
      expect(log.health()).toMatchObject({ up: false, spooled: 490, lost: 0 })
      await back()
      await log.drain(10_000)
      expect(log.health()).toEqual({ up: true, spooled: 0, lost: 0, strangersLost: 0, uncovered: 0 })
      expect(await ids(log)).toEqual(numbered(0, 500))
    })

    test('a record whose answer was lost is there once', async () => {
      redis.close()
      redis = await connect(500)
      const log = open()
      proxy.set('deaf')
      append(log, 0, 200)
      await expect.poll(() => redis.up()).toBe(false)
      expect(log.health().spooled).toBe(200)
      proxy.set('cut')
      await back()
      append(log, 200, 230)
      await log.drain(10_000)
      expect(await ids(log)).toEqual(numbered(0, 230))
    })

    test('lists and gives what this process appended just now, without a drain', async () => {
      const log = open()
      append(log, 0, 3)
      expect(await ids(log)).toEqual(numbered(0, 3))
      append(log, 3, 4)
      expect((await log.get(tenant, 'r3'))?.record.id).toBe('r3')
    })

    test('what this process appended appears to others within a moment, though nobody asks for it', async () => {
      const [log, other] = [open(), open({ redis: direct })]
      append(log, 0, 3)
      expect(log.health().spooled).toBe(3)
      await expect.poll(() => ids(other)).toEqual(numbered(0, 3))
      await expect.poll(() => log.health().spooled).toBe(0)
    })

    test('a process that stops between an append and its flush loses no more than that', async () => {
      const [log, other] = [open(), open({ redis: direct })]
      append(log, 0, 10)
      await log.drain(10_000)
      append(log, 10, 20)
      redis.close()
      expect(await ids(other)).toEqual(numbered(0, 10))
      expect(log.health().spooled).toBe(10)
    })

    test('records of several tenants appended together keep apart', async () => {
      const log = open()
      for (let at = 0; at < 30; at++) append(log, at, at + 1, { tenant: at % 3 === 0 ? `${tenant}-other` : tenant })
      await log.drain(10_000)
      expect(await ids(log)).toEqual(numbered(0, 30).filter(id => Number(id.slice(1)) % 3 !== 0))
    })

    test('what does not fit into the bounded spool is lost and counted; strangers use up only their part, and are counted apart', async () => {
      const log = open({ maxSpooled: 100 })
      await away()
      append(log, 0, 50, { tenant: '' })
      expect(log.health()).toEqual({ up: false, spooled: 5, lost: 0, strangersLost: 45, uncovered: 0 })
      append(log, 0, 130)
      expect(log.health()).toEqual({ up: false, spooled: 105, lost: 30, strangersLost: 45, uncovered: 0 })
      await back()
      await log.drain(10_000)
      expect(await ids(log)).toEqual(numbered(0, 100))
    })

    test('the spool is bounded by bytes too', async () => {
      const log = open({ maxSpooledBytes: 100_000, compressFromBytes: 1e9 })
      await away()
      const content = { request: Buffer.alloc(40_000), response: Buffer.alloc(0) }
      for (let at = 0; at < 5; at++) log.append(() => auditRecord({ tenant }), content)
      expect(log.health()).toMatchObject({ spooled: 2, lost: 3 })
    })

    test('trims the oldest with their indexes and their content', async () => {
      const log = open({ maxRecords: 50 })
      const content = { request: Buffer.from('q'), response: Buffer.from('a') }
      log.append(() => auditRecord({ tenant, id: 'first', model: 'rare', requestedModel: 'rare' }), content)
      append(log, 0, 200)
      await log.drain(10_000)
      const left = await ids(log)
      expect(left).toEqual(numbered(150, 200))
      expect(await log.get(tenant, 'first')).toBeUndefined()
      expect(await keys()).toEqual(['', ':ids', ':m:gpt-test', ':p:mock'].map(end => `sf:{${tenant}}:audit${end}`))
      expect(await direct.send('zcard', [`sf:{${tenant}}:audit:p:mock`])).toBe(50)
      expect(await direct.send('xlen', [`sf:{${tenant}}:audit`])).toBe(50)
    })

    test('trims in batches where there are many', async () => {
      const log = open({ maxRecords: 1000 })
      append(log, 0, 1400)
      await log.drain(10_000)
      const count = Number(await direct.send('zcard', [`sf:{${tenant}}:audit:ids`]))
      expect(count).toBeGreaterThanOrEqual(1000)
      expect(count).toBeLessThan(1010)
      for (const index of [':m:gpt-test', ':p:mock'])
        expect(await direct.send('zcard', [`sf:{${tenant}}:audit${index}`])).toBe(count)
      expect(await direct.send('xlen', [`sf:{${tenant}}:audit`])).toBe(count)
      expect(await ids(log)).toContain('r1399')
    })

    test('every key expires by itself', async () => {
      const log = open({ retentionDays: 2, contentDays: 1 })
      log.append(() => auditRecord({ tenant, id: 'a' }), { request: Buffer.from('q'), response: Buffer.from('a') })
      await log.drain(10_000)
      const all = await keys()
      expect(all).toHaveLength(5)
      for (const key of all) {
        const days = Math.ceil(Number(await direct.send('pttl', [key])) / 86_400_000)
        expect([key, days]).toEqual([key, key.endsWith(':c:a') ? 1 : 2])
      }
    })

    test('goes on behind the end of a log whose ids were removed', async () => {
      const log = open()
      append(log, 0, 3)
      await log.drain(10_000)
      await direct.send('xadd', [`sf:{${tenant}}:audit`, `${Date.now() + 5000}-7`, 'i', 'x', 'x', '', 'r', '{}'])
      await direct.send('del', [`sf:{${tenant}}:audit:ids`])
      append(log, 3, 6)
      await log.drain(10_000)
      expect(await ids(log)).toEqual(numbered(3, 6))
    })

    test('many records of one millisecond keep their order', async () => {
      const log = open()
      append(log, 0, 900)
      await log.drain(10_000)
      expect(await ids(log)).toEqual(numbered(0, 900))
    })
  })
})
