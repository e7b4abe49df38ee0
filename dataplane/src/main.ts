// The data plane's wiring: environment → settings → ports → pipeline → listeners. Nothing else knows which store is used.
import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { Publisher } from '@smartflow/core/snapshot/publish'
import { RedisConfigStore } from '@smartflow/core/snapshot/redis-config-store'
import { signerOf, verifierOf } from '@smartflow/core/snapshot/signing'
import { demoEgress } from './demo/demo.ts'
import { undiciEgress } from './egress/undici.ts'
import type { ListenerName, Route } from './exchange/route.ts'
import { prices } from './llm/prices.ts'
import { resolver } from './llm/resolver.ts'
import { llmRoutes } from './llm/routes.ts'
import { LazyTokens } from './llm/tokens.ts'
import { llmUpstream } from './llm/upstream.ts'
import { healthRoutes } from './manage/health.ts'
import { metacacheRoutes } from './manage/metacache.ts'
import { vasLogRoutes } from './manage/vas-logs.ts'
import { pipeline } from './pipeline.ts'
import { guardrails } from './policies/guardrails.ts'
import type { Gateway } from './ports/gateway.ts'
import type { Door } from './server/answer.ts'
import { type Listener, listen } from './server/server.ts'
import { readSettings, type Settings } from './settings.ts'
import { recordAtDoor } from './stages/audit/door.ts'
import { Standalone } from './standalone.ts'
import { ensureKeys, openStateDir, readKeys, readTenantKeys } from './state.ts'
import { MemoryResponseCache } from './stores/memory/response-cache.ts'
import { Acknowledgement } from './stores/redis/acknowledgement.ts'
import { RedisAuditLog } from './stores/redis/audit-log.ts'
import { RedisCacheStats } from './stores/redis/cache-stats.ts'
import { configPlace } from './stores/redis/config-place.ts'
import { openRedis } from './stores/redis/connection.ts'
import { RedisLedger } from './stores/redis/ledger.ts'
import { RedisResponseCache } from './stores/redis/response-cache.ts'
import { RedisSnapshotSource } from './stores/redis/snapshot-source.ts'
import { log } from '@smartflow/core/log'
import { Metrics } from './telemetry/metrics.ts'
import { ProviderWindow } from './telemetry/provider-window.ts'

const VERSION = '0.1.0'
/** How long the start waits for the store. */
const STORE_WAIT_MS = 2_000
/** How long a scrape of metrics may keep a process that ends. */
const METRICS_DRAIN_MS = 1_000

const settings = read()
const processName = `${hostname()}-${randomBytes(4).toString('hex')}`
const standalone = settings.configDir !== undefined
let draining = false

const stateDir = openStateDir(settings.stateDir, settings.keysDir)
if (standalone && settings.keysDir === undefined) ensureKeys(stateDir.keys)
const keys = settings.tenant === undefined ? readKeys(stateDir.keys) : readTenantKeys(stateDir.keys, settings.tenant)

const redis = openRedis(settings.redisUrl, { name: processName })
const cacheRedis =
  settings.cacheRedisUrl === settings.redisUrl
    ? redis
    : openRedis(settings.cacheRedisUrl, { name: `${processName}-cache` })
const podName = settings.podUid ?? processName
const place = configPlace({ redis, gateway: settings.gateway, tenant: settings.tenant, process: podName })
const acknowledgement = new Acknowledgement({ redis, ...place.ack, process: podName, version: VERSION })
const verifier = verifierOf(keys.verifyKey)
const snapshots = new RedisSnapshotSource({
  redis,
  url: settings.redisUrl,
  reader: place.reader,
  channel: place.channel,
  acknowledgement,
  keyring: keys.keyring,
  verifier,
  lastGoodFile: stateDir.lastGood,
  log,
})

const ledger = new RedisLedger({
  redis,
  process: processName,
  storeLoss: () => snapshots.current()?.settings.storeLoss ?? { budgets: 'FailClosed', rateLimits: 'FailClosed' },
  leaseMs: settings.holdLeaseMs,
})
const audit = new RedisAuditLog({ redis, only: settings.tenant })
const cacheStats = new RedisCacheStats(redis)
const memoryCache = new MemoryResponseCache({ maxBytes: settings.memoryCacheBytes })
const egress = undiciEgress()
const tokens = new LazyTokens()
const providers = new ProviderWindow(Date.now)
const metrics = new Metrics({ ledger, audit, snapshots, version: VERSION })

const gateway: Gateway = {
  audit,
  ledger,
  memoryCache,
  redisCache: new RedisResponseCache({ redis: cacheRedis }),
  cacheStats,
  sealer: keys.keyring,
  prices,
  resolver,
  guardrails,
  upstream: llmUpstream({ egress, demo: standalone ? demoEgress(ms => sleep(ms)) : undefined, tokens }),
  observe(record) {
    metrics.observe(record)
    providers.observe(record)
  },
  now: Date.now,
  pause: (ms, signal) => sleep(ms, undefined, { signal }).catch(() => undefined), // aborted: the caller looks
  random: Math.random,
}

const routes: readonly Route[] = [
  ...llmRoutes,
  ...healthRoutes({
    snapshots,
    ledger,
    audit,
    cacheStats,
    memoryCache,
    providers,
    version: VERSION,
    boot: acknowledgement.boot,
    podUid: settings.podUid,
    draining: () => draining,
    now: Date.now,
  }),
  ...vasLogRoutes(audit, Date.now),
  ...metacacheRoutes(cacheStats, memoryCache),
  ...metrics.routes(),
]

const folder =
  settings.configDir === undefined
    ? undefined
    : new Standalone({
        folder: settings.configDir,
        tokensFile: stateDir.tokens,
        keyring: keys.keyring,
        environment: process.env,
        publisher: publisher(),
      })

const door: Door = {
  snapshots,
  calls: pipeline(gateway),
  patienceMs: settings.patienceMs,
  refused: refusal => recordAtDoor(gateway, refusal),
  failed: (error, id) => log('error', 'a call failed inside the gateway', { request: id, error }),
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop(signal))
if (process.env['SMARTFLOW_LIFELINE'] === 'stdin')
  process.stdin.on('end', () => void stop('the end of its parent')).resume()
process.on('unhandledRejection', error => log('error', 'a promise was rejected and nobody looked', { error }))

/** Those that callers use, and that of probes and metrics: it answers to the end. */
const listeners: { readonly callers: Listener[]; readonly metrics: Listener[] } = { callers: [], metrics: [] }
await start()

async function start(): Promise<void> {
  try {
    const addresses = await listenAll()
    log('info', 'listening', addresses)
    // A store that is away does not stop the start: the last good configuration may be on disk.
    await redis.whenUp(STORE_WAIT_MS)
    await folder?.start()
    await snapshots.start()
    // The first line on standard output is for whoever started this process: tests, and `make run`.
    process.stdout.write(`${JSON.stringify({ addresses, demo: folder?.demo ?? false })}\n`)
    log('info', 'ready', { ...addresses, process: processName })
    await tokens.load()
  } catch (error) {
    log('error', 'the gateway could not start', { error })
    process.exit(1)
  }
}

interface Address {
  readonly host: string
  readonly port: number
}

async function listenAll(): Promise<Record<string, string>> {
  const addresses: Record<string, string> = {}
  const { host, metricsHost, ports, singlePort } = settings
  const open = async (into: Listener[], names: readonly ListenerName[], at: Address): Promise<void> => {
    const listener = await listen(routes, door, { ...at, names: new Set(names) })
    into.push(listener)
    const reached = at.host === '0.0.0.0' ? '127.0.0.1' : at.host
    for (const name of names) addresses[name] = `http://${reached}:${listener.port}`
  }
  if (singlePort) await open(listeners.callers, settings.listeners, { host, port: ports.proxy })
  else for (const name of settings.listeners) await open(listeners.callers, [name], { host, port: ports[name] })
  await open(listeners.metrics, ['metrics'], { host: metricsHost, port: ports.metrics })
  return addresses
}

function read(): Settings {
  try {
    return readSettings(process.env)
  } catch (error) {
    log('error', error instanceof Error ? error.message : String(error))
    process.exit(1)
  }
}

function publisher(): Publisher {
  if (keys.signKey === undefined) {
    log('error', `${stateDir.keys} has no signing.key: a process with SMARTFLOW_CONFIG_DIR publishes and has to sign`)
    process.exit(1)
  }
  const store = new RedisConfigStore({ redis, gateway: settings.gateway })
  return new Publisher({ store, signer: signerOf(keys.signKey), verifier })
}

/** In order: nobody new is sent here, no new calls, the running ones end, what they owe is told, then the connections go. */
async function stop(reason: string): Promise<void> {
  if (draining) return
  draining = true
  log('info', 'stopping', { reason })
  for (const listener of listeners.callers) listener.leave()
  await sleep(settings.lameDuckMs)
  await Promise.all(listeners.callers.map(listener => listener.drain(settings.drainMs)))
  folder?.close()
  await Promise.all([ledger.drain(2_000), audit.drain(2_000), cacheStats.close()])
  await snapshots.stop()
  await ledger.close()
  await egress.close()
  await Promise.all(listeners.metrics.map(listener => listener.drain(METRICS_DRAIN_MS)))
  for (const connection of new Set([redis, cacheRedis])) connection.close()
  process.exit(0)
}
