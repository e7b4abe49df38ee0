// Health routes (O08). Liveliness: the process answers. Readiness: it has a configuration and is not draining.
import type { ApiRoute, ListenerName } from '../exchange/route.ts'
import type { AuditLog } from '../ports/audit-log.ts'
import { type CacheStats, NO_CACHE_COUNTERS } from '../ports/cache-stats.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { ProviderStats } from '../ports/provider-stats.ts'
import type { ResponseCache } from '../ports/response-cache.ts'
import type { SnapshotSource } from '../ports/snapshot-source.ts'
import { cacheStatsOf } from './metacache.ts'

const EVERYWHERE: readonly ListenerName[] = ['proxy', 'management', 'metrics']

/** What the health routes look at. */
export interface HealthSources {
  readonly snapshots: SnapshotSource
  readonly ledger: Ledger
  readonly audit: AuditLog
  readonly cacheStats: CacheStats
  readonly memoryCache: ResponseCache
  readonly providers: ProviderStats
  readonly version: string
  /** Random a process start, and the pod where there is one: as acknowledged. */
  readonly boot: string
  readonly podUid: string | undefined
  /** True from the moment the process was asked to stop. */
  readonly draining: () => boolean
  readonly now: () => number
}

/** Liveliness and readiness on every port, the comprehensive view on management, the served configuration on the metrics port. */
export function healthRoutes(sources: HealthSources): readonly ApiRoute[] {
  const startedAt = sources.now()
  const live: ApiRoute = {
    kind: 'api',
    listeners: EVERYWHERE,
    method: 'GET',
    path: '/health',
    access: 'public',
    answer: () => ({ status: 200, body: { status: 'ok' } }),
  }
  const ready: ApiRoute = { ...live, path: '/health/readiness', answer: () => readiness(sources) }
  return [
    live,
    { ...live, path: '/health/liveliness' },
    ready,
    { ...ready, listeners: ['metrics'], path: '/readyz' },
    { ...live, listeners: ['metrics'], path: '/livez' },
    {
      ...live,
      listeners: ['metrics'],
      path: '/-/config',
      answer: () => ({
        status: 200,
        body: { ...configurationOf(sources), boot: sources.boot, podUid: sources.podUid ?? null },
      }),
    },
    {
      kind: 'api',
      listeners: ['management'],
      method: 'GET',
      path: '/api/health/comprehensive',
      access: 'tenant-admin',
      answer: async ({ presented }) => ({
        status: 200,
        body: await comprehensive(sources, startedAt, presented?.tenant.item.name ?? ''),
      }),
    },
  ]
}

function readiness({ snapshots, draining }: HealthSources): { status: number; body: object } {
  if (draining()) return { status: 503, body: { status: 'draining' } }
  if (!snapshots.current())
    return { status: 503, body: { status: 'waiting', reason: snapshots.problem() ?? 'no configuration yet' } }
  return { status: 200, body: { status: 'ready' } }
}

function configurationOf({ snapshots }: HealthSources): object {
  const snapshot = snapshots.current()
  return {
    epoch: snapshot?.version.epoch ?? null,
    generation: snapshot?.version.generation ?? null,
    digest: snapshot?.version.digest ?? null,
    problem: snapshots.problem() ?? null,
  }
}

async function comprehensive(sources: HealthSources, startedAt: number, tenant: string): Promise<object> {
  const ledger = sources.ledger.health()
  const audit = sources.audit.health()
  const problem = sources.snapshots.problem()
  // Not by what strangers do, nor by records that are in the store: neither may make a gateway unhealthy for good.
  const healthy = ledger.up && audit.up && ledger.lost === 0 && audit.lost === 0 && problem === undefined
  return {
    status: healthy ? 'healthy' : 'degraded',
    uptime_seconds: Math.floor((sources.now() - startedAt) / 1_000),
    version: sources.version,
    timestamp: new Date(sources.now()).toISOString(),
    providers: sources.providers.list(),
    cache: await cacheOf(sources, tenant),
    ledger: { up: ledger.up, waiting: ledger.waiting, lost: ledger.lost },
    audit: {
      up: audit.up,
      spooled: audit.spooled,
      lost: audit.lost,
      strangers_lost: audit.strangersLost,
      uncovered: audit.uncovered,
    },
    configuration: configurationOf(sources),
  }
}

/** Statistics of the store, or what this process knows when the store is away: health never fails because something is down. */
async function cacheOf({ cacheStats, memoryCache }: HealthSources, tenant: string): Promise<object> {
  try {
    return { ...(await cacheStatsOf(await cacheStats.read(tenant), memoryCache)), available: true }
  } catch {
    return { ...(await cacheStatsOf(NO_CACHE_COUNTERS, memoryCache)), available: false }
  }
}
