// What `make cluster` puts into its API server: the definitions, an operator, two gateways that stand for pods, the
// tenant of the samples, and a tenant of its own whose key works.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Cluster } from './control-plane/cluster.ts'
import { addGatewayPod } from './control-plane/gateway-pods.ts'
import { GATEWAY_MAIN, GATEWAY_NODE_FLAGS } from './gateway-command.ts'
import { until } from './local-server.ts'
import { startMockProvider } from './mock-provider.ts'
import { OPERATOR_MAIN, OPERATOR_NODE_FLAGS } from './operator-command.ts'
import { startReady } from './ready-process.ts'

const ROOT = join(import.meta.dirname, '..')
/** Namespace of operator and gateway, and the gateway's name in Redis. */
const HOME = 'smartflow-system'
const GATEWAY = 'smartflow'
const LABELS = { 'app.kubernetes.io/name': 'smartflow', 'app.kubernetes.io/component': 'gateway' }
const PODS = 2
const WAIT_MS = 30_000

/** Where a key can be used. */
export type ClusterGateway = {
  proxy: string
  management: string
  /** The namespace of the tenant whose key works. */
  namespace: string
  /** A model that the key may use. */
  model: string
  /** False: nothing on this machine could play the provider. */
  answers: boolean
}

/** Where to begin. `ending` takes what ends the parts, in the order of their start. */
export type ClusterGatewayOptions = {
  cluster: Cluster
  redisUrl: string
  /** Takes logs, the mounted keys and the gateways' state. */
  dir: string
  ending: (end: () => Promise<void>) => void
}

/** Starts everything and waits until the key is ready. */
export async function startClusterGateway(options: ClusterGatewayOptions): Promise<ClusterGateway> {
  const { cluster, redisUrl, dir, ending } = options
  await kubectl(cluster, ['apply', '--server-side', '-f', join(ROOT, 'crds')])
  await kubectl(cluster, ['wait', '--for=condition=Established', '-f', join(ROOT, 'crds'), '--timeout=30s'])
  await apply(cluster, [namespace(HOME), namespace('acme-platform'), namespace('demo'), gatewayService()])
  const operator = await startReady({
    args: [...OPERATOR_NODE_FLAGS, OPERATOR_MAIN],
    log: join(dir, 'operator.log'),
    env: {
      KUBECONFIG: cluster.address.kubeconfig,
      SMARTFLOW_NAMESPACE: HOME,
      SMARTFLOW_GATEWAY: GATEWAY,
      SMARTFLOW_METRICS_PORT: '0',
      REDIS_URL: redisUrl,
    },
  })
  ending(operator.stop)
  const keysDir = await mountedKeys(cluster, dir)
  const gateways = []
  for (let at = 1; at <= PODS; at++) gateways.push(await startGateway(options, keysDir, at))
  await kubectl(cluster, ['apply', '--server-side', '-f', join(ROOT, 'config/samples/tenant')])
  const provider = await startMockProvider()
  if (provider !== undefined) ending(provider.stop)
  await apply(cluster, tenantOf(provider?.url))
  await kubectl(cluster, ['wait', '--for=condition=Ready', 'virtualkey/app', '-n', 'demo', '--timeout=30s'])
  const { proxy = '', management = '' } = gateways[0] ?? {}
  return { proxy, management, namespace: 'demo', model: 'gpt-4o', answers: provider !== undefined }
}

async function startGateway({ cluster, redisUrl, dir, ending }: ClusterGatewayOptions, keysDir: string, at: number) {
  const name = `${GATEWAY}-gateway-${at}`
  const uid = await addGatewayPod(cluster, { namespace: HOME, name, labels: LABELS, ip: `10.244.0.${at}` })
  const gateway = await startReady({
    args: [...GATEWAY_NODE_FLAGS, GATEWAY_MAIN],
    log: join(dir, `${name}.log`),
    env: {
      SMARTFLOW_PROXY_PORT: '0',
      SMARTFLOW_MANAGEMENT_PORT: '0',
      SMARTFLOW_METRICS_PORT: '0',
      SMARTFLOW_STATE_DIR: join(dir, name),
      SMARTFLOW_KEYS_DIR: keysDir,
      SMARTFLOW_GATEWAY: GATEWAY,
      SMARTFLOW_POD_UID: uid,
      REDIS_URL: redisUrl,
    },
  })
  ending(gateway.stop)
  return gateway.addresses
}

/** The keys that pods mount, from the Secret that the operator makes when it leads. */
async function mountedKeys(cluster: Cluster, dir: string): Promise<string> {
  const path = `/api/v1/namespaces/${HOME}/secrets/${GATEWAY}-keys`
  let data: Record<string, string> = {}
  const isThere = await until(async () => {
    const { code, body } = await cluster.request<{ data?: Record<string, string> }>('GET', path)
    data = body.data ?? {}
    return code === 200
  }, WAIT_MS)
  if (!isThere) throw new Error(`The operator made no keys within ${WAIT_MS / 1_000} s; ${dir}/operator.log says why`)
  const folder = join(dir, 'keys')
  mkdirSync(folder, { mode: 0o700 })
  for (const [name, value] of Object.entries(data)) writeFileSync(join(folder, name), Buffer.from(value, 'base64'))
  return folder
}

function namespace(name: string): object {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }
}

function gatewayService(): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: `${GATEWAY}-gateway`, namespace: HOME },
    spec: { selector: LABELS, ports: [{ name: 'http', port: 80, targetPort: 7775 }] },
  }
}

/** A tenant, a provider and a key. The provider is never called when there is nothing to play it. */
function tenantOf(url = 'https://models.example.com/v1'): object[] {
  const ours = (kind: string, name: string, spec: object, of?: string): object => ({
    apiVersion: 'smartflow.dev/v1alpha1',
    kind,
    metadata: { name, ...(of !== undefined && { namespace: of }) },
    spec,
  })
  return [
    ours('AITenant', 'demo', { namespaces: { names: ['demo'] } }),
    ours('AIProvider', 'mock', { preset: 'local', baseURL: url, allowPrivateEndpoint: true }, 'demo'),
    ours('FallbackChain', 'all', { models: ['*'], targets: [{ name: 'only', providerRef: { name: 'mock' } }] }, 'demo'),
    ours('VirtualKey', 'app', { alias: 'app', budget: { amountUSD: '5', period: 'Daily' } }, 'demo'),
  ]
}

async function apply(cluster: Cluster, objects: readonly object[]): Promise<void> {
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects })
  await kubectl(cluster, ['apply', '--server-side', '-f', '-'], input)
}

async function kubectl(cluster: Cluster, args: readonly string[], input?: string): Promise<void> {
  const { code, stderr } = await cluster.kubectl(args, input === undefined ? {} : { input })
  if (code !== 0) throw new Error(`kubectl ${args.slice(0, 2).join(' ')}: ${stderr}`)
}
