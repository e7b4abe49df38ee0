// The whole product on a test control plane: real operator processes, real data planes that stand for pods of the
// gateway's Service, a real Redis. What tests of the operator build their world with.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Cluster } from '../../hack/control-plane/cluster.ts'
import { addGatewayPod, removePod, setPodReady } from '../../hack/control-plane/gateway-pods.ts'
import { OPERATOR_MAIN, OPERATOR_NODE_FLAGS } from '../../hack/operator-command.ts'
import { eventually, type GatewayProcess, startGateway, temporary } from '../e2e/gateway.ts'

const READY_MS = 60_000
/** Of pods: addresses nobody calls, each its own. */
let nextAddress = 1

/** A running operator. */
export interface OperatorProcess {
  /** Base URL of its probes and metrics. */
  readonly metrics: string
  readonly pid: number
  log(): string
  stop(): Promise<void>
  kill(): Promise<void>
  readonly exited: Promise<number | null>
}

/** Where things are: a namespace for the gateway, its name in Redis, the Redis. */
export interface Place {
  readonly cluster: Cluster
  readonly namespace: string
  readonly gateway: string
  readonly redisUrl: string
}

const running = new Set<OperatorProcess>()

/** Ends every operator that is still running; call it in `afterAll`. */
export async function endOperators(): Promise<void> {
  await Promise.all([...running].map(operator => operator.kill()))
  running.clear()
}

/** Starts an operator; resolves when its probes answer. `kubeconfig`: whom it is for the API server; the admin by default. */
export async function startOperator(
  place: Place,
  {
    env = {},
    kubeconfig = place.cluster.address.kubeconfig,
  }: { env?: Record<string, string>; kubeconfig?: string } = {},
): Promise<OperatorProcess> {
  const child = spawn(process.execPath, [...OPERATOR_NODE_FLAGS, OPERATOR_MAIN], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      KUBECONFIG: kubeconfig,
      SMARTFLOW_NAMESPACE: place.namespace,
      SMARTFLOW_GATEWAY: place.gateway,
      SMARTFLOW_METRICS_PORT: '0',
      SMARTFLOW_LIFELINE: 'stdin',
      REDIS_URL: place.redisUrl,
      ...env,
    },
  })
  let out = ''
  let errors = ''
  child.stdout.on('data', (part: Buffer) => (out += part.toString()))
  child.stderr.on('data', (part: Buffer) => (errors = (errors + part.toString()).slice(-500_000)))
  const exited = new Promise<number | null>(resolve => child.once('exit', code => resolve(code)))
  const line = await eventually(
    'the operator is up',
    () => {
      if (child.exitCode !== null) throw new Error(`the operator ended with ${child.exitCode}; its log:\n${errors}`)
      return out.includes('\n') ? out.slice(0, out.indexOf('\n')) : undefined
    },
    READY_MS,
  )
  const { addresses } = JSON.parse(line) as { addresses: { metrics: string } }
  const operator: OperatorProcess = {
    metrics: addresses.metrics,
    pid: child.pid ?? 0,
    log: () => errors,
    stop: () => end(child, 'SIGTERM', exited),
    kill: () => end(child, 'SIGKILL', exited),
    exited,
  }
  running.add(operator)
  return operator
}

async function end(child: ChildProcess, signal: NodeJS.Signals, exited: Promise<unknown>): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) child.kill(signal)
  await exited
}

/** A data plane that is a pod of the gateway's Service. */
export interface Plane extends GatewayProcess {
  readonly uid: string
  readonly pod: string
  /** As the kubelet would say it. */
  setReady(ready: boolean): Promise<void>
  /** Ends the process and deletes the pod. */
  remove(): Promise<void>
}

const LABELS = { 'app.kubernetes.io/name': 'smartflow', 'app.kubernetes.io/component': 'gateway' }

/** The Service that the pods stand behind, as the chart would make it. */
export async function createGatewayService({ cluster, namespace, gateway }: Place): Promise<void> {
  const body = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: `${gateway}-gateway`, namespace },
    spec: { selector: LABELS, ports: [{ name: 'http', port: 80, targetPort: 7775 }] },
  }
  const { code } = await cluster.request('POST', `/api/v1/namespaces/${namespace}/services`, { body })
  if (code !== 201) throw new Error(`the Service of the gateway: the API server said ${code}`)
}

/**
 * Starts a data plane with the UID of a pod of its own; ready pods are listed in the Service's EndpointSlices. `ready`: what
 * its readiness probe says at first. `keysDir`: another folder than the one that pods mount.
 */
export async function startPlane(
  place: Place,
  {
    stateDir = temporary(),
    ready = true,
    keysDir,
    env = {},
    readyMs = READY_MS,
  }: { stateDir?: string; ready?: boolean; keysDir?: string; env?: Record<string, string>; readyMs?: number } = {},
): Promise<Plane> {
  const { cluster, namespace, gateway, redisUrl } = place
  const pod = `${gateway}-gateway-${nextAddress}`
  const ip = `10.244.${nextAddress >> 8}.${nextAddress++ & 255}`
  const uid = await addGatewayPod(cluster, { namespace, name: pod, labels: LABELS, ip })
  if (!ready) await setPodReady(cluster, namespace, pod, false)
  const process_ = await startGateway({
    redisUrl,
    gateway,
    stateDir,
    keysDir: keysDir ?? (await mountedKeys(place)),
    env: { SMARTFLOW_POD_UID: uid, SMARTFLOW_LISTENERS: 'proxy,management', ...env },
    readyMs,
  })
  return Object.assign(process_, {
    uid,
    pod,
    setReady: (ready: boolean) => setPodReady(cluster, namespace, pod, ready),
    async remove() {
      await process_.kill()
      await removePod(cluster, namespace, pod)
    },
  })
}

/** The keys that pods mount, from the Secret that the operator makes. */
export async function mountedKeys({ cluster, namespace, gateway }: Place): Promise<string> {
  const data = await eventually('the gateway keys', () => secretOf(cluster, namespace, `${gateway}-keys`))
  const folder = join(temporary(), 'keys')
  mkdirSync(folder, { recursive: true })
  for (const [name, value] of Object.entries(data)) writeFileSync(join(folder, name), value)
  return folder
}

/** A Secret's values, decoded; undefined when it is not there. */
export async function secretOf(
  cluster: Cluster,
  namespace: string,
  name: string,
): Promise<Record<string, string> | undefined> {
  const { code, body } = await cluster.request<{ data?: Record<string, string> }>(
    'GET',
    `/api/v1/namespaces/${namespace}/secrets/${name}`,
  )
  if (code !== 200) return undefined
  return Object.fromEntries(
    Object.entries(body.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
  )
}

/** A condition as the API server has it. */
export interface SeenCondition {
  readonly type: string
  readonly status: string
  readonly reason: string
  readonly message: string
  readonly lastTransitionTime: string
  readonly observedGeneration?: number
}

/** One of our objects as tests look at it. */
export interface Seen {
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly uid: string
    readonly resourceVersion: string
    readonly generation: number
    readonly finalizers?: readonly string[]
    readonly creationTimestamp: string
    readonly deletionTimestamp?: string
  }
  readonly spec: Record<string, unknown>
  readonly status?: {
    readonly observedGeneration?: number
    readonly conditions?: readonly SeenCondition[]
    readonly config?: { readonly epoch: number; readonly generation: number; readonly digest: string }
    readonly [field: string]: unknown
  }
}

const API = '/apis/smartflow.dev/v1alpha1'

/** One object; undefined when it is not there. Cluster-scoped without a namespace. */
export async function see(
  cluster: Cluster,
  plural: string,
  name: string,
  namespace?: string,
): Promise<Seen | undefined> {
  const where = namespace === undefined ? '' : `/namespaces/${namespace}`
  const { code, body } = await cluster.request<Seen>('GET', `${API}${where}/${plural}/${name}`)
  return code === 200 ? body : undefined
}

/** All objects of a kind, of one namespace or of all. */
export async function seeAll(cluster: Cluster, plural: string, namespace?: string): Promise<readonly Seen[]> {
  const where = namespace === undefined ? '' : `/namespaces/${namespace}`
  const { body } = await cluster.request<{ items: readonly Seen[] }>('GET', `${API}${where}/${plural}`)
  return body.items
}

/** A condition of an object. */
export function condition(seen: Seen | undefined, type: string): SeenCondition | undefined {
  return seen?.status?.conditions?.find(each => each.type === type)
}

/** True when the status speaks of the spec as it is, and the condition is as wanted. */
export function isSaid(seen: Seen | undefined, type: string, status: string, reason?: string): boolean {
  const said = condition(seen, type)
  return (
    seen !== undefined &&
    seen.status?.observedGeneration === seen.metadata.generation &&
    said?.status === status &&
    (reason === undefined || said.reason === reason)
  )
}

/** Applies YAML or JSON as kubectl does. Throws with what kubectl said. */
export async function apply(cluster: Cluster, objects: string | object): Promise<string> {
  const input = typeof objects === 'string' ? objects : JSON.stringify(objects)
  const { code, stdout, stderr } = await cluster.kubectl(['apply', '--server-side', '-f', '-'], { input })
  if (code !== 0) throw new Error(`kubectl apply: ${stderr}`)
  return stdout
}
