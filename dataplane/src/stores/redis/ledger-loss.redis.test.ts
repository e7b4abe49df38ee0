// What the ledger on Redis does when answers, connections, time or the data itself are lost (design: When something is down).
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, inject, test, vi } from 'vitest'
import type { GatewaySettings } from '@smartflow/core/snapshot/items'
import type { Scope } from '../../exchange/limits.ts'
import type { Admission, Hold, HoldRefusal } from '../../ports/ledger.ts'
import { loadScript, openRedis, type RedisConnection } from './connection.ts'
import { RedisLedger, type RedisLedgerOptions } from './ledger.ts'
import { openTestProxy, type TestProxy } from './test-proxy.ts'

const url = inject('redisUrl')
const LEASE_MS = 400
/** A command without an answer has failed a third of this later, at most. */
const GIVE_UP_MS = 500
const OPEN_LOCALLY: GatewaySettings['storeLoss'] = { budgets: 'FailOpenLocal', rateLimits: 'Local' }

const daily = (amount: number, id = 'key:a'): Scope => ({
  id,
  budget: { amount, period: 'Daily' },
  rateLimit: undefined,
})
const atOnce = (concurrency: number): Scope => ({ id: 'key:a', budget: undefined, rateLimit: { concurrency } })

function held(admission: Admission): Hold {
  if ('hold' in admission) return admission.hold
  throw new Error(`refused: ${JSON.stringify(admission.refusal)}`)
}

function refused(admission: Admission): HoldRefusal {
  if ('refusal' in admission) return admission.refusal
  throw new Error('admitted')
}

describe.skipIf(url === '')('the ledger on a Redis that fails (skipped without a Redis)', () => {
  let tenant: string
  let proxy: TestProxy
  let direct: RedisConnection
  let through: RedisConnection
  let ledgers: RedisLedger[]
  let serial = 0

  beforeEach(async () => {
    tenant = `loss-${randomBytes(6).toString('hex')}`
    proxy = await openTestProxy(url)
    direct = openRedis(url, { name: 'onlooker', commandTimeoutMs: 5_000 })
    through = await connect(2_000)
    ledgers = []
    expect(await direct.whenUp(10_000)).toBe(true)
  })

  afterEach(async () => {
    await Promise.all(ledgers.map(ledger => ledger.close()))
    direct.close()
    through.close()
    await proxy.close()
  })

  const connect = async (commandTimeoutMs: number): Promise<RedisConnection> => {
    const redis = openRedis(proxy.url, { name: 'ledger', commandTimeoutMs })
    expect(await redis.whenUp(10_000)).toBe(true)
    return redis
  }

  /** For answers that never come. */
  const giveUpSoon = async (): Promise<void> => {
    through.close()
    through = await connect(GIVE_UP_MS)
  }

  const open = (redis: RedisConnection, options: Partial<RedisLedgerOptions> = {}): RedisLedger => {
    const ledger = new RedisLedger({
      redis,
      process: 'test',
      storeLoss: () => OPEN_LOCALLY,
      leaseMs: LEASE_MS,
      renewMs: 50,
      ...options,
    })
    ledgers.push(ledger)
    return ledger
  }

  const admit = (ledger: RedisLedger, scopes: Scope[], amount = 0, tokens = 0): Promise<Admission> =>
    ledger.admit({ tenant, id: `call-${serial++}`, scopes, amount, tokens })

  /** The tenant's keys of one kind. */
  const keys = async (kind: string): Promise<string[]> => {
    const found = await direct.send('keys', [`sf:{${tenant}}:led:${kind}:*`])
    return Array.isArray(found) ? found.map(String) : []
  }

  /** The figures of the only budget. */
  const books = async (): Promise<{ spent: number; held: number }> => {
    const [key = ''] = await keys('b')
    const figures = await direct.send('hmget', [key, 'spent', 'held'])
    return Array.isArray(figures)
      ? { spent: Number(figures[0] ?? 0), held: Number(figures[1] ?? 0) }
      : { spent: -1, held: -1 }
  }

  /** What a flush or a failover to an empty replica does to this tenant. */
  const forget = async (): Promise<void> => {
    const found = await direct.send('keys', [`sf:{${tenant}}:*`])
    if (Array.isArray(found) && found.length > 0) await direct.send('del', found.map(String))
  }

  const away = async (): Promise<void> => {
    proxy.set('cut')
    await expect.poll(() => through.up()).toBe(false)
  }

  const back = async (): Promise<void> => {
    proxy.set('through')
    expect(await through.whenUp(10_000)).toBe(true)
  }

  describe('answers that are lost', () => {
    test('a settlement whose answer was lost is charged once', async () => {
      await giveUpSoon()
      const ledger = open(through)
      const holds = await Promise.all(Array.from({ length: 20 }, () => admit(ledger, [daily(1e6)], 100)))
      proxy.set('deaf')
      for (const admission of holds) held(admission).settle({ cost: 70, tokens: 0 })
      await expect.poll(books).toEqual({ spent: 1400, held: 0 })
      await sleep(2 * GIVE_UP_MS)
      expect(ledger.health().waiting).toBe(20)
      await away()
      await back()
      await ledger.drain(10_000)
      expect(ledger.health()).toEqual({ up: true, waiting: 0, lost: 0 })
      expect(await books()).toEqual({ spent: 1400, held: 0 })
    })

    test('an admission whose answer was lost does not hold for ever', async () => {
      let skew = 0
      await giveUpSoon()
      const ledger = open(through, { now: () => Date.now() + skew })
      held(await admit(ledger, [daily(1e6)], 100)).settle({ cost: 0, tokens: 0 })
      await ledger.drain(10_000)
      proxy.set('deaf')
      expect(held(await admit(ledger, [daily(1e6)], 100)).degraded).toBe(true)
      expect(await books()).toEqual({ spent: 0, held: 100 })
      proxy.set('through')
      skew = 3100
      await expect.poll(books).toEqual({ spent: 0, held: 0 })
    })

    test('an admission that was abandoned and arrives late is not taken', async () => {
      await giveUpSoon()
      const ledger = open(through)
      proxy.set('silent')
      expect(held(await admit(ledger, [daily(1e6)], 100)).degraded).toBe(true)
      await sleep(1100)
      proxy.set('through')
      await sleep(300)
      expect(await keys('b')).toEqual([])
    })

    test('a settlement that comes twice, late on a connection that was given up, is charged once', async () => {
      const script = loadScript(new URL('./settle.lua', import.meta.url))
      const name = `sf:{${tenant}}:led:`
      const settle = (sequence: number, forced: number): Promise<unknown> =>
        direct.run(
          script,
          [`${name}p:process`, `${name}h:process`, `${name}b:budget`],
          [sequence, forced, 1, '1 0 10 1 0 id\n', '1 0 0 0'],
        )
      expect([await settle(1, 0), await settle(1, 0), await settle(1, 1)]).toEqual([0, 1, 1])
      expect([await settle(3, 0), await settle(3, 1), await settle(2, 0)]).toEqual([1, 1, 3])
      expect((await books()).spent).toBe(20)
    })

    test('settlements told again in other company are each charged once', async () => {
      const script = loadScript(new URL('./settle.lua', import.meta.url))
      const name = `sf:{${tenant}}:led:`
      const settle = (first: number, ...costs: number[]): Promise<unknown> => {
        const lines = costs.map((cost, at) => `1 0 ${cost} 1 0 call-${first + at}\n`).join('')
        const keys = [`${name}p:process`, `${name}h:process`, `${name}b:budget`]
        return direct.run(script, keys, [first, 0, costs.length, lines, '1 0 0 0'])
      }
      expect(await settle(1, 1, 10, 100)).toBe(0)
      expect(await settle(2, 10, 100, 1000, 10_000)).toBe(3)
      expect(await settle(4, 1000)).toBe(5)
      expect(await settle(7, 1e6)).toBe(5)
      expect((await books()).spent).toBe(11_111)
    })

    test('settlements interrupted again and again are each charged once', async () => {
      const ledger = open(through)
      let expected = 0
      for (let round = 0; round < 6; round++) {
        const holds = await Promise.all(Array.from({ length: 50 }, () => admit(ledger, [daily(1e9)], 1000)))
        for (const [at, admission] of holds.entries()) {
          held(admission).settle({ cost: at, tokens: 0 })
          expected += at
        }
        await new Promise(resolve => setImmediate(resolve))
        await away()
        await back()
        await ledger.drain(10_000)
      }
      expect(await books()).toEqual({ spent: expected, held: 0 })
    })
  })

  describe('settlements of a moment', () => {
    const told = (redis: RedisConnection): (() => number[]) => {
      const run = vi.spyOn(redis, 'run')
      return () => run.mock.calls.filter(([{ lua }]) => lua.includes('Tells movements')).map(call => Number(call[2][2]))
    }

    test('leave together, at most 64, without anybody asking', async () => {
      const ledger = open(direct)
      const counts = told(direct)
      const holds = await Promise.all(Array.from({ length: 150 }, () => admit(ledger, [daily(1e6)], 100)))
      for (const admission of holds) held(admission).settle({ cost: 7, tokens: 0 })
      await expect.poll(() => ledger.health().waiting).toBe(0)
      expect(counts()).toEqual([64, 64, 22])
      expect(await books()).toEqual({ spent: 1050, held: 0 })
    })

    test('make room for whoever asks next, though they did not leave yet', async () => {
      const ledger = open(direct)
      const counts = told(direct)
      const holds = await Promise.all([1, 2, 3].map(() => admit(ledger, [atOnce(3)])))
      for (const admission of holds.slice(1)) held(admission).settle({ cost: 0, tokens: 0 })
      expect(counts()).toEqual([])
      held(await admit(ledger, [atOnce(3)]))
      expect(counts()).toEqual([2])
    })

    test('that did not leave before a crash are lost, no others, and hold nothing for ever', async () => {
      const [doomed, other] = [open(through), open(direct)]
      const holds = await Promise.all(Array.from({ length: 10 }, () => admit(doomed, [daily(1e6)], 100)))
      for (const admission of holds.slice(0, 5)) held(admission).settle({ cost: 7, tokens: 0 })
      await doomed.drain(10_000)
      for (const admission of holds.slice(5)) held(admission).settle({ cost: 7, tokens: 0 })
      through.close()
      expect(await books()).toEqual({ spent: 35, held: 500 })
      await sleep(LEASE_MS + 50)
      held(await admit(other, [daily(1e6)], 0))
      expect(await books()).toEqual({ spent: 35, held: 0 })
    })

    test('one that meets a broken key is counted as lost and holds up no other', async () => {
      const ledger = open(direct)
      const [bad, good] = await Promise.all([
        admit(ledger, [daily(1e6, 'key:bad')], 100),
        admit(ledger, [daily(1e6)], 100),
      ])
      const broken = (await keys('b')).find(key => key.includes('key:bad')) ?? never()
      await direct.send('set', [broken, 'text'])
      held(bad).settle({ cost: 7, tokens: 0 })
      held(good).settle({ cost: 7, tokens: 0 })
      await ledger.drain(10_000)
      expect(ledger.health()).toEqual({ up: true, waiting: 0, lost: 2 })
      await direct.send('del', [broken])
      expect(await books()).toEqual({ spent: 7, held: 0 })
    })
  })

  describe('a store that is away', () => {
    test('budgets: a hundredth of what remained, a minute and a process; told when the store is back', async () => {
      const ledger = open(through, { now: () => Date.parse('2026-11-22T10:00:30Z') })
      held(await admit(ledger, [daily(1_000_000)], 1000)).settle({ cost: 0, tokens: 0 })
      held(await admit(ledger, [daily(1_000_000)], 100_000))
      await ledger.drain(10_000)
      await away()
      const local = await Promise.all(Array.from({ length: 11 }, () => admit(ledger, [daily(1_000_000)], 900)))
      expect(local.slice(0, 10).map(admission => held(admission).degraded)).toEqual(
        Array.from({ length: 10 }, () => true),
      )
      expect(refused(local[10] ?? local[0] ?? never())).toEqual({ what: 'unavailable', scope: 'key:a' })
      for (const admission of local.slice(0, 10)) held(admission).settle({ cost: 500, tokens: 0 })
      expect(ledger.health()).toMatchObject({ up: false, waiting: 1, lost: 0 })
      held(await admit(ledger, [daily(1_000_000)], 3000)).settle({ cost: 3000, tokens: 0 })
      await back()
      await ledger.drain(10_000)
      expect(await books()).toEqual({ spent: 8000, held: 100_000 })
    })

    test('a budget that the store was never asked about has a hundredth of its limit, at most a dollar', async () => {
      const ledger = open(through)
      await away()
      expect(refused(await admit(ledger, [daily(50_000)], 501)).what).toBe('unavailable')
      held(await admit(ledger, [daily(50_000)], 500))
      expect(refused(await admit(ledger, [daily(1e9, 'key:b')], 1_000_001)).what).toBe('unavailable')
      held(await admit(ledger, [daily(1e9, 'key:b')], 1_000_000))
    })

    test('lifetime budgets are refused, and all budgets where the gateway says FailClosed', async () => {
      const lifetime: Scope = { id: 'key:a', budget: { amount: 1e9, period: 'Lifetime' }, rateLimit: undefined }
      const open1 = open(through)
      const closed = open(through, { storeLoss: () => ({ budgets: 'FailClosed', rateLimits: 'Local' }) })
      await away()
      expect(refused(await admit(open1, [lifetime], 1))).toEqual({ what: 'unavailable', scope: 'key:a' })
      expect(refused(await admit(closed, [daily(1e9)], 1))).toEqual({ what: 'unavailable', scope: 'key:a' })
      held(await admit(closed, [atOnce(1)]))
    })

    test('rates are counted by this process alone, or refused', async () => {
      const limited: Scope = { id: 'key:a', budget: undefined, rateLimit: { rpm: 2, tpm: 1000, concurrency: 5 } }
      const now = Date.now()
      const ledger = open(through, { now: () => now })
      const closed = open(through, { storeLoss: () => ({ budgets: 'FailOpenLocal', rateLimits: 'FailClosed' }) })
      await away()
      held(await admit(ledger, [limited], 0, 600)).settle({ cost: 0, tokens: 10 })
      const hold = held(await admit(ledger, [limited], 0, 600))
      expect(hold).toMatchObject({ degraded: true, rates: [{ remaining: 0 }, { remaining: 390 }, { remaining: 4 }] })
      expect(refused(await admit(ledger, [limited], 0, 1)).what).toBe('requests')
      expect(refused(await admit(closed, [limited], 0, 1)).what).toBe('unavailable')
    })

    test('settlements beyond the bounded wait list are lost and counted', async () => {
      const ledger = open(through, { queueLimit: 3 })
      const holds = await Promise.all(Array.from({ length: 5 }, () => admit(ledger, [daily(1e6)], 10)))
      await away()
      for (const admission of holds) held(admission).settle({ cost: 5, tokens: 0 })
      expect(ledger.health()).toEqual({ up: false, waiting: 3, lost: 2 })
      await back()
      await ledger.drain(10_000)
      expect((await books()).spent).toBe(15)
    })
  })

  describe('a store that forgot', () => {
    test('is told the last movements and the live holds again, before anything new is believed', async () => {
      const ledger = open(through)
      const live = held(await admit(ledger, [daily(1e6)], 300))
      for (let i = 0; i < 10; i++) held(await admit(ledger, [daily(1e6)], 100)).settle({ cost: 50, tokens: 0 })
      await ledger.drain(10_000)
      await forget()
      await expect.poll(books).toEqual({ spent: 500, held: 300 })
      live.settle({ cost: 20, tokens: 0 })
      await ledger.drain(10_000)
      expect(await books()).toEqual({ spent: 520, held: 0 })
    })

    test('is not believed between the reconnection and the mending', async () => {
      const ledger = open(through)
      held(await admit(ledger, [daily(1e6)], 300))
      await away()
      const first = new Promise<Admission>(resolve => {
        through.onChange(up => up && resolve(admit(ledger, [daily(1e6)], 10)))
      })
      await back()
      expect(held(await first).degraded).toBe(true)
    })

    test('a settlement that meets the loss first mends it', async () => {
      const ledger = open(through, { renewMs: 60_000 })
      const live = held(await admit(ledger, [daily(1e6)], 300))
      for (let i = 0; i < 10; i++) held(await admit(ledger, [daily(1e6)], 100)).settle({ cost: 50, tokens: 0 })
      await ledger.drain(10_000)
      await forget()
      live.settle({ cost: 20, tokens: 0 })
      await expect.poll(books).toEqual({ spent: 520, held: 0 })
    })

    test('a process that the store forgot for being idle goes on, and nothing is closed', async () => {
      let [skew, looks] = [0, 0]
      const ledger = open(direct, { now: () => (looks++, Date.now() + skew) })
      held(await admit(ledger, [daily(1e6)], 100)).settle({ cost: 50, tokens: 0 })
      held(await admit(ledger, [daily(1e6)], 100)).settle({ cost: 50, tokens: 0 })
      await ledger.drain(10_000)
      ;[skew, looks] = [11_000, 0]
      await expect.poll(() => looks).toBeGreaterThanOrEqual(4) // two ticks: what was told is forgotten here too
      await direct.send('del', await keys('p'))
      held(await admit(ledger, [daily(1e6)], 100)).settle({ cost: 7, tokens: 0 })
      await ledger.drain(10_000)
      expect(await books()).toEqual({ spent: 107, held: 0 })
      expect(await direct.send('zscore', [`sf:{${tenant}}:led:procs`, '!'])).toBeNull()
    })

    test('closes again when it forgets again', async () => {
      const ledger = open(direct)
      held(await admit(ledger, [daily(1e6)], 100))
      for (let round = 0; round < 2; round++) {
        await direct.send('del', await keys('h'))
        const closure = async (): Promise<number> => {
          const score = await direct.send('zscore', [`sf:{${tenant}}:led:procs`, '!'])
          return -Number(score ?? 0)
        }
        await expect.poll(closure).toBeGreaterThan(Date.now())
        await sleep(LEASE_MS)
      }
    })

    test('closes the tenant for one lease, so that every process can say again what it holds', async () => {
      const leaseMs = 2_000
      const [ours, other] = [open(through, { leaseMs }), open(direct, { leaseMs })]
      held(await admit(ours, [daily(1e6)], 300))
      await forget()
      await expect.poll(books).toEqual({ spent: 0, held: 300 })
      const closed = held(await admit(other, [daily(1e6)], 10))
      expect(closed.degraded).toBe(true)
      closed.settle({ cost: 0, tokens: 0 })
      await sleep(leaseMs)
      expect(held(await admit(other, [daily(1e6)], 10)).degraded).toBe(false)
    })

    test('a reconnection alone closes nothing', async () => {
      const ledger = open(through)
      held(await admit(ledger, [daily(1e6)], 300))
      await away()
      await back()
      await expect.poll(async () => held(await admit(ledger, [daily(1e6)], 10)).degraded).toBe(false)
    })
  })

  describe('processes that stop', () => {
    test('one that paused beyond its lease says its holds again and charges them all the same', async () => {
      const [paused, other] = [open(through, { renewMs: 60_000 }), open(direct)]
      const hold = held(await admit(paused, [daily(1e6)], 300))
      await sleep(LEASE_MS + 50)
      held(await admit(other, [daily(1e6)], 10)).settle({ cost: 0, tokens: 0 })
      await other.drain(10_000)
      expect(await books()).toEqual({ spent: 0, held: 0 })
      hold.settle({ cost: 200, tokens: 0 })
      await paused.drain(10_000)
      expect(await books()).toEqual({ spent: 200, held: 0 })
      expect(held(await admit(other, [daily(1e6)], 10)).degraded).toBe(false)
    })

    test('one that paused beyond its lease does not sweep its own holds', async () => {
      const paused = open(through, { renewMs: 60_000 })
      held(await admit(paused, [daily(1e6)], 300))
      await sleep(LEASE_MS + 50)
      expect(held(await admit(paused, [daily(1e6)], 10)).budgets).toMatchObject([{ held: 310 }])
      expect(await books()).toEqual({ spent: 0, held: 310 })
    })

    test('a live process whose holds were swept takes them again', async () => {
      const [paused, other] = [open(through, { renewMs: 600 }), open(direct)]
      held(await admit(paused, [daily(1e6)], 300))
      await sleep(LEASE_MS + 50)
      held(await admit(other, [daily(1e6)], 10)).settle({ cost: 0, tokens: 0 })
      await expect.poll(books).toEqual({ spent: 0, held: 300 })
      expect(held(await admit(other, [daily(1e6)], 0)).degraded).toBe(false)
    })

    test('a crash with many holds is swept a part at a time', async () => {
      const [doomed, other] = [open(through), open(direct)]
      await Promise.all(Array.from({ length: 450 }, () => admit(doomed, [daily(1e6), atOnce(500)], 100)))
      await doomed.close()
      await sleep(LEASE_MS + 50)
      const left: number[] = []
      for (let i = 0; i < 4; i++) {
        held(await admit(other, [daily(1e6)], 0))
        left.push((await books()).held)
      }
      expect(left).toEqual([25_000, 5_000, 0, 0])
      expect(held(await admit(other, [atOnce(500)])).rates).toMatchObject([{ remaining: 499 }])
    })

    test('a thousand calls over three processes, one of them killed: no overspend, no phantom hold', async () => {
      const LIMIT = 100_000
      const third = openRedis(url, { name: 'third', commandTimeoutMs: 5_000 })
      expect(await third.whenUp(10_000)).toBe(true)
      const connections = [direct, through, third]
      const processes = connections.map(redis => open(redis))
      let most = 0
      let spent = 0
      const call = async (at: number): Promise<void> => {
        const process = at % 3
        const ledger = processes[process]
        if (ledger === undefined) return
        const admission = await admit(ledger, [daily(LIMIT), atOnce(1000)], 150)
        if ('refusal' in admission) return
        const [state] = admission.hold.budgets
        most = Math.max(most, (state?.spent ?? 0) + (state?.held ?? 0))
        await sleep(at % 20)
        if (process === 2 && at > 500) return
        spent += at % 150
        admission.hold.settle({ cost: at % 150, tokens: 0 })
      }
      await Promise.all(Array.from({ length: 1000 }, (_, at) => call(at)))
      await Promise.all(processes.map(ledger => ledger.drain(10_000)))
      await processes[2]?.close()
      await sleep(LEASE_MS + 50)
      held(await admit(processes[0] ?? never(), [daily(1e9)], 0))
      expect(most).toBeLessThanOrEqual(LIMIT)
      expect(await books()).toEqual({ spent, held: 0 })
      third.close()
    })
  })

  describe('clocks', () => {
    for (const days of [-3, 3]) {
      test(`a machine that is ${days} days off uses the store's windows`, async () => {
        const ledger = open(direct, { now: () => Date.now() + days * 86_400_000 })
        const hold = held(await admit(ledger, [daily(1e6)], 100))
        expect(hold.degraded).toBe(false)
        const tomorrow = Math.floor(Date.now() / 86_400_000 + 1) * 86_400_000
        expect(hold.budgets[0]?.resetAt).toBe(tomorrow)
      })
    }
  })

  describe('housekeeping', () => {
    test('every key of a window expires, two days after it', async () => {
      const ledger = open(direct)
      const scopes: Scope[] = [
        { id: 'key:a', budget: { amount: 1e6, period: 'Daily' }, rateLimit: { rpm: 10, tpm: 1e6, concurrency: 5 } },
      ]
      held(await admit(ledger, scopes, 100, 10)).settle({ cost: 10, tokens: 1000 })
      await ledger.drain(10_000)
      const tomorrow = Math.floor(Date.now() / 86_400_000 + 1) * 86_400_000
      const [budget = '', [rate = ''], [process = '']] = [(await keys('b'))[0], await keys('r'), await keys('p')]
      expect(await direct.send('pexpiretime', [budget])).toBe(tomorrow + 2 * 86_400_000)
      expect(await direct.send('pttl', [rate])).toBeGreaterThan(86_000_000)
      expect(await direct.send('pttl', [process])).toBeGreaterThan(86_000_000)
      expect(await keys('h')).toEqual([])
    })

    test('scopes without a limit leave no keys', async () => {
      const ledger = open(direct)
      const scope: Scope = { id: 'key:a', budget: undefined, rateLimit: undefined }
      held(await admit(ledger, [scope], 100, 10)).settle({ cost: 10, tokens: 1000 })
      await ledger.drain(10_000)
      expect(await direct.send('keys', [`sf:{${tenant}}:*`])).toEqual([])
    })

    test('a server that forgot the scripts gets them again, and nothing is charged twice', async () => {
      const ledger = open(direct)
      const holds = await Promise.all(Array.from({ length: 20 }, () => admit(ledger, [daily(1e6)], 100)))
      await direct.send('script', ['FLUSH'])
      for (const admission of holds) held(admission).settle({ cost: 7, tokens: 0 })
      await ledger.drain(10_000)
      expect(await books()).toEqual({ spent: 140, held: 0 })
    })
  })
})

function never(): never {
  throw new Error('not reached')
}
