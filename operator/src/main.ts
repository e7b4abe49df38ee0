// The operator's entry: environment → settings → an operator, its probes, and an orderly end. `cleanup` as argument takes
// the operator's finalizers off instead, for an uninstallation.
import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { log } from '@smartflow/core/log'
import { KubeClient } from './api/client.ts'
import { ClusterAccess } from './api/kube-config.ts'
import { cleanUp } from './cleanup.ts'
import { Operator } from './operator.ts'
import { readSettings, type Settings } from './settings.ts'
import { OperatorMetrics } from './telemetry/metrics.ts'
import { type Probes, startProbes } from './telemetry/probes.ts'

const VERSION = '0.1.0'
/** An orderly end that takes longer is none. */
const STOP_MS = 20_000

const settings = read()
const metrics = new OperatorMetrics({
  gateway: settings.gateway,
  leaseName: `${settings.gateway}-operator`,
  version: VERSION,
})
const client = new KubeClient({
  access: new ClusterAccess({ kubeconfig: process.env['KUBECONFIG'] }),
  onRequest: (method, code) => metrics.request(method, code),
})

let operator: Operator | undefined
let probes: Probes | undefined
let stopping = false

if (process.argv[2] === 'cleanup') await clean()
else await serve()

async function clean(): Promise<void> {
  try {
    await cleanUp({ client, namespace: settings.namespace, gateway: settings.gateway, log })
  } catch (error) {
    log('error', 'the cleanup could not be finished; run it again', { error })
    process.exitCode = 1
  }
}

async function serve(): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop(signal, 0))
  if (process.env['SMARTFLOW_LIFELINE'] === 'stdin')
    process.stdin.on('end', () => void stop('the end of its parent', 0)).resume()
  process.on('unhandledRejection', error => log('error', 'a promise was rejected and nobody looked', { error }))
  const identity = `${settings.podName ?? hostname()}-${randomBytes(4).toString('hex')}`
  const running = new Operator({
    client,
    settings,
    metrics,
    identity,
    log,
    // Whatever it may still be writing, another one writes now: nothing is waited for.
    onLost: why => {
      log('error', 'this operator leads no more and ends', { why })
      process.exit(1)
    },
  })
  operator = running
  try {
    probes = await startProbes({
      host: settings.host,
      port: settings.metricsPort,
      sick: () => [],
      unready: () => running.unready(),
      metrics,
    })
    const host = settings.host === '0.0.0.0' ? '127.0.0.1' : settings.host
    // The first line on standard output is for whoever started this process.
    process.stdout.write(`${JSON.stringify({ addresses: { metrics: `http://${host}:${probes.port}` } })}\n`)
    await running.start()
    log('info', 'watching', { identity, namespace: settings.namespace, gateway: settings.gateway })
  } catch (error) {
    if (stopping) return
    log('error', 'the operator could not start', { error })
    process.exit(1)
  }
}

async function stop(reason: string, code: number): Promise<void> {
  if (stopping) return
  stopping = true
  log('info', 'stopping', { reason })
  setTimeout(() => process.exit(1), STOP_MS).unref()
  await operator?.stop()
  await probes?.close()
  await client.close()
  process.exit(code)
}

function read(): Settings {
  try {
    return readSettings(process.env)
  } catch (error) {
    log('error', error instanceof Error ? error.message : String(error))
    process.exit(1)
  }
}
