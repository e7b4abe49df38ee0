import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FakeKubeApi } from '../../../test/operator/fake-kube-api.ts'
import { KubeClient } from '../api/client.ts'
import { ClusterAccess } from '../api/kube-config.ts'
import { type KubeObject, type NewObject, type ObjectKey, TYPES } from '../api/resource-type.ts'
import { APPLIED_ANNOTATION, FIELD_MANAGER, STATUS_MANAGER, Writer } from './writer.ts'

const INGRESS = '/apis/networking.k8s.io/v1/namespaces/gateway/ingresses/acme'
const INGRESS_KEY: ObjectKey = { type: TYPES.Ingress, namespace: 'gateway', name: 'acme' }
const TENANT = '/apis/smartflow.dev/v1alpha1/aitenants/acme'
const TENANT_KEY: ObjectKey = { type: TYPES.AITenant, name: 'acme' }
const FINALIZER = 'smartflow.dev/revoke'

let api: FakeKubeApi
let client: KubeClient
let writer: Writer

beforeEach(async () => {
  api = await FakeKubeApi.start()
  client = new KubeClient({ access: new ClusterAccess({ kubeconfig: api.kubeconfig }) })
  writer = new Writer(client)
})

afterEach(async () => {
  await client.close()
  await api.stop()
})

function ingress(host: string): NewObject {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name: 'acme', namespace: 'gateway', labels: { 'smartflow.dev/tenant': 'acme' } },
    spec: { ingressClassName: undefined, rules: [{ host }] },
  }
}

async function live(key: ObjectKey): Promise<KubeObject> {
  const object = await client.get(key)
  if (!object) throw new Error(`${key.name} is not there`)
  return object
}

const writes = (): string[] => api.seen.filter(({ method }) => method !== 'GET').map(({ method }) => method)

describe('children', () => {
  it('are applied with our field manager, and left alone while they are as desired', async () => {
    expect(await writer.apply(ingress('a.test'), undefined)).toBe('written')
    const { query, headers } = api.seen.at(-1) ?? {}
    expect(query?.get('fieldManager')).toBe(FIELD_MANAGER)
    expect([query?.get('force'), query?.get('fieldValidation')]).toEqual(['true', 'Strict'])
    expect(headers?.['content-type']).toBe('application/apply-patch+yaml')
    expect(await writer.apply(ingress('a.test'), await live(INGRESS_KEY))).toBe('unchanged')
    api.put(INGRESS, { status: { loadBalancer: {} }, metadata: { labels: { ...tenantLabel, theirs: 'yes' } } })
    expect(await writer.apply(ingress('a.test'), await live(INGRESS_KEY))).toBe('unchanged')
    expect(writes()).toEqual(['PATCH'])
  })

  const tenantLabel = { 'smartflow.dev/tenant': 'acme' }

  it('are mended when somebody changes what is ours, and follow what is desired', async () => {
    await writer.apply(ingress('a.test'), undefined)
    api.put(INGRESS, { spec: { rules: [{ host: 'wrong.test' }] } })
    expect(await writer.apply(ingress('a.test'), await live(INGRESS_KEY))).toBe('written')
    expect(api.object(INGRESS)?.['spec']).toEqual({ rules: [{ host: 'a.test' }] })
    expect(await writer.apply(ingress('b.test'), await live(INGRESS_KEY))).toBe('written')
  })

  it('are applied anew when a field is wanted no longer, though the live object has all that is', async () => {
    const { spec, ...bare } = ingress('a.test')
    expect(spec).toBeDefined()
    await writer.apply(ingress('a.test'), undefined)
    expect(await writer.apply(bare, await live(INGRESS_KEY))).toBe('written')
  })

  it('are never made of an object that we did not make', async () => {
    api.put(INGRESS, { spec: { rules: [] } })
    const foreign = await live(INGRESS_KEY)
    for (const known of [foreign, undefined]) {
      await expect(writer.apply(ingress('a.test'), known)).rejects.toMatchObject({ reason: 'AlreadyExists' })
    }
    expect(writes()).toEqual([])
  })

  it('are ours also when somebody took the annotation off', async () => {
    await writer.apply(ingress('a.test'), undefined)
    api.put(INGRESS, { metadata: { annotations: {} } })
    expect(await writer.apply(ingress('a.test'), await live(INGRESS_KEY))).toBe('written')
    expect((await live(INGRESS_KEY)).metadata.annotations?.[APPLIED_ANNOTATION]).toMatch(/^[0-9a-f]{32}$/)
  })

  it('are no others than those that were looked at', async () => {
    await writer.apply(ingress('a.test'), undefined)
    const known = await live(INGRESS_KEY)
    api.remove(INGRESS)
    await expect(writer.apply(ingress('b.test'), known)).rejects.toMatchObject({ reason: 'Conflict' })
    expect(api.object(INGRESS)).toBeUndefined()
    await writer.apply(ingress('a.test'), undefined)
    await expect(writer.apply(ingress('b.test'), known)).rejects.toMatchObject({ reason: 'Conflict' })
  })
})

describe('a status', () => {
  it('is written whole by its own field manager, and only when it differs', async () => {
    api.put(TENANT, { spec: { namespaces: {} } })
    const status = { observedGeneration: 1, conditions: [{ type: 'Ready', status: 'True' }], config: undefined }
    expect(await writer.applyStatus(TENANT_KEY, status, await live(TENANT_KEY))).toBe('written')
    const { path, query, body } = api.seen.at(-1) ?? {}
    expect([path, query?.get('fieldManager')]).toEqual([`${TENANT}/status`, STATUS_MANAGER])
    expect(Object.keys(body as object).sort()).toEqual(['apiVersion', 'kind', 'metadata', 'status'])
    expect(await writer.applyStatus(TENANT_KEY, { ...status }, await live(TENANT_KEY))).toBe('unchanged')
  })

  it('is not written to an object that was made anew meanwhile, or is gone', async () => {
    api.put(TENANT)
    const known = await live(TENANT_KEY)
    api.remove(TENANT)
    api.put(TENANT)
    expect(await writer.applyStatus(TENANT_KEY, { observedGeneration: 1 }, known)).toBe('unchanged')
    expect(api.object(TENANT)?.['status']).toBeUndefined()
  })
})

describe('finalizers', () => {
  it('are added beside others, and only ours is taken off', async () => {
    api.put(TENANT, { metadata: { finalizers: ['theirs'] } })
    expect(await writer.addFinalizer(TENANT_KEY, FINALIZER, await live(TENANT_KEY))).toBe('written')
    expect(await writer.addFinalizer(TENANT_KEY, FINALIZER, await live(TENANT_KEY))).toBe('unchanged')
    expect(api.object(TENANT)?.metadata['finalizers']).toEqual(['theirs', FINALIZER])
    expect(await writer.removeFinalizer(TENANT_KEY, FINALIZER, await live(TENANT_KEY))).toBe('written')
    expect(await writer.removeFinalizer(TENANT_KEY, FINALIZER, await live(TENANT_KEY))).toBe('unchanged')
    expect(api.object(TENANT)?.metadata['finalizers']).toEqual(['theirs'])
  })

  it('make the list where there is none', async () => {
    api.put(TENANT)
    await writer.addFinalizer(TENANT_KEY, FINALIZER, await live(TENANT_KEY))
    expect(api.object(TENANT)?.metadata['finalizers']).toEqual([FINALIZER])
  })

  it('are not touched when the object changed since it was looked at', async () => {
    api.put(TENANT, { metadata: { finalizers: [FINALIZER] } })
    const known = await live(TENANT_KEY)
    api.put(TENANT, { metadata: { finalizers: ['new', FINALIZER] } })
    await expect(writer.removeFinalizer(TENANT_KEY, FINALIZER, known)).rejects.toMatchObject({ reason: 'Conflict' })
    expect(api.object(TENANT)?.metadata['finalizers']).toEqual(['new', FINALIZER])
  })
})

describe('what is made or deleted once', () => {
  it('is not made again when it is there', async () => {
    const secret: NewObject = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'keys', namespace: 'gateway' },
      stringData: { value: 'first' },
    }
    await writer.createOnce(secret)
    const again = await writer.createOnce({ ...secret, stringData: { value: 'second' } })
    expect(again['stringData']).toEqual({ value: 'first' })
  })

  it('is looked for before it is made, when it is there as a rule', async () => {
    const secret: NewObject = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'keys', namespace: 'gateway' },
      stringData: { value: 'first' },
    }
    const reads: string[] = []
    const counting = new Writer({
      get: key => (reads.push(key.name), client.get(key)),
      create: object => (reads.push('create'), client.create(object)),
      apply: client.apply.bind(client),
      patchJson: client.patchJson.bind(client),
      delete: client.delete.bind(client),
    })
    await counting.ensure(secret)
    const again = await counting.ensure({ ...secret, stringData: { value: 'second' } })
    expect(again['stringData']).toEqual({ value: 'first' })
    expect(reads).toEqual(['keys', 'create', 'keys'])
  })

  it('is deleted only while it is the same object', async () => {
    api.put(TENANT)
    const { metadata } = await live(TENANT_KEY)
    expect(await writer.remove(TENANT_KEY, 'another')).toBe(false)
    expect(await writer.remove(TENANT_KEY, metadata.uid)).toBe(true)
    expect(await writer.remove(TENANT_KEY, metadata.uid)).toBe(false)
  })
})
