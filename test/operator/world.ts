// A control plane of a test file's own with the product's definitions and the gateway's Service, and the parts that
// cert-manager and an ingress controller would play on it.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, inject } from 'vitest'
import type { Cluster } from '../../hack/control-plane/cluster.ts'
import { type ControlPlane, startControlPlane } from '../../hack/control-plane/control-plane.ts'
import { type CrdSource, loadCrds } from '../../hack/control-plane/crds.ts'
import { type RedisServer, startRedis } from '../../hack/redis.ts'
import { cleanUp, eventually, temporary } from '../e2e/gateway.ts'
import { applyOwnDefinitions } from './own-definitions.ts'
import {
  apply,
  createGatewayService,
  endOperators,
  isSaid,
  type OperatorProcess,
  type Place,
  see,
  type Seen,
  seeAll,
} from './stack.ts'

const ROOT = join(import.meta.dirname, '../..')

/** Where the gateway lives in the samples. */
export const NAMESPACE = 'smartflow-system'
/** Where the tenant of the samples lives. */
export const TENANT = 'acme-platform'
/** Kinds that this release serves. */
export const SERVED = ['aigateways', 'aitenants', 'aiproviders', 'fallbackchains', 'policies', 'virtualkeys'] as const
/** All kinds of ours. */
export const KINDS = [...SERVED, 'mcpservers', 'agents'] as const

/** Everything of a file's own. */
export interface World {
  readonly cluster: ControlPlane
  readonly redis: RedisServer
  /** Where the control plane keeps its certificates. */
  readonly dir: string
  readonly place: Place
}

/**
 * Registers a world for the tests of a file, and gives a function that gives it. Where there is no control plane to be had
 * the tests skip themselves. `begun` starts what all of them need; `crds`: of other projects.
 */
export function worldOfFile(
  begun: (world: World) => Promise<void> = async () => undefined,
  crds: readonly CrdSource[] = ['cert-manager'],
): () => World {
  let world: World | undefined
  const ends: (() => Promise<unknown>)[] = []
  beforeAll(async () => {
    if (!inject('cluster') || inject('redisUrl') === '') return
    const dir = join(temporary(), 'control-plane')
    const [cluster, redis] = await Promise.all([
      startControlPlane({ dir }),
      // Of its own: ledgers are named by tenants and keys, and all files have those of the samples.
      startRedis({ dir: join(temporary(), 'redis'), persist: false }, { ...process.env, REDIS_URL: undefined }),
    ])
    ends.push(
      () => redis.stop('SIGKILL'),
      () => cluster.stop(),
    )
    if (crds.length > 0) await loadCrds(cluster, crds)
    await applyOwnDefinitions(cluster)
    for (const name of [NAMESPACE, TENANT])
      await apply(cluster, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
    const place = { cluster, namespace: NAMESPACE, gateway: 'smartflow', redisUrl: redis.url }
    await createGatewayService(place)
    world = { cluster, redis, dir, place }
    await begun(world)
  }, 300_000)
  afterAll(async () => {
    await endOperators()
    await cleanUp()
    for (const end of ends) await end()
  }, 60_000)
  return () => {
    if (world === undefined) throw new Error('there is no control plane')
    return world
  }
}

/** The YAML files of a folder of the repository, as one text; with names only those. */
export function yamlOf(folder: string, names?: readonly string[]): string {
  return readdirSync(join(ROOT, folder))
    .filter(name => name.endsWith('.yaml') && (names?.includes(name) ?? true))
    .map(name => readFileSync(join(ROOT, folder, name), 'utf8'))
    .join('\n---\n')
}

/** Applies YAML as a person does who stands in a namespace. Throws with what kubectl said. */
export async function applyIn(cluster: Cluster, namespace: string, input: string): Promise<void> {
  const { code, stderr } = await cluster.kubectl(['apply', '--server-side', '-n', namespace, '-f', '-'], { input })
  if (code !== 0) throw new Error(`kubectl apply: ${stderr}`)
}

/** A kubectl command that must succeed; its output. */
export async function kubectl(cluster: Cluster, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster.kubectl(args)
  if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`)
  return stdout
}

/** Changes members of a spec, as `kubectl patch` does. */
export async function patchSpec(cluster: Cluster, path: string, spec: object): Promise<void> {
  await request(cluster, 'PATCH', path, { body: { spec } })
}

/** Path of an object of ours; cluster-scoped without a namespace. */
export function pathOf(plural: string, name: string, namespace?: string): string {
  const where = namespace === undefined ? '' : `/namespaces/${namespace}`
  return `/apis/smartflow.dev/v1alpha1${where}/${plural}/${name}`
}

/** A request that must succeed; its body. */
export async function request<T = unknown>(
  cluster: Cluster,
  method: string,
  path: string,
  call: { readonly body?: unknown; readonly contentType?: string } = {},
): Promise<T> {
  const { code, body } = await cluster.request<T>(method, path, call)
  if (code > 299) throw new Error(`${method} ${path} was answered ${code}: ${JSON.stringify(body)}`)
  return body
}

/** Leads both providers of the tenant's samples to a provider of the test, and waits until every pod does so. */
export async function useUpstream(cluster: Cluster, url: string): Promise<void> {
  // A Secret of a new name: a changed one is looked at only every 15 s.
  const stringData = { apiKey: ['upstream', 'secret'].join('-') }
  await apply(cluster, { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'test', namespace: TENANT }, stringData })
  for (const name of ['openai', 'vllm']) {
    const spec = { baseURL: url, allowPrivateEndpoint: true, auth: { secretRef: { name: 'test', key: 'apiKey' } } }
    await patchSpec(cluster, pathOf('aiproviders', name, TENANT), spec)
    await eventually(`${name} is served with the new address`, async () => {
      return isSaid(await see(cluster, 'aiproviders', name, TENANT), 'Programmed', 'True')
    })
  }
}

/** A child as the API server has it. */
export interface Child {
  readonly kind: string
  readonly metadata: Seen['metadata'] & { readonly labels?: Readonly<Record<string, string>> }
  readonly spec: Readonly<Record<string, unknown>>
  readonly status?: Readonly<Record<string, unknown>>
}

/** Where the API server has the kinds of children that these tests look at. */
export const CHILDREN = {
  Certificate: `/apis/cert-manager.io/v1/namespaces/${NAMESPACE}/certificates`,
  Ingress: `/apis/networking.k8s.io/v1/namespaces/${NAMESPACE}/ingresses`,
  NetworkPolicy: `/apis/networking.k8s.io/v1/namespaces/${NAMESPACE}/networkpolicies`,
} as const

/** All children of a kind. */
export async function childrenOf(cluster: Cluster, kind: keyof typeof CHILDREN): Promise<readonly Child[]> {
  return (await request<{ items: readonly Child[] }>(cluster, 'GET', CHILDREN[kind])).items
}

/** Is cert-manager and an ingress controller, once: every Certificate is issued, every Ingress has an address. */
export async function answerForChildren(cluster: Cluster): Promise<void> {
  for (const { metadata } of await childrenOf(cluster, 'Certificate')) {
    const [now, later] = [0, 90 * 86_400_000].map(ms => new Date(Date.now() + ms).toISOString().replace(/\.\d+/, ''))
    const ready = { type: 'Ready', status: 'True', reason: 'Ready', message: 'Certificate is up to date' }
    const conditions = [{ ...ready, lastTransitionTime: now, observedGeneration: metadata.generation }]
    const body = { status: { conditions, notAfter: later } }
    await request(cluster, 'PATCH', `${CHILDREN.Certificate}/${metadata.name}/status`, { body })
  }
  for (const { metadata } of await childrenOf(cluster, 'Ingress')) {
    const body = { status: { loadBalancer: { ingress: [{ ip: '192.0.2.80' }] } } }
    await request(cluster, 'PATCH', `${CHILDREN.Ingress}/${metadata.name}/status`, { body })
  }
}

/** Waits for a number of children of a kind. */
export async function untilChildren(cluster: Cluster, kind: keyof typeof CHILDREN, count: number): Promise<void> {
  await eventually(`${count} of ${kind}`, async () => (await childrenOf(cluster, kind)).length === count, 60_000)
}

/** Waits until every object of the served kinds says so; names those that do not, and the end of the operator's log. */
export async function untilAll(
  { place, operator }: { readonly place: Place; readonly operator: OperatorProcess },
  [type, status, reason]: readonly [type: string, status: string, reason?: string],
  { plurals = SERVED, timeoutMs = 60_000 }: { plurals?: readonly string[]; timeoutMs?: number } = {},
): Promise<void> {
  let waiting: readonly Seen[] = []
  const check = async (): Promise<boolean> => {
    const all = (await Promise.all(plurals.map(plural => seeAll(place.cluster, plural)))).flat()
    waiting = all.filter(each => !isSaid(each, type, status, reason))
    return all.length > 0 && waiting.length === 0
  }
  await eventually(`every object says ${type}=${status}`, check, timeoutMs).catch((error: unknown) => {
    const said = waiting.map(({ metadata, status: has }) => `${metadata.name}: ${JSON.stringify(has)}`)
    throw new Error(`${String(error)}\n${said.join('\n')}\n${operator.log().slice(-4_000)}`)
  })
}
