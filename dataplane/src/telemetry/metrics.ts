// Prometheus metrics (O01). Labels are bounded: configured providers and models, never users, keys or prompts.
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import type { ApiRoute } from '../exchange/route.ts'
import type { AuditLog, AuditRecord } from '../ports/audit-log.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { SnapshotSource } from '../ports/snapshot-source.ts'

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120]
const OVERHEAD_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5]
/** Model labels beyond this many become "other": a caller must not be able to make series. */
const MAX_MODELS = 500

/** What gauges look at when they are scraped. */
export interface MetricSources {
  readonly ledger: Ledger
  readonly audit: AuditLog
  readonly snapshots: SnapshotSource
  readonly version: string
}

/** What calls with the same labels came to so far. */
interface Tally {
  readonly labels: {
    readonly provider: string
    readonly model: string
    readonly status: string
    readonly outcome: string
  }
  calls: number
  unpriced: number
  input: number
  output: number
  cost: number
}

/** The registry of this process and its routes: open on the metrics port, for gateway admins on the proxy. */
export class Metrics {
  readonly #registry = new Registry()
  readonly #audit: AuditLog
  readonly #models = new Set<string>()
  /** Counted here at each call and told to the registry at each scrape: its counters cost more than the rest of a record. */
  readonly #tallies = new Map<string, Tally>()
  readonly #cacheResults = new Map<string, number>()
  readonly #attempts = new Map<string, number>()
  readonly #duration = this.#histogram(
    'smartflow_request_duration_seconds',
    'From the first byte of a call to the last of its answer',
    SECONDS,
  )
  readonly #overhead = this.#histogram(
    'smartflow_overhead_seconds',
    'What the gateway itself took of a whole (not streamed) call',
    OVERHEAD_SECONDS,
  )

  constructor(sources: MetricSources) {
    this.#audit = sources.audit
    collectDefaultMetrics({ register: this.#registry })
    this.#counters()
    this.#gauges(sources)
  }

  /** Counts one finished call. */
  observe(record: AuditRecord): void {
    const tally = this.#tally(record)
    tally.calls++
    if (!record.priced) tally.unpriced++
    tally.input += record.promptTokens
    tally.output += record.completionTokens
    tally.cost += record.cost
    this.#duration.observe(record.durationMs / 1_000)
    if (!record.stream) this.#overhead.observe(Math.max(0, record.durationMs - record.upstreamMs) / 1_000)
    for (const { provider, status } of record.attempts) addTo(this.#attempts, `${provider} ${status}`)
    if (record.cacheKey === '') return
    addTo(this.#cacheResults, record.cacheHit === '' ? 'miss' : `hit_${record.cacheHit}`)
  }

  /** `GET /metrics` on the metrics port (never exposed outside) and, with an admin key, on the proxy. */
  routes(): readonly ApiRoute[] {
    const open: ApiRoute = {
      kind: 'api',
      listeners: ['metrics'],
      method: 'GET',
      path: '/metrics',
      access: 'public',
      answer: async () => ({
        status: 200,
        body: await this.#text(),
        headers: { 'content-type': this.#registry.contentType },
      }),
    }
    return [open, { ...open, listeners: ['proxy'], access: 'gateway-admin' }]
  }

  #text(): Promise<string> {
    this.#audit.fold()
    return this.#registry.metrics()
  }

  #tally(record: AuditRecord): Tally {
    const { provider, outcome } = record
    const model = this.#label(record)
    const status = `${Math.floor(record.status / 100)}xx`
    const name = `${provider} ${status} ${outcome} ${model}`
    const known = this.#tallies.get(name)
    if (known) return known
    const tally = { labels: { provider, model, status, outcome }, calls: 0, unpriced: 0, input: 0, output: 0, cost: 0 }
    this.#tallies.set(name, tally)
    return tally
  }

  /** Refused names are the caller's invention and become "other". */
  #label({ requestedModel, attempts, cacheHit }: AuditRecord): string {
    if (attempts.length === 0 && cacheHit === '') return 'other'
    if (this.#models.has(requestedModel)) return requestedModel
    if (this.#models.size >= MAX_MODELS) return 'other'
    this.#models.add(requestedModel)
    return requestedModel
  }

  #counters(): void {
    const tallies = this.#tallies
    this.#counter(
      'smartflow_requests_total',
      'Calls by what became of them',
      ['provider', 'model', 'status', 'outcome'],
      add => {
        for (const { labels, calls } of tallies.values()) add(labels, calls)
      },
    )
    this.#counter('smartflow_tokens_total', 'Tokens that were paid for', ['provider', 'model', 'direction'], add => {
      for (const { labels, input, output } of tallies.values()) {
        if (input + output === 0) continue
        add({ ...pick(labels), direction: 'input' }, input)
        add({ ...pick(labels), direction: 'output' }, output)
      }
    })
    this.#counter('smartflow_cost_usd_total', 'Money spent, in dollars', ['provider', 'model'], add => {
      for (const { labels, cost } of tallies.values()) add(pick(labels), cost / 1_000_000)
    })
    const unpriced = 'Calls whose price is unknown: money that no budget sees'
    this.#counter('smartflow_unpriced_calls_total', unpriced, ['provider', 'model'], add => {
      for (const tally of tallies.values()) if (tally.unpriced > 0) add(pick(tally.labels), tally.unpriced)
    })
    this.#counter('smartflow_cache_requests_total', 'Calls that asked the cache', ['result'], add => {
      for (const [result, count] of this.#cacheResults) add({ result }, count)
    })
    this.#counter('smartflow_upstream_attempts_total', 'Attempts at providers', ['provider', 'status'], add => {
      for (const [name, count] of this.#attempts) {
        const [provider = '', status = ''] = name.split(' ')
        add({ provider, status }, count)
      }
    })
  }

  #gauges({ ledger, audit, snapshots, version }: MetricSources): void {
    this.#gauge('smartflow_store_up', 'The ledger store answers', () => Number(ledger.health().up))
    this.#gauge('smartflow_ledger_waiting', 'Settlements not yet told to the store', () => ledger.health().waiting)
    this.#gauge('smartflow_ledger_lost', 'Settlements lost: the bounded queue overflowed', () => ledger.health().lost)
    const spooled = 'Records that the store does not have yet, or none of its replicas'
    this.#gauge('smartflow_audit_spooled', spooled, () => audit.health().spooled)
    this.#gauge('smartflow_audit_lost', 'Records lost: the bounded spool overflowed', () => audit.health().lost)
    const strangers = 'Records of calls without a valid key lost: their own small spool overflowed'
    this.#gauge('smartflow_audit_strangers_lost', strangers, () => audit.health().strangersLost)
    const uncovered = 'Records in the store that no replica acknowledged in time'
    this.#gauge('smartflow_audit_uncovered', uncovered, () => audit.health().uncovered)
    const generation = 'Generation of the configuration in force'
    this.#gauge('smartflow_config_applied_generation', generation, () => snapshots.current()?.version.generation ?? 0)
    const problem = '1 when the newest publication is not served'
    this.#gauge('smartflow_config_problem', problem, () => Number(snapshots.problem() !== undefined))
    const info = { name: 'smartflow_build_info', help: 'Version of this process', labelNames: ['version'] }
    new Gauge({ ...info, registers: [this.#registry] }).set({ version }, 1)
  }

  #counter(name: string, help: string, labelNames: string[], tell: (add: Add) => void): void {
    const collect = function (this: Counter): void {
      this.reset()
      tell((labels, count) => this.inc(labels, count))
    }
    this.#registry.registerMetric(new Counter({ name, help, labelNames, registers: [], collect }))
  }

  #histogram(name: string, help: string, buckets: number[]): Histogram {
    return new Histogram({ name, help, buckets, registers: [this.#registry] })
  }

  #gauge(name: string, help: string, read: () => number): void {
    const collect = function (this: Gauge): void {
      this.set(read())
    }
    this.#registry.registerMetric(new Gauge({ name, help, registers: [], collect }))
  }
}

/** Adds to the counter's series of these labels. */
type Add = (labels: Record<string, string>, count: number) => void

function addTo(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}

function pick({ provider, model }: Tally['labels']): { provider: string; model: string } {
  return { provider, model }
}
