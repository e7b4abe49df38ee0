import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, inject } from 'vitest'
import { ledgerContract, type LedgerWorld } from '../../ports/ledger.contract.ts'
import { openRedis, type RedisConnection } from './connection.ts'
import { RedisLedger } from './ledger.ts'

const url = inject('redisUrl')
const LEASE_MS = 300

/** Each process has a connection of its own, as in life. */
const open = async (): Promise<LedgerWorld> => {
  const connections: RedisConnection[] = []
  const connect = (): RedisConnection => openRedis(url, { name: 'ledger', commandTimeoutMs: 5_000 })
  const spare = [connect(), connect()]
  expect(await Promise.all(spare.map(redis => redis.whenUp(10_000)))).toEqual([true, true])
  return {
    ledger: (leaseMs = LEASE_MS) => {
      const redis = spare[connections.length % spare.length] ?? connect()
      connections.push(redis)
      return new RedisLedger({
        redis,
        process: 'contract',
        storeLoss: () => ({ budgets: 'FailClosed', rateLimits: 'FailClosed' }),
        leaseMs,
        renewMs: 50,
      })
    },
    pass: ms => sleep(ms),
    leaseMs: LEASE_MS,
    end: async () => spare.forEach(redis => redis.close()),
  }
}

describe.skipIf(url === '')('on Redis (skipped without a Redis)', () => {
  ledgerContract('Redis ledger', open, { runs: 12 })
})
