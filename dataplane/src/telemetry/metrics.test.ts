import { describe, expect, it } from 'vitest'
import { auditRecord } from '../ports/audit-log.contract.ts'
import type { AuditRecord } from '../ports/audit-log.ts'
import { Metrics } from './metrics.ts'

function metrics(fold = (): void => {}): { observe: (record: AuditRecord) => void; scrape: () => Promise<string> } {
  const health = { up: true, waiting: 2, lost: 0, spooled: 3, strangersLost: 4, uncovered: 5 }
  const sources = {
    ledger: { health: () => health },
    audit: { health: () => health, fold },
    snapshots: { current: () => undefined, problem: () => undefined },
    version: '1.2.3',
  }
  const built = new Metrics(sources as never)
  const [open] = built.routes()
  return {
    observe: record => built.observe(record),
    scrape: async () => {
      const answer = await open?.answer({} as never)
      return typeof answer?.body === 'string' ? answer.body : ''
    },
  }
}

describe('the metrics (O01)', () => {
  it('count calls, tokens, money and attempts, and say the same however often they are scraped', async () => {
    const { observe, scrape } = metrics()
    const attempt = { target: 't', provider: 'p', model: 'm', status: 200, ms: 10 }
    const record = auditRecord({
      provider: 'p',
      requestedModel: 'm',
      status: 200,
      outcome: 'complete',
      promptTokens: 10,
      completionTokens: 5,
      cost: 1_500_000,
      priced: true,
      cacheKey: 'k',
      cacheHit: '',
      attempts: [attempt],
    })
    observe(record)
    observe({ ...record, priced: false, cost: 0 })
    await scrape()
    const text = await scrape()
    expect(text).toContain('smartflow_requests_total{provider="p",model="m",status="2xx",outcome="complete"} 2')
    expect(text).toContain('smartflow_tokens_total{provider="p",model="m",direction="input"} 20')
    expect(text).toContain('smartflow_cost_usd_total{provider="p",model="m"} 1.5')
    expect(text).toContain('smartflow_unpriced_calls_total{provider="p",model="m"} 1')
    expect(text).toContain('smartflow_upstream_attempts_total{provider="p",status="200"} 2')
    expect(text).toContain('smartflow_cache_requests_total{result="miss"} 2')
    expect(text).toContain('smartflow_ledger_waiting 2')
    expect(text).toContain('smartflow_audit_spooled 3')
    expect(text).toContain('smartflow_audit_strangers_lost 4')
    expect(text).toContain('smartflow_audit_uncovered 5')
    expect(text).toContain('smartflow_build_info{version="1.2.3"} 1')
  })

  it('are of every call that was answered: records that wait to be made are made first', async () => {
    const { observe, scrape } = metrics(() => observe(auditRecord({ outcome: 'complete' })))
    expect(await scrape()).toMatch(/^smartflow_requests_total\{.*outcome="complete"\} 1$/m)
  })

  it('give a caller no way to make series: names that nobody serves are "other"', async () => {
    const { observe, scrape } = metrics()
    for (let name = 0; name < 50; name++)
      observe(auditRecord({ requestedModel: `made-up-${name}`, attempts: [], cacheHit: '', provider: '' }))
    expect(await scrape()).not.toContain('made-up')
  })
})
