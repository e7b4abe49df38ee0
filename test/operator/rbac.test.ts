// The operator with exactly the rights of the chart: everything works, nothing is refused to it, and it may do no more.
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { ControlPlane } from '../../hack/control-plane/control-plane.ts'
import { cleanUp, eventually } from '../e2e/gateway.ts'
import { fresh } from '../e2e/resources.ts'
import { install, type Installed, namespace, samples, SYSTEM } from './installed.ts'
import {
  apply,
  endOperators,
  isSaid,
  type OperatorProcess,
  type Plane,
  secretOf,
  see,
  seeAll,
  startOperator,
  startPlane,
} from './stack.ts'

const TENANT_NAMESPACE = 'acme-platform'
const OURS = ['aigateways', 'aitenants', 'aiproviders', 'fallbackchains', 'policies', 'virtualkeys'] as const

describe.skipIf(!inject('cluster'))('the operator under its own ServiceAccount', () => {
  const tenant = fresh('acme')
  let installed: Installed
  let cluster: ControlPlane
  let operator: OperatorProcess
  let plane: Plane

  beforeAll(async () => {
    installed = await install(['rights', 'admission'])
    cluster = installed.cluster
    await apply(cluster, namespace(TENANT_NAMESPACE))
    operator = await startOperator(installed.place, { kubeconfig: installed.kubeconfig })
    plane = await startPlane(installed.place)
    await apply(cluster, samples(installed.place, tenant))
  }, 300_000)

  afterAll(async () => {
    await endOperators()
    await cleanUp()
    await installed?.cluster.stop()
  })

  /** Nothing that the API server refused may be in its log, ever. */
  const refused = (): string[] =>
    operator
      .log()
      .split('\n')
      .filter(line => /forbidden|cannot (get|list|watch|create|patch|update|delete)/i.test(line))

  const count = async (path: string): Promise<number> =>
    (await cluster.request<{ items: unknown[] }>('GET', path)).body.items.length

  test('the samples of a tenant become Programmed, and a key has its Secret', { timeout: 180_000 }, async () => {
    for (const plural of OURS) {
      await eventually(`${plural} are programmed`, async () => {
        const all = await seeAll(cluster, plural)
        if (all.length === 0 || !all.every(each => isSaid(each, 'Programmed', 'True')))
          throw new Error(JSON.stringify(all.map(each => [each.metadata.name, each.status])))
        return true
      })
    }
    expect((await secretOf(cluster, TENANT_NAMESPACE, 'checkout-key'))?.['token']).toMatch(/^sk-/)
    expect(refused()).toEqual([])
  })

  test('events are written, and children come and go with what asks for them', { timeout: 180_000 }, async () => {
    const events = `/apis/events.k8s.io/v1/namespaces/${TENANT_NAMESPACE}/events`
    await eventually('an event', async () => (await count(events)) > 0)
    const list = (group: string, plural: string): string => `/apis/${group}/namespaces/${SYSTEM}/${plural}`
    const children = {
      Nginx: list('networking.k8s.io/v1', 'ingresses'),
      GatewayAPI: list('gateway.networking.k8s.io/v1', 'httproutes'),
    }
    const certificates = list('cert-manager.io/v1', 'certificates')
    await eventually('an Ingress', async () => (await count(children.Nginx)) > 0)
    await eventually('a Certificate', async () => (await count(certificates)) > 0)
    const gatewayRef = { name: 'edge', namespace: SYSTEM }
    const spec = { exposure: { type: 'GatewayAPI', className: 'nginx', gatewayRef, networkPolicy: true } }
    const path = `/apis/smartflow.dev/v1alpha1/namespaces/${SYSTEM}/aigateways/main`
    expect((await cluster.request('PATCH', path, { body: { spec } })).code).toBe(200)
    await eventually('a route', async () => (await count(children.GatewayAPI)) > 0)
    await eventually('no Ingress', async () => (await count(children.Nginx)) === 0)
    await eventually('a NetworkPolicy', async () => (await count(list('networking.k8s.io/v1', 'networkpolicies'))) > 0)
    expect(refused()).toEqual([])
  })

  test('a key is rotated in its Secret and, deleted, let go of', { timeout: 240_000 }, async () => {
    const secret = `/api/v1/namespaces/${TENANT_NAMESPACE}/secrets/checkout-key`
    const before = (await secretOf(cluster, TENANT_NAMESPACE, 'checkout-key'))?.['token']
    const metadata = { annotations: { 'smartflow.dev/rotated-at': '2020-01-01T00:00:00Z' } }
    expect((await cluster.request('PATCH', secret, { body: { metadata } })).code).toBe(200)
    // It looks at its own Secrets seldom: a new process looks at once.
    await operator.stop()
    expect(refused()).toEqual([])
    operator = await startOperator(installed.place, { kubeconfig: installed.kubeconfig })
    await eventually('another token', async () => {
      const now = await secretOf(cluster, TENANT_NAMESPACE, 'checkout-key')
      return now?.['token'] !== before && now?.['previousToken'] === before
    })
    const key = `/apis/smartflow.dev/v1alpha1/namespaces/${TENANT_NAMESPACE}/virtualkeys/checkout`
    expect((await cluster.request('DELETE', key)).code).toBe(200)
    await eventually(
      'it is gone',
      async () => (await see(cluster, 'virtualkeys', 'checkout', TENANT_NAMESPACE)) === undefined,
    )
    // The garbage collector learns of new definitions every half minute.
    const secretGone = async (): Promise<boolean> =>
      (await secretOf(cluster, TENANT_NAMESPACE, 'checkout-key')) === undefined
    await eventually('its Secret too', secretGone, 70_000)
    expect(refused()).toEqual([])
    expect(plane.log()).not.toContain('checkout-key')
  })

  test('a tenant that goes takes its children along', { timeout: 180_000 }, async () => {
    expect((await cluster.request('DELETE', `/apis/smartflow.dev/v1alpha1/aitenants/${tenant}`)).code).toBe(200)
    const routes = `/apis/gateway.networking.k8s.io/v1/namespaces/${SYSTEM}/httproutes`
    await eventually('no route', async () => (await count(routes)) === 0, 40_000)
    expect(refused()).toEqual([])
  })

  const system = `namespaces/${SYSTEM}`
  const elsewhere = `namespaces/${TENANT_NAMESPACE}`
  const GROUP = '/apis/smartflow.dev/v1alpha1'
  const rbac = '/apis/rbac.authorization.k8s.io/v1'

  test.for([
    ['lists no Secrets of the cluster', 'GET', '/api/v1/secrets'],
    ['lists no Secrets of its namespace', 'GET', `/api/v1/${system}/secrets`],
    ['watches no Secrets', 'GET', `/api/v1/${system}/secrets?watch=true&timeoutSeconds=1`],
    ['deletes no Secret', 'DELETE', `/api/v1/${elsewhere}/secrets/admin-key`],
    ['deletes no Secrets at all', 'DELETE', `/api/v1/${elsewhere}/secrets`],
    ['replaces no Secret', 'PUT', `/api/v1/${elsewhere}/secrets/admin-key`],
    ['reads no pods', 'GET', `/api/v1/${system}/pods`],
    ['reads no logs', 'GET', `/api/v1/${system}/pods/any/log`],
    ['runs nothing in pods', 'POST', `/api/v1/${system}/pods/any/exec?command=id`],
    ['makes no pods', 'POST', `/api/v1/${system}/pods`],
    ['deletes no pods', 'DELETE', `/api/v1/${system}/pods/any`],
    ['makes no Deployments', 'POST', `/apis/apps/v1/${system}/deployments`],
    ['scales nothing', 'PATCH', `/apis/apps/v1/${system}/deployments/any/scale`],
    ['makes no tokens', 'POST', `/api/v1/${system}/serviceaccounts/default/token`],
    ['grants nothing in its namespace', 'POST', `${rbac}/${system}/rolebindings`],
    ['grants nothing in the cluster', 'POST', `${rbac}/clusterrolebindings`],
    ['changes no role', 'PATCH', `${rbac}/clusterroles/cluster-admin`],
    ['labels no namespace', 'PATCH', `/api/v1/${elsewhere}`],
    ['reads no ConfigMaps', 'GET', `/api/v1/${elsewhere}/configmaps`],
    ['reads no nodes', 'GET', '/api/v1/nodes'],
    ['changes no tenant', 'PATCH', `${GROUP}/aitenants/any`],
    ['changes no gateway', 'PATCH', `${GROUP}/${system}/aigateways/main`],
    ['changes no provider', 'PATCH', `${GROUP}/${elsewhere}/aiproviders/openai`],
    ['makes no key', 'POST', `${GROUP}/${elsewhere}/virtualkeys`],
    ['deletes no key', 'DELETE', `${GROUP}/${elsewhere}/virtualkeys/admin`],
    ['makes no Ingress elsewhere', 'POST', `/apis/networking.k8s.io/v1/${elsewhere}/ingresses`],
    ['makes no route elsewhere', 'POST', `/apis/gateway.networking.k8s.io/v1/${elsewhere}/httproutes`],
    ['touches no other lease', 'PUT', `/apis/coordination.k8s.io/v1/${system}/leases/another`],
    ['changes no admission', 'POST', '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies'],
  ] as const)('%s', async ([, method, path]) => {
    const body = method === 'GET' || method === 'DELETE' ? undefined : { metadata: { name: 'any' } }
    const said = await cluster.request<{ message?: string }>(method, path, { token: installed.token, body })
    expect({ code: said.code, why: said.body.message }).toEqual({ code: 403, why: expect.stringContaining('cannot') })
  })
})
