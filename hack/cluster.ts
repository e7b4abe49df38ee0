// `make cluster`: a Kubernetes API server with its controllers, other projects' definitions, a Redis, an operator and two
// gateways on this machine, ended together by Ctrl-C. Prints what to type. `--nodes` adds a node that plays pods.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { type ClusterGateway, startClusterGateway } from './cluster-gateway.ts'
import { type ControlPlane, startControlPlane } from './control-plane/control-plane.ts'
import { CRD_SOURCES, loadCrds } from './control-plane/crds.ts'
import { startFakeNode } from './control-plane/nodes.ts'
import { type RedisServer, startRedis } from './redis.ts'

const { values: options } = parseArgs({ options: { nodes: { type: 'boolean', default: false } } })
const stateDir = process.env['SMARTFLOW_STATE_DIR'] || join(import.meta.dirname, '..', '.smartflow')
mkdirSync(stateDir, { recursive: true, mode: 0o700 })
const dir = mkdtempSync(join(stateDir, 'cluster-'))

/** What ends the parts, in the order of their start. */
const ends: (() => Promise<void>)[] = []
let stopping = false

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop(0))
// The parts do not keep this process running by themselves.
setInterval(() => undefined, 60_000)

try {
  console.log(welcome(await startParts()))
} catch (error) {
  if (!stopping) console.error(error instanceof Error ? error.message : error)
  await stop(1)
}

type Parts = { redis: RedisServer; controlPlane: ControlPlane; gateway: ClusterGateway }

/** A part may use those before it; they end the other way round. */
async function startParts(): Promise<Parts> {
  const redis = await startRedis({ dir: join(dir, 'redis'), persist: false })
  ends.push(() => redis.stop())
  const controlPlane = await startControlPlane({ dir })
  ends.push(controlPlane.stop)
  await loadCrds(controlPlane)
  if (options.nodes) ends.push(await startFakeNode(controlPlane, dir))
  const ending = (end: () => Promise<void>): void => void ends.push(end)
  const gateway = await startClusterGateway({ cluster: controlPlane, redisUrl: redis.url, dir, ending })
  return { redis, controlPlane, gateway }
}

function welcome({ redis, controlPlane, gateway }: Parts): string {
  const { server, kubeconfig, kubectl, tokens } = controlPlane.address
  const [admin, ...others] = Object.keys(tokens)
  const path = kubectl === 'kubectl' ? [] : [`  export PATH=${dirname(kubectl)}:$PATH`]
  return [
    '',
    'The cluster is ready.',
    '',
    `  API server   ${server}`,
    `  Redis        ${redis.url}`,
    `  gateway      ${gateway.proxy}, its API ${gateway.management}`,
    `  definitions  ${CRD_SOURCES.join(', ')}`,
    `  users        ${admin} (the current one), ${others.join(', ')} (without rights): kubectl --context NAME`,
    `  pods         ${options.nodes ? 'are played on one node (kwok)' : 'stay Pending: make cluster NODES=1 plays them'}`,
    `  logs         ${dir}/*.log`,
    '',
    'In another terminal:',
    '',
    `  export KUBECONFIG=${kubeconfig}`,
    ...path,
    '  kubectl get aigw -A',
    ...callLines(gateway),
    '  kubectl describe virtualkey -n acme-platform checkout     # the tenant of config/samples/tenant',
    '',
    'Ctrl-C stops everything; nothing is kept.',
  ].join('\n')
}

/** A call with the token that the operator put into the key's Secret. */
function callLines({ proxy, namespace, model, answers }: ClusterGateway): string[] {
  const place = `kubectl get secret -n ${namespace} app-key -o jsonpath='{.data.token}'`
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello, Smartflow!' }] })
  const call = `curl -sS ${proxy}/v1/chat/completions -H "authorization: Bearer $KEY" -H 'content-type: application/json' -d '${body}'`
  const note = answers ? [] : [`  # no address here but loopback: give AIProvider mock in ${namespace} a baseURL first`]
  return [`  export KEY=$(${place} | base64 -d)`, ...note, `  ${call}`]
}

async function stop(code: number): Promise<void> {
  if (stopping) return
  stopping = true
  for (const end of ends.toReversed()) await end()
  rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  process.exit(code)
}
