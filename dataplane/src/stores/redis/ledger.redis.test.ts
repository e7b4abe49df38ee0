import { setTimeout as sleep } from 'node:timers/promises'
import { describe, inject } from 'vitest'
import { ledgerContract, type LedgerWorld } from '../../ports/ledger.contract.ts'
import { openRedis, type RedisConnection } from './connection.ts'
import { RedisLedger } from './ledger.ts'

const url = inject('redisUrl')
const LEASE_MS = 300

/** Each process has a connection of its own, as in life. */
const open = async (): Promise<LedgerWorld> => {
  const connections: RedisConnection[] = []
  const spare = Array.from({ length: 2 }, () => openRedis(url, { name: 'ledger' }))
  await Promise.all(spare.map(redis => redis.whenUp(2000)))
  return {
    ledger: () => {
      const redis = spare[connections.length % spare.length] ?? openRedis(url, { name: 'ledger' })
      connections.push(redis)
      return new RedisLedger({
        redis,
        process: 'contract',
        storeLoss: () => ({ budgets: 'FailClosed', rateLimits: 'FailClosed' }),
        leaseMs: LEASE_MS,
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
