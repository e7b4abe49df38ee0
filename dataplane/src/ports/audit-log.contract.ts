// What every audit log must do. Each adapter's test file calls `auditLogContract`.
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { AuditEntry, AuditLog, AuditQuery, AuditRecord } from './audit-log.ts'

/** A log, fresh for each test, and its end. */
export interface AuditLogWorld {
  readonly log: AuditLog
  end(): Promise<void>
}

/** A record of a plain successful call; `fields` say what is special about it. */
export function auditRecord(fields: Partial<AuditRecord>): AuditRecord {
  return {
    id: `call-${randomBytes(8).toString('hex')}`,
    at: Date.now(),
    tenant: 'tenant',
    key: 'app',
    team: 'team-a',
    user: 'someone',
    conversation: '',
    operation: 'chat',
    provider: 'mock',
    model: 'gpt-test',
    requestedModel: 'gpt-test',
    status: 200,
    outcome: 'complete',
    message: '',
    stream: false,
    promptTokens: 10,
    cachedPromptTokens: 0,
    completionTokens: 20,
    usageSource: 'reported',
    cost: 50,
    priced: true,
    cacheHit: '',
    cachePhase: '',
    cacheKey: '',
    tokensSaved: 0,
    costSaved: 0,
    durationMs: 12.5,
    upstreamMs: 10.25,
    attempts: [{ target: 'a', provider: 'mock', model: 'gpt-test', status: 200, ms: 10 }],
    policies: [],
    chain: '',
    tags: [],
    degraded: false,
    config: '1.1',
    ...fields,
  }
}

/** Registers the tests; `open` gives a fresh world for each. */
export function auditLogContract(name: string, open: () => Promise<AuditLogWorld>): void {
  describe(name, () => {
    let world: AuditLogWorld
    let log: AuditLog
    let tenant: string

    beforeEach(async () => {
      world = await open()
      log = world.log
      tenant = `audit-${randomBytes(6).toString('hex')}`
    })

    afterEach(() => world.end())

    const append = async (...records: Partial<AuditRecord>[]): Promise<AuditRecord[]> => {
      const whole = records.map(fields => auditRecord({ tenant, ...fields }))
      for (const record of whole) log.append(() => record, undefined)
      await log.drain(2000)
      return whole
    }

    const list = (query: Partial<AuditQuery> = {}): Promise<readonly AuditEntry[]> =>
      log.list({ tenant, limit: 100, offset: 0, provider: undefined, model: undefined, since: 0, ...query })

    const ids = async (query: Partial<AuditQuery> = {}): Promise<string[]> =>
      (await list(query)).map(({ record }) => record.id)

    test('lists what was appended, newest first, as it was', async () => {
      const records = await append({ id: 'a' }, { id: 'b', status: 429, message: 'höhere Gewalt' }, { id: 'c' })
      expect((await list()).map(({ record }) => record)).toEqual(records.toReversed())
      expect((await list())[0]?.content).toBeUndefined()
    })

    test('gives one record by its id, to its own tenant only', async () => {
      const [record] = await append({ id: 'a' }, { id: 'b' })
      expect((await log.get(tenant, 'a'))?.record).toEqual(record)
      expect(await log.get(tenant, 'x')).toBeUndefined()
      expect(await log.get(`${tenant}-other`, 'a')).toBeUndefined()
      expect(await list({ tenant: `${tenant}-other` })).toEqual([])
    })

    test('keeps a record once, however often it is appended', async () => {
      await append({ id: 'a' }, { id: 'b' }, { id: 'a', status: 500 })
      expect(await ids()).toEqual(['b', 'a'])
      expect((await log.get(tenant, 'a'))?.record.status).toBe(200)
    })

    test('pages by limit and offset', async () => {
      const records = await append(...Array.from({ length: 250 }, (_, at) => ({ id: `r${at}` })))
      const newest = records.map(({ id }) => id).toReversed()
      expect(await ids({ limit: 3 })).toEqual(newest.slice(0, 3))
      expect(await ids({ limit: 120, offset: 20 })).toEqual(newest.slice(20, 140))
      expect(await ids({ limit: 1000, offset: 240 })).toEqual(newest.slice(240))
      expect(await ids({ limit: 1000, offset: 250 })).toEqual([])
      expect(await ids({ limit: 0 })).toEqual([])
    })

    test('filters by provider, by model as asked for or as given, and by both', async () => {
      await append(
        { id: 'a', provider: 'one', model: 'm-2026', requestedModel: 'm' },
        { id: 'b', provider: 'two', model: 'm', requestedModel: 'm' },
        { id: 'c', provider: 'two', model: 'n', requestedModel: 'n' },
        { id: 'd', provider: 'one', model: 'm', requestedModel: 'm' },
      )
      expect(await ids({ provider: 'two' })).toEqual(['c', 'b'])
      expect(await ids({ model: 'm' })).toEqual(['d', 'b', 'a'])
      expect(await ids({ model: 'm-2026' })).toEqual(['a'])
      expect(await ids({ provider: 'one', model: 'm' })).toEqual(['d', 'a'])
      expect(await ids({ provider: 'one', model: 'm', limit: 1, offset: 1 })).toEqual(['a'])
      expect(await ids({ provider: 'three' })).toEqual([])
    })

    test('lists only what is not older than asked for', async () => {
      const now = Date.now()
      await append({ id: 'old', at: now - 60_000 }, { id: 'edge', at: now - 30_000 }, { id: 'new', at: now })
      expect(await ids({ since: now - 30_000 })).toEqual(['new', 'edge'])
      expect(await ids({ since: now + 60_000 })).toEqual([])
    })

    test('keeps content beside the record, short or long, whatever the bytes', async () => {
      const long = 'a long answer, '.repeat(3000)
      const contents = [
        { request: Buffer.from('{"q":"ä"}'), response: Buffer.from('short') },
        { request: Buffer.from(long), response: Buffer.from(long.toUpperCase()) },
        { request: Buffer.alloc(0), response: Buffer.from([0xff, 0x41]) },
      ]
      for (const [at, content] of contents.entries()) log.append(() => auditRecord({ tenant, id: `c${at}` }), content)
      await log.drain(2000)
      expect((await log.get(tenant, 'c0'))?.content).toEqual({ request: '{"q":"ä"}', response: 'short' })
      expect((await list()).map(({ content }) => content)).toEqual([
        { request: '', response: '\ufffdA' },
        { request: long, response: long.toUpperCase() },
        { request: '{"q":"ä"}', response: 'short' },
      ])
    })

    test('cuts a record that is too long, but never its id', async () => {
      const id = `call-${'x'.repeat(200)}`
      const attempt = { target: 't', provider: 'mock', model: 'm', status: 500, ms: 1, error: '💥'.repeat(3000) }
      await append({
        id,
        message: 'ü'.repeat(50_000),
        tags: Array(1000).fill('tag'),
        attempts: Array(50).fill(attempt),
      })
      const record = (await log.get(tenant, id))?.record
      expect(Buffer.byteLength(JSON.stringify(record))).toBeLessThanOrEqual(4096)
      expect(record).toMatchObject({ id, tenant, status: 200, cost: 50 })
      expect(record?.message.startsWith('üü')).toBe(true)
    })

    test('keeps the calls of strangers in a small log of their own', async () => {
      await append({ id: 'mine' })
      const stranger = `stranger-${tenant}`
      await append(...Array.from({ length: 30 }, (_, at) => ({ id: `${stranger}-${at}`, tenant: '', provider: '' })))
      expect(await ids()).toEqual(['mine'])
      const strangers = (await ids({ tenant: '', limit: 1000 })).filter(id => id.startsWith(stranger))
      expect(strangers.slice(0, 2)).toEqual([`${stranger}-29`, `${stranger}-28`])
    })

    test('makes each record once, and at once when it is told to', async () => {
      const made: string[] = []
      const record = (id: string): AuditRecord => {
        made.push(id)
        return auditRecord({ tenant, id })
      }
      log.append(() => record('a'), undefined)
      log.append(() => record('b'), undefined)
      log.fold()
      expect(made).toEqual(['a', 'b'])
      await log.drain(2000)
      expect(made).toEqual(['a', 'b'])
      expect(await ids()).toEqual(['b', 'a'])
    })

    test('waits for nothing and nobody when all is well', async () => {
      await append({})
      expect(log.health()).toEqual({ up: true, spooled: 0, lost: 0, strangersLost: 0, uncovered: 0 })
    })
  })
}
