// Every child of the golden files, held against the definitions of those who read them: cert-manager, Gateway API,
// Prometheus operator, and Kubernetes itself. Unknown and misplaced fields are refused.
import { readdirSync } from 'node:fs'
import { beforeAll, describe, expect, inject } from 'vitest'
import { openCluster } from '../../hack/control-plane/cluster.ts'
import { loadCrds } from '../../hack/control-plane/crds.ts'
import { type NewObject, pathOf, typeOf } from '../../operator/src/api/resource-type.ts'
import { childrenOf, gatewayChildrenOf } from '../../operator/src/desired/children.ts'
import { FOLDER, readCase } from '../../operator/src/desired/golden-case.ts'
import { createdSecret } from '../../operator/src/desired/key-secret-object.ts'
import { test } from './cluster-test.ts'
import { NGINX_GATEWAY_DEFINITIONS } from './nginx-gateway-crds.ts'

const EVERYTHING = { certManager: true, gatewayAPI: true, serviceMonitor: true, nginxGateway: true }

beforeAll(async () => {
  const address = inject('cluster')
  if (!address) return
  const cluster = openCluster(address)
  await loadCrds(cluster)
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: NGINX_GATEWAY_DEFINITIONS })
  expect((await cluster.kubectl(['apply', '--server-side', '--filename=-'], { input })).code).toBe(0)
  const names = NGINX_GATEWAY_DEFINITIONS.map(({ metadata }) => `crd/${metadata.name}`)
  expect((await cluster.kubectl(['wait', '--for=condition=Established', '--timeout=20s', ...names])).code).toBe(0)
}, 300_000)

/** All children of a case, whatever the case says the cluster lacks, in a namespace that is there. */
function childrenIn(name: string, namespace: string): NewObject[] {
  const { gateway, gatewayId, services, tenants, inputOf } = readCase(name)
  const ofTenants = tenants.flatMap(tenant => childrenOf({ ...inputOf(tenant), available: EVERYTHING }))
  const children = [...gatewayChildrenOf({ gateway, gatewayId, services, available: EVERYTHING }), ...ofTenants]
  return children.map(child => ({ ...child, metadata: { ...child.metadata, namespace } }))
}

/** Where server-side apply of an object goes. */
function applyPath(object: NewObject): string {
  const { namespace, name } = object.metadata
  return `${pathOf({ type: typeOf(object), namespace, name })}?fieldManager=test&fieldValidation=Strict&force=true`
}

const APPLY = 'application/apply-patch+yaml'

describe('the API server takes what the golden files say', () => {
  const cases = readdirSync(FOLDER).filter(name => name.endsWith('.in.yaml'))

  test.for(cases)('%s', async (name, { cluster, namespace }) => {
    const children = childrenIn(name, namespace)
    expect(children.length).toBeGreaterThan(0)
    for (const body of children) {
      const { code, body: said } = await cluster.request('PATCH', `${applyPath(body)}&dryRun=All`, {
        body,
        contentType: APPLY,
      })
      expect({ kind: body.kind, code, said: code === 201 ? '' : said }).toEqual({
        kind: body.kind,
        code: 201,
        said: '',
      })
    }
  })

  test.for(cases)(
    '%s comes back as it was sent, and once more writes nothing',
    async (name, { cluster, namespace }) => {
      for (const body of childrenIn(name, namespace)) {
        // Owners that do not exist: the garbage collector would take the children away.
        const { ownerReferences: _, ...metadata } = body.metadata
        const sent = { ...body, metadata }
        const put = () =>
          cluster.request<NewObject & { metadata: { resourceVersion: string } }>('PATCH', applyPath(sent), {
            body: sent,
            contentType: APPLY,
          })
        expect((await put()).body).toMatchObject({ spec: sent.spec })
        // The first time after the making, defaults of a definition's status are stored.
        const settled = (await put()).body.metadata.resourceVersion
        expect((await put()).body.metadata.resourceVersion).toBe(settled)
      }
    },
  )
})

test('the API server takes the Secret of a key', async ({ cluster, namespace }) => {
  const key = { metadata: { name: 'app', namespace, uid: '0a1b0000-0000-4000-8000-000000000021' }, spec: {} }
  const secret = createdSecret(key, { token: 'a-token', url: 'http://gateway:7775' }, Date.now())
  const path = `/api/v1/namespaces/${namespace}/secrets?dryRun=All&fieldValidation=Strict`
  expect((await cluster.request('POST', path, { body: secret })).code).toBe(201)
})

test('a field that is not there is refused, so the tests above mean something', async ({ cluster, namespace }) => {
  const [child] = childrenIn('nginx.in.yaml', namespace)
  const body = { ...child, spec: { ...Object(child?.spec), surprise: true } }
  const path = child === undefined ? '' : `${applyPath(child)}&dryRun=All`
  const said = await cluster.request<{ message: string }>('PATCH', path, { body, contentType: APPLY })
  expect(said.code).toBeGreaterThanOrEqual(400)
  expect(said.body.message).toContain('surprise')
})
