// Helm installs, upgrades and uninstalls both charts on a real API server. Pods do not run here: their part is played.
import { afterAll, expect } from 'vitest'
import type { Cluster } from '../../hack/control-plane/cluster.ts'
import { loadCrds } from '../../hack/control-plane/crds.ts'
import { cleanUp, eventually } from '../e2e/gateway.ts'
import { test } from './cluster-test.ts'
import { CHART, helm, installDefinitions, type Rendered } from './helm.ts'

const REVOKE = 'smartflow.dev/revoke'
const LIMIT_MS = 180_000

/** Admission is of the whole cluster, where other tests make keys and gateways at the same time. */
const VALUES = 'serviceMonitor.enabled=true,prometheusRule.enabled=true,admission.enabled=false'

interface Live {
  metadata: { name: string; resourceVersion: string; generation?: number; finalizers?: string[] }
  status?: object
}

interface Listed {
  items: Live[]
}

afterAll(cleanUp)

test('install, two upgrades that change nothing, uninstall', { timeout: LIMIT_MS }, async ({ cluster, namespace }) => {
  await Promise.all([loadCrds(cluster, ['prometheus-operator']), installDefinitions(cluster)])
  const at = ['--namespace', namespace, '--set', VALUES]
  await helm(cluster, ['install', 'shop', CHART, ...at])
  const first = await helm(cluster, ['get', 'manifest', 'shop', '--namespace', namespace])
  const before = await specsOf(cluster, namespace, first)
  expect(before.length).toBeGreaterThan(20)
  for (let round = 0; round < 2; round++) await helm(cluster, ['upgrade', 'shop', CHART, ...at])
  expect(await helm(cluster, ['get', 'manifest', 'shop', '--namespace', namespace])).toBe(first)
  expect(await specsOf(cluster, namespace, first)).toEqual(before)
  expect(await mayOperate(cluster, namespace)).toEqual([])

  await keyWithFinalizer(cluster, namespace)
  const uninstalled = helm(cluster, ['uninstall', 'shop', '--namespace', namespace, '--timeout', '100s'])
  const played = playCleanup(cluster, namespace)
  await Promise.all([uninstalled, played])

  const key = `${ours(namespace)}/virtualkeys/orders`
  expect((await cluster.request('DELETE', key)).code).toBe(200)
  await eventually('the key to be gone', async () => (await cluster.request('GET', key)).code === 404)
  await eventually('nothing of the release to be left', async () => (await leftovers(cluster, namespace)).length === 0)
})

const ours = (namespace: string): string => `/apis/smartflow.dev/v1alpha1/namespaces/${namespace}`

/** Name, generation and labels of all that a manifest holds, as kubectl finds it. */
async function specsOf(cluster: Cluster, namespace: string, manifest: string): Promise<unknown[]> {
  const said = await cluster.kubectl(['get', '--namespace', namespace, '--output=json', '--filename=-'], {
    input: manifest,
  })
  expect(said).toMatchObject({ code: 0 })
  const { items } = JSON.parse(said.stdout) as {
    items: (Rendered & { metadata: { generation?: number; labels?: object } })[]
  }
  return items.map(({ kind, metadata: { name, generation, labels } }) => ({ kind, name, generation, labels }))
}

/** What the operator's account may not do of what it has to, and may do of what it must not. */
async function mayOperate(cluster: Cluster, namespace: string): Promise<string[]> {
  const token = await cluster.serviceAccountToken(namespace, 'shop-operator')
  const wrong: string[] = []
  const ask = async (expected: boolean, verb: string, resource: string, where: string | undefined): Promise<void> => {
    const [type = '', name] = resource.split('#')
    const [plural = '', ...group] = type.split('.')
    const [kind, subresource] = plural.split('/')
    const resourceAttributes = { verb, group: group.join('.'), resource: kind, subresource, name, namespace: where }
    const body = {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: { resourceAttributes },
    }
    const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews'
    const answer = await cluster.request<{ status: { allowed: boolean } }>('POST', path, { token, body })
    if (answer.body.status.allowed !== expected) wrong.push(`${verb} ${resource} in ${where ?? 'the cluster'}`)
  }
  for (const [verb, resource, where] of NEEDED) await ask(true, verb, resource, where === 'own' ? namespace : where)
  for (const [verb, resource, where] of FORBIDDEN) await ask(false, verb, resource, where === 'own' ? namespace : where)
  return wrong
}

/** A resource is `plural/subresource.group#name`. */
type Right = readonly [verb: string, resource: string, where?: string]

const NEEDED: readonly Right[] = [
  ['watch', 'virtualkeys.smartflow.dev'],
  ['patch', 'virtualkeys.smartflow.dev'],
  ['patch', 'aitenants/status.smartflow.dev'],
  ['list', 'namespaces'],
  ['get', 'secrets', 'default'],
  ['create', 'events.events.k8s.io', 'default'],
  ['create', 'leases.coordination.k8s.io', 'own'],
  ['update', 'leases.coordination.k8s.io#shop-operator', 'own'],
  ['watch', 'endpointslices.discovery.k8s.io', 'own'],
  ['delete', 'ingresses.networking.k8s.io', 'own'],
  ['patch', 'certificates.cert-manager.io', 'own'],
  ['create', 'listenersets.gateway.networking.k8s.io', 'own'],
]

const FORBIDDEN: readonly Right[] = [
  ['list', 'secrets', 'own'],
  ['watch', 'secrets'],
  ['delete', 'secrets', 'own'],
  ['patch', 'aiproviders.smartflow.dev'],
  ['update', 'virtualkeys.smartflow.dev'],
  ['delete', 'virtualkeys.smartflow.dev'],
  ['create', 'pods', 'own'],
  ['patch', 'deployments.apps', 'own'],
  ['patch', 'ingresses.networking.k8s.io', 'default'],
  ['update', 'leases.coordination.k8s.io#other', 'own'],
  ['create', 'leases.coordination.k8s.io', 'default'],
]

async function keyWithFinalizer(cluster: Cluster, namespace: string): Promise<void> {
  const metadata = { name: 'orders', finalizers: [REVOKE, 'example.com/other'] }
  const body = {
    apiVersion: 'smartflow.dev/v1alpha1',
    kind: 'VirtualKey',
    metadata,
    spec: { alias: 'orders', owner: { type: 'Application', name: 'orders' }, secretName: 'orders-key' },
  }
  const made = await cluster.request('POST', `${ours(namespace)}/virtualkeys`, { body })
  if (made.code !== 201) throw new Error(JSON.stringify(made.body))
}

/** Does what the hook's pod does, with the rights that it has; then says that the pod succeeded. */
async function playCleanup(cluster: Cluster, namespace: string): Promise<void> {
  const pods = `/api/v1/namespaces/${namespace}/pods`
  const pod = await eventually(
    'the pod of the hook',
    async () => {
      const { body } = await cluster.request<Listed>(
        'GET',
        `${pods}?labelSelector=batch.kubernetes.io/job-name=shop-cleanup`,
      )
      return body.items[0]
    },
    60_000,
  )
  const token = await cluster.serviceAccountToken(namespace, 'shop-cleanup')
  const scale = `/apis/apps/v1/namespaces/${namespace}/deployments/shop-operator/scale`
  // Its rights were made a moment before it.
  const asks = async (method: string, path: string, options: object = {}): Promise<Listed> =>
    eventually(`${method} ${path} is let through`, async () => {
      const { code, body: answer } = await cluster.request<Listed>(method, path, { token, ...options })
      return code === 200 && answer
    })
  await asks('PATCH', scale, { body: { spec: { replicas: 0 } } })
  const keys = await asks('GET', '/apis/smartflow.dev/v1alpha1/virtualkeys')
  const key = keys.items.find(({ metadata }) => metadata.name === 'orders')
  const at = key?.metadata.finalizers?.indexOf(REVOKE) ?? -1
  const body = [
    { op: 'test', path: `/metadata/finalizers/${at}`, value: REVOKE },
    { op: 'remove', path: `/metadata/finalizers/${at}` },
  ]
  const call = { token, body, contentType: 'application/json-patch+json' }
  await eventually('the key may be patched', async () => {
    const dryRun = `${ours(namespace)}/virtualkeys/orders?dryRun=All`
    return (await cluster.request('PATCH', dryRun, call)).code === 200
  })
  const patched = await cluster.request<Live>('PATCH', `${ours(namespace)}/virtualkeys/orders`, call)
  expect(patched).toMatchObject({ code: 200, body: { metadata: { finalizers: ['example.com/other'] } } })
  await cluster.request('PATCH', `${ours(namespace)}/virtualkeys/orders`, { body: { metadata: { finalizers: null } } })
  const containerStatuses = [
    { name: 'cleanup', image: '', imageID: '', ready: false, restartCount: 0, state: { terminated: { exitCode: 0 } } },
  ]
  const status = { phase: 'Succeeded', containerStatuses }
  expect((await cluster.request('PATCH', `${pods}/${pod.metadata.name}/status`, { body: { status } })).code).toBe(200)
}

/** What still carries the release's name, in its namespace and among what has none. */
async function leftovers(cluster: Cluster, namespace: string): Promise<string[]> {
  const kinds =
    'deployments,services,jobs,roles,rolebindings,serviceaccounts,poddisruptionbudgets,aigateways,servicemonitors'
  const selector = ['--selector=app.kubernetes.io/instance=shop', '--output=name']
  const inside = await cluster.kubectl(['get', kinds, '--namespace', namespace, ...selector])
  const outside = await cluster.kubectl(['get', 'clusterroles,clusterrolebindings', ...selector])
  const mine = outside.stdout.split('\n').filter(name => name.includes(namespace))
  return [...inside.stdout.split('\n').filter(name => name !== ''), ...mine]
}
