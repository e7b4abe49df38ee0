import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { MemoryApi } from '../../../test/operator/memory-api.ts'
import { HOME, liveObject, planOf } from '../../../test/operator/plans.ts'
import type { KubeObject } from '../api/resource-type.ts'
import { Writer } from '../apply/writer.ts'
import { Observed } from '../watch/observed.ts'
import { TenantReconciler } from './tenant-reconciler.ts'

const CHILD = /^Ingress gateways\/sf-acme-[0-9a-f]{10}$/

let api: MemoryApi
let observed: Observed
let reconciler: TenantReconciler

const gateway = liveObject('AIGateway', 'main', {
  namespace: HOME,
  spec: { exposure: { type: 'Ingress', domains: ['*.ai.example.com'], tls: { mode: 'Disabled' } } },
})
const tenant = liveObject('AITenant', 'acme', {
  spec: { namespaces: { names: ['shop'] }, hostnames: ['acme.ai.example.com'] },
})

beforeEach(async () => {
  vi.useFakeTimers()
  api = new MemoryApi()
  const listener = { ours: () => undefined, around: () => undefined }
  observed = new Observed({ client: api, namespace: HOME, listener, failing: () => undefined })
  const options = { writer: new Writer(api), observed, gatewayId: 'gw', serviceMonitor: true }
  reconciler = new TenantReconciler(options)
  await observed.start()
})

afterEach(async () => {
  await observed.stop()
  vi.useRealTimers()
})

async function put(object: KubeObject): Promise<void> {
  api.put(object)
  await vi.advanceTimersByTimeAsync(0)
}

/** Reconciles the tenant with a plan of everything that is there. */
async function reconcile(plan = planOf([...observed.all()].map(({ live }) => live))): Promise<string[]> {
  const before = api.written().length
  const parsed = observed.parsed('AITenant//acme')
  if (parsed !== undefined) await reconciler.reconcile(parsed, plan)
  await vi.advanceTimersByTimeAsync(0)
  return api.written().slice(before)
}

test('a tenant gets its children once, owned by it', async () => {
  await put(gateway)
  await put(tenant)
  const written = await reconcile()
  expect(written).toEqual([expect.stringMatching(/^apply Ingress gateways\/sf-acme-/)])
  const [child] = [...observed.children()].filter(({ kind }) => kind === 'Ingress')
  expect(`Ingress ${child?.metadata.namespace}/${child?.metadata.name}`).toMatch(CHILD)
  expect(reconciler.childrenOf(tenant)).toEqual([child])
  expect(await reconcile()).toEqual([])
})

test('a child that somebody changed is set right', async () => {
  await put(gateway)
  await put(tenant)
  await reconcile()
  const [child] = reconciler.childrenOf(tenant)
  if (child !== undefined) await put({ ...child, spec: { rules: [] } })
  expect(await reconcile()).toHaveLength(1)
})

test('what is no longer wanted goes; what the tenant does not own stays', async () => {
  await put(gateway)
  await put(tenant)
  await reconcile()
  await put(liveObject('Ingress', 'theirs', { namespace: HOME }))
  await put({ ...tenant, metadata: { ...tenant.metadata, generation: 2 }, spec: { namespaces: { names: ['shop'] } } })
  expect(await reconcile()).toEqual([expect.stringMatching(/^delete Ingress gateways\/sf-acme-/)])
  expect([...observed.children()].map(({ metadata }) => metadata.name)).toEqual(['theirs'])
})

test('a tenant loses its children with the gateway, but not because the gateway cannot be read', async () => {
  await put(gateway)
  await put(tenant)
  await reconcile()
  const invalid = new Map([[`AIGateway/${HOME}/main`, 'spec is wrong']])
  expect(await reconcile(planOf([tenant], { invalid }))).toEqual([])
  expect(await reconcile(planOf([tenant]))).toHaveLength(1)
})

test('nothing is done for a tenant that is broken or being deleted', async () => {
  await put(gateway)
  await put(tenant)
  const plan = planOf([gateway, tenant], { invalid: new Map([['AITenant//acme', 'wrong']]) })
  expect(await reconcile(plan)).toEqual([])
  await put({ ...tenant, metadata: { ...tenant.metadata, deletionTimestamp: '2026-01-02T00:00:00Z' } })
  expect(await reconcile()).toEqual([])
})

test('the gateway in force gets its own children, another gets none', async () => {
  const second = liveObject('AIGateway', 'second', {
    namespace: HOME,
    creationTimestamp: '2026-02-01T00:00:00Z',
    spec: gateway.spec,
  })
  await put(gateway)
  await put(second)
  const plan = planOf([gateway, second])
  for (const name of ['second', 'main']) {
    const parsed = observed.parsed(`AIGateway/${HOME}/${name}`)
    if (parsed !== undefined) await reconciler.reconcileGateway(parsed, plan)
  }
  const owners = [...new Set(api.calls.filter(({ verb }) => verb === 'apply').map(({ body }) => JSON.stringify(body)))]
  expect(owners.length).toBeGreaterThan(0)
  expect(owners.every(body => body.includes('"uid-main"'))).toBe(true)
})

test('a tenant gets only the namespaces and host names that compiling granted', async () => {
  const plan = planOf([gateway, tenant])
  const parsed = plan.resources.get('AITenant//acme')
  const main = plan.resources.get(`AIGateway/${HOME}/main`)
  if (parsed?.kind !== 'AITenant' || main?.kind !== 'AIGateway') throw new Error('the objects do not parse')
  const refused = { ...plan, hosts: new Map(), items: new Map() }
  expect(reconciler.inputFor(parsed, main, plan)).toMatchObject({
    namespaces: ['shop'],
    hosts: ['acme.ai.example.com'],
    available: { certManager: true },
  })
  expect(reconciler.inputFor(parsed, main, refused)).toMatchObject({ namespaces: [], hosts: [] })
})
