import { expect, test } from 'vitest'
import { ledgerContract } from '../../ports/ledger.contract.ts'
import { MemoryLedger, MemoryLedgerStore } from './ledger.ts'

const open = async () => {
  let now = Date.parse('2026-11-22T10:00:00Z')
  const store = new MemoryLedgerStore(() => now)
  return {
    ledger: (leaseMs = 300) => new MemoryLedger({ store, leaseMs }),
    pass: async (ms: number) => void (now += ms),
    leaseMs: 300,
    end: async () => {},
  }
}

ledgerContract('memory ledger', open, { runs: 200 })

test('a new window starts empty, and what is settled late is charged to the window of its hold', async () => {
  let now = Date.parse('2026-11-22T23:59:59Z')
  const ledger = new MemoryLedger({ store: new MemoryLedgerStore(() => now) })
  const scopes = [{ id: 'key:a', budget: { amount: 100, period: 'Daily' as const }, rateLimit: undefined }]
  const ask = async () => ledger.admit({ tenant: 't', id: String(now), scopes, amount: 100, tokens: 0 })
  const first = await ask()
  now += 1000
  const second = await ask()
  if ('refusal' in first || 'refusal' in second) throw new Error('refused')
  first.hold.settle({ cost: 80, tokens: 0 })
  expect(second.hold.budgets).toMatchObject([{ spent: 0, held: 100, resetAt: Date.parse('2026-11-24T00:00:00Z') }])
})
