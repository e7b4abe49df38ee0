// Measures the control plane at full size on a real API server, and writes what came of it to docs/proof/operator.md:
// `make prove-operator`. Takes some 15 minutes; sizes can be set: KEYS=500 CHAINS=20 make prove-operator.
import { mkdirSync, writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { startUpstream } from '../bench/upstream.ts'
import { temporary } from '../test/e2e/gateway.ts'
import { type BigStack, startBigStack } from '../test/operator/big-stack.ts'
import {
  type ChangeUnderLoad,
  changeUnderLoad,
  type ChangeUnderLoadOptions,
} from '../test/operator/change-under-load.ts'
import { machineAddress } from './machine-address.ts'
import { type Counts, measureScale, type ScaleReport } from '../test/operator/scale.ts'
import { provenance } from './provenance.ts'
import { startRedis } from './redis.ts'

const ROOT = resolve(import.meta.dirname, '..')
const OUTPUT = join(ROOT, 'docs/proof/operator.md')

const size = { tenants: 10, chains: numberOf('CHAINS', 200), keys: numberOf('KEYS', 5_000) }
const load = { rate: numberOf('RATE', 500), seconds: numberOf('SECONDS', 60), changes: 100 }
const QUIET_SECONDS = 60

function numberOf(variable: string, otherwise: number): number {
  return Number(process.env[variable] ?? otherwise)
}

async function onStack<T>(gateway: string, measure: (stack: BigStack) => Promise<T>): Promise<T> {
  const redis = await startRedis({ dir: join(temporary(), 'redis'), persist: false }, { ...process.env, REDIS_URL: '' })
  const stack = await startBigStack(redis.url, gateway)
  try {
    return await measure(stack)
  } finally {
    await stack.close()
    await redis.stop()
  }
}

async function measureLoad(): Promise<ChangeUnderLoad | undefined> {
  const address = machineAddress()
  if (address === undefined) return undefined
  const upstream = await startUpstream(0, address)
  const options: ChangeUnderLoadOptions = { ...load, upstream: `${upstream.url}/v1` }
  try {
    return await onStack('under-load', stack => changeUnderLoad(stack, options))
  } finally {
    await upstream.stop()
  }
}

function markdown(scale: ScaleReport, underLoad: ChangeUnderLoad | undefined, busy: number): string {
  const { change, turn, quiet, restart } = scale
  const rows: [string, string][] = [
    ['Created by a client, 16 at once', `${scale.created.toFixed(0)} s`],
    ['All of them Ready, from the first creation', `${scale.ready.toFixed(0)} s`],
    ['Calls of the operator until then', countsText(scale.callsToReady)],
    ['CPU of the operator until then', `${scale.operatorCpuToReady.toFixed(1)} s`],
    ['Memory of the operator, at most', megabytes(scale.operatorPeak)],
    ['Memory of a data plane, at most', megabytes(scale.planePeak)],
    ['Configuration in Redis', `${megabytes(scale.redisBytes)} in ${scale.redisKeys} keys`],
    [
      `One change to both data planes (p50 / p99 of ${change.count})`,
      `${change.p50.toFixed(0)} ms / ${change.p99.toFixed(0)} ms`,
    ],
    ['CPU of the operator for a change', `${(scale.operatorCpuPerChange * 1_000).toFixed(0)} ms`],
    [
      'Longest turn of a data plane’s event loop over a change (p50 / most; without a change)',
      `${turn.p50.toFixed(1)} ms / ${turn.most.toFixed(1)} ms; ${turn.quiet.toFixed(1)} ms`,
    ],
    [`Calls of the operator in ${quiet.seconds} quiet seconds`, countsText(quiet.calls)],
    ['Writes to our kinds, Secrets and events in them', countsText(quiet.writes)],
    ['CPU of the operator in them', `${(quiet.cpuShare * 100).toFixed(1)} % of a core`],
    ['A restarted operator leads after', `${restart.leading.toFixed(1)} s`],
    ['… and has compared everything after', `${restart.current.toFixed(1)} s`],
    [`Its calls in ${quiet.seconds} s more`, countsText(restart.calls)],
    ['Writes to our kinds, Secrets and events in them', countsText(restart.writes)],
  ]
  return [
    '# The control plane, measured',
    '',
    `${provenance('prove-operator', busy)} API server, etcd, controllers, Redis, operator, both data planes and the measuring client share these cores.`,
    '',
    `## ${size.keys} virtual keys and ${size.chains} fallback chains of ${size.tenants} tenants`,
    '',
    table(rows),
    '',
    'PUT renews the lease; a GET reads a Secret or the lease. A turn is CPU time of the loop’s thread, looked at every millisecond: what other processes take of the cores is not in it, collections of its own heap are.',
    '',
    '## Changes while calls flow',
    '',
    underLoad === undefined ? 'Not measured: the machine has no address but the loopback one.' : loadTable(underLoad),
    '',
    'The provider is a mock on an address of the same machine, with `allowPrivateEndpoint`. A change is a route, a key or a provider patched, a key created or deleted; its time runs from the API server’s answer until the acknowledgement of the last data plane.',
    '',
  ].join('\n')
}

function loadTable({ load: results, propagation }: ChangeUnderLoad): string {
  const sum = (of: (result: (typeof results)[number]) => number): number =>
    results.reduce((all, result) => all + of(result), 0)
  return table([
    ['Calls through two data planes', `${sum(({ requests }) => requests)} (${load.rate} a second)`],
    ['Failed', String(sum(({ failed }) => failed))],
    ['Answered wrongly', String(sum(({ wrong }) => wrong))],
    ['Changes meanwhile', String(propagation.count)],
    [
      'A change to both data planes (p50 / p99 / most)',
      `${propagation.p50.toFixed(0)} / ${propagation.p99.toFixed(0)} / ${propagation.most.toFixed(0)} ms`,
    ],
  ])
}

function table(rows: readonly (readonly [string, string])[]): string {
  return ['| | |', '|---|---:|', ...rows.map(([what, value]) => `| ${what} | ${value} |`)].join('\n')
}

function countsText(counts: Counts): string {
  const some = Object.entries(counts).filter(([, count]) => count !== 0)
  return some.length === 0 ? 'none' : some.map(([name, count]) => `${count} ${name}`).join(', ')
}

function megabytes(bytes: number | undefined): string {
  return bytes === undefined ? 'not known here' : `${(bytes / 1_000_000).toFixed(0)} MB`
}

const [busy = 0] = loadavg()
const startedAt = performance.now()
const tell = (line: string): void => {
  console.log(`${((performance.now() - startedAt) / 1_000).toFixed(0).padStart(5)} s  ${line}`)
}
tell(`changes while ${load.rate} calls a second flow`)
const underLoad = await measureLoad()
if (underLoad !== undefined) tell(JSON.stringify(underLoad))
tell(`${size.keys} keys and ${size.chains} chains`)
const scale = await onStack('at-scale', stack =>
  measureScale(stack, { ...size, changes: 50, quietSeconds: QUIET_SECONDS, withEvents: true, tell }),
)
mkdirSync(dirname(OUTPUT), { recursive: true })
writeFileSync(OUTPUT, markdown(scale, underLoad, busy))
tell(`written: ${OUTPUT}`)
process.exit(0)
