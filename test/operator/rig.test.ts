// The test cluster itself: that it behaves as the operator's tests need it to.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KubeConfig, CoreV1Api } from '@kubernetes/client-node'
import { afterAll, beforeAll, describe, expect, inject } from 'vitest'
import type { Cluster } from '../../hack/control-plane/cluster.ts'
import { type ControlPlane, startControlPlane } from '../../hack/control-plane/control-plane.ts'
import { loadCrds } from '../../hack/control-plane/crds.ts'
import { addGatewayPod, removePod, setPodReady } from '../../hack/control-plane/gateway-pods.ts'
import { argoHealth, kstatus } from '../../hack/control-plane/judges.ts'
import { eventually } from '../e2e/gateway.ts'
import { test } from './cluster-test.ts'
import { openWatch } from './watch-stream.ts'

type Listed<T> = { metadata: { resourceVersion: string }; items: T[] }

async function apply(cluster: Cluster, ...objects: object[]): Promise<void> {
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects })
  const said = await cluster.kubectl(['apply', '--server-side', '--filename=-'], { input })
  expect(said).toMatchObject({ code: 0, stderr: '' })
}

function configMap(namespace: string, name: string, more: object = {}): object {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace, name, ...more } }
}

const WIDGETS = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.rig.smartflow.test' },
  spec: {
    group: 'rig.smartflow.test',
    scope: 'Namespaced',
    names: { kind: 'Widget', plural: 'widgets', singular: 'widget' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                properties: { size: { type: 'integer' } },
                'x-kubernetes-validations': [{ rule: 'self.size > 0', message: 'size must be positive' }],
              },
            },
          },
        },
      },
    ],
  },
}

test('kubectl applies a definition, and the API server holds objects to its rules', async ({ cluster, namespace }) => {
  await apply(cluster, WIDGETS)
  const wait = ['wait', '--for=condition=Established', '--timeout=20s', 'crd/widgets.rig.smartflow.test']
  expect((await cluster.kubectl(wait)).code).toBe(0)
  const widget = (name: string, size: number): string =>
    JSON.stringify({
      apiVersion: 'rig.smartflow.test/v1',
      kind: 'Widget',
      metadata: { name, namespace },
      spec: { size },
    })
  const create = ['create', '--filename=-']
  // Established a moment before kubectl finds it.
  await eventually('it is made', async () => (await cluster.kubectl(create, { input: widget('good', 1) })).code === 0)
  const bad = await cluster.kubectl(create, { input: widget('bad', 0) })
  expect(bad.code).toBe(1)
  expect(bad.stderr).toContain('size must be positive')
})

test('the kubeconfig serves other clients', async ({ cluster, namespace }) => {
  await apply(cluster, configMap(namespace, 'seen'))
  const config = new KubeConfig()
  config.loadFromFile(cluster.address.kubeconfig)
  const { items } = await config.makeApiClient(CoreV1Api).listNamespacedConfigMap({ namespace })
  expect(items.map(({ metadata }) => metadata?.name)).toEqual(['seen'])
})

describe('rights', () => {
  test('a user of the token file may do nothing until RBAC says so', async ({ cluster, namespace }) => {
    const path = `/api/v1/namespaces/${namespace}/configmaps`
    expect((await cluster.request('GET', path, { user: 'tenant-a-admin' })).code).toBe(403)
    const refused = await cluster.kubectl(['get', 'configmaps', '-n', namespace], { user: 'tenant-a-admin' })
    expect(refused.stderr).toContain('Forbidden')
    const grant = ['create', 'rolebinding', 'may', '--clusterrole=view', '--user=tenant-a-admin', '-n', namespace]
    expect((await cluster.kubectl(grant)).code).toBe(0)
    const answer = await eventually('the right', async () => {
      const { code } = await cluster.request('GET', path, { user: 'tenant-a-admin' })
      return code === 200 ? code : undefined
    })
    expect(answer).toBe(200)
    expect((await cluster.request('GET', path, { user: 'tenant-b-admin' })).code).toBe(403)
  })

  test('any user and group can be asked for by name', async ({ cluster }) => {
    const said = await cluster.kubectl(['auth', 'whoami', '-o', 'json'], { user: 'ann', groups: ['blue'] })
    expect(JSON.parse(said.stdout).status.userInfo).toMatchObject({
      username: 'ann',
      groups: ['blue', 'system:authenticated'],
    })
  })

  test('a ServiceAccount gets a token and has its own rights', async ({ cluster, namespace }) => {
    await apply(cluster, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace, name: 'worker' } })
    const token = await cluster.serviceAccountToken(namespace, 'worker')
    const review = '/apis/authentication.k8s.io/v1/selfsubjectreviews'
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' }
    expect((await cluster.request('POST', review, { token, body })).body).toMatchObject({
      status: { userInfo: { username: `system:serviceaccount:${namespace}:worker` } },
    })
    expect((await cluster.request('GET', '/api/v1/secrets', { token })).code).toBe(403)
    const made = await cluster.kubectl(['create', 'token', 'worker', '-n', namespace])
    expect(made.stdout.split('.')).toHaveLength(3)
  })
})

test('what an object owns goes with it', async ({ cluster, namespace }) => {
  const path = `/api/v1/namespaces/${namespace}/configmaps`
  await apply(cluster, configMap(namespace, 'owner'))
  const { body } = await cluster.request<{ metadata: { uid: string } }>('GET', `${path}/owner`)
  const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: body.metadata.uid }
  await apply(cluster, configMap(namespace, 'child', { ownerReferences: [owner] }))
  expect((await cluster.request('DELETE', `${path}/owner`)).code).toBe(200)
  const gone = await eventually('the child to be gone', async () => {
    const { code } = await cluster.request('GET', `${path}/child`)
    return code === 404 ? code : undefined
  })
  expect(gone).toBe(404)
})

type Slice = {
  endpoints: { addresses: string[]; conditions: { ready: boolean; terminating: boolean }; targetRef: { uid: string } }[]
}

/** The endpoints of a namespace's services as "address ready uid", once they are as wanted. */
async function endpoints(cluster: Cluster, namespace: string, wanted: string[]): Promise<string[]> {
  let last: string[] = []
  await eventually(`the endpoints ${wanted.join(', ')}`, async () => {
    const path = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`
    const { body } = await cluster.request<Listed<Slice>>('GET', path)
    last = body.items
      .flatMap(slice => slice.endpoints ?? [])
      .map(({ addresses, conditions, targetRef }) => `${addresses.join()} ${conditions.ready} ${targetRef.uid}`)
      .toSorted()
    return last.join() === wanted.join() ? last : undefined
  })
  return last
}

test("a Service's EndpointSlices list gateway pods and follow their readiness", async ({ cluster, namespace }) => {
  const labels = { app: 'gateway' }
  await apply(cluster, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace, name: 'gateway' },
    spec: { selector: labels, ports: [{ port: 7775 }] },
  })
  const one = await addGatewayPod(cluster, { namespace, name: 'one', labels, ip: '10.244.0.1' })
  const two = await addGatewayPod(cluster, { namespace, name: 'two', labels, ip: '10.244.0.2' })
  const both = [`10.244.0.1 true ${one}`, `10.244.0.2 true ${two}`]
  expect(await endpoints(cluster, namespace, both)).toEqual(both)
  await setPodReady(cluster, namespace, 'two', false)
  const half = [`10.244.0.1 true ${one}`, `10.244.0.2 false ${two}`]
  expect(await endpoints(cluster, namespace, half)).toEqual(half)
  await removePod(cluster, namespace, 'two')
  const rest = [`10.244.0.1 true ${one}`]
  expect(await endpoints(cluster, namespace, rest)).toEqual(rest)
})

test('the real definitions of other projects are accepted, and judge objects', async ({ cluster, namespace }) => {
  await loadCrds(cluster)
  const route = {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { namespace, name: 'route' },
    spec: { parentRefs: [{ name: 'gateway' }], hostnames: ['api.example.com'] },
  }
  const certificate = {
    apiVersion: 'cert-manager.io/v1',
    kind: 'Certificate',
    metadata: { namespace, name: 'certificate' },
    spec: { secretName: 'tls', dnsNames: ['api.example.com'], issuerRef: { name: 'issuer' } },
  }
  const monitor = {
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'ServiceMonitor',
    metadata: { namespace, name: 'monitor' },
    spec: { selector: {}, endpoints: [{ port: 'metrics' }] },
  }
  await apply(cluster, route, certificate, monitor)
  const path = `/apis/gateway.networking.k8s.io/v1/namespaces/${namespace}/httproutes`
  const strict = `${path}?dryRun=All&fieldValidation=Strict`
  const wrong = { ...route, metadata: { name: 'wrong' }, spec: { ...route.spec, hostname: 'typed wrong' } }
  expect(await cluster.request('POST', strict, { body: wrong })).toMatchObject({ code: 400 })
})

describe('judges', () => {
  const object = (name: string, status?: object): object => ({
    apiVersion: 'smartflow.test/v1',
    kind: 'Thing',
    metadata: { namespace: 'a', name, generation: 2 },
    ...(status && { status }),
  })
  const condition = (type: string, status: string): object => ({ type, status, reason: 'Because', message: 'why' })

  test('kstatus says what Flux and Helm would', async ({ cluster }) => {
    expect(cluster).toBeDefined()
    const verdicts = await kstatus(
      [
        object('done', { observedGeneration: 2, conditions: [condition('Ready', 'True')] }),
        object('new', { observedGeneration: -1 }),
        object('waiting', { observedGeneration: 2, conditions: [condition('Ready', 'False')] }),
        object('stalled', { observedGeneration: 2, conditions: [condition('Stalled', 'True')] }),
        object('bare'),
      ]
        .map(each => JSON.stringify(each))
        .join('\n---\n'),
    )
    expect(verdicts.map(({ name, status }) => `${name} ${status}`)).toEqual([
      'done Current',
      'new InProgress',
      'waiting InProgress',
      'stalled Failed',
      'bare Current',
    ])
    expect(verdicts[3]).toMatchObject({ kind: 'Thing', namespace: 'a', message: 'why' })
    await expect(kstatus('{"kind": 3')).rejects.toThrow('kstatus:')
  })

  test('a health script of Argo CD is run', async ({ cluster }) => {
    expect(cluster).toBeDefined()
    const script = `
      local health = { status = 'Progressing', message = '' }
      for _, condition in ipairs(obj.status.conditions) do
        if condition.type == 'Ready' and condition.status == 'True' then
          health.status = 'Healthy'
          health.message = condition.message
        end
      end
      return health`
    const health = await argoHealth(script, object('done', { conditions: [condition('Ready', 'True')] }))
    expect(health).toEqual({ status: 'Healthy', message: 'why' })
    await expect(argoHealth('return nothing.at.all', {})).rejects.toThrow('lua:')
    await expect(argoHealth('while true do end', {})).rejects.toThrow('lua:')
  })
})

describe.skipIf(!inject('cluster'))('an API server that is killed', () => {
  let dir: string
  let own: ControlPlane
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'smartflow-own-cluster-'))
    own = await startControlPlane({ dir })
  })
  afterAll(async () => {
    await own?.stop()
    rmSync(dir, { recursive: true, force: true })
  })
  const PATH = '/api/v1/namespaces/default/configmaps'
  const version = async (): Promise<string> =>
    (await own.request<Listed<unknown>>('GET', PATH)).body.metadata.resourceVersion

  test('breaks watches, which go on from where they were once it is back', async () => {
    const before = await version()
    const first = await openWatch(own, PATH, before)
    await apply(own, configMap('default', 'one'))
    const { value: one } = await first.events.next()
    expect(one).toMatchObject({ type: 'ADDED', object: { metadata: { name: 'one' } } })
    await own.killApiServer()
    expect(await first.events.next()).toMatchObject({ done: true })
    await expect(own.request('GET', PATH)).rejects.toThrow('ECONNREFUSED')
    await own.startApiServer()
    await apply(own, configMap('default', 'two'))
    const again = await openWatch(own, PATH, String(one?.object.metadata?.resourceVersion))
    const { value: two } = await again.events.next()
    again.close()
    expect(two).toMatchObject({ type: 'ADDED', object: { metadata: { name: 'two' } } })
  })

  test('has forgotten after a compaction what was before: 410', async () => {
    const old = await version()
    await apply(own, configMap('default', 'three'), configMap('default', 'four'))
    await own.compact()
    await own.killApiServer()
    await own.startApiServer()
    const exact = `${PATH}?resourceVersion=${old}&resourceVersionMatch=Exact`
    expect(await own.request('GET', exact)).toMatchObject({ code: 410, body: { reason: 'Expired' } })
    const watch = await openWatch(own, PATH, old)
    const { value } = await watch.events.next()
    watch.close()
    expect(value).toMatchObject({ type: 'ERROR', object: { code: 410, reason: 'Expired' } })
  })
})
