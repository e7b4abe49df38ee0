// The charts as the API server and Helm see them: every kind of installation is valid to the last field, the same twice,
// within Pod Security "restricted", and with no more rights than stated.
import { readFileSync, globSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect } from 'vitest'
import { loadCrds } from '../../hack/control-plane/crds.ts'
import { cleanUp } from '../e2e/gateway.ts'
import { test } from './cluster-test.ts'
import { CHART, CRD_CHART, helm, INSTALLATIONS, installDefinitions, objectsOf, render } from './helm.ts'

const MANUAL = join(import.meta.dirname, '../../docs/kubernetes')
/** The manual's own namespaces are not there. */
const HERE = { namespace: 'default' }

/** Those of others, and ours: once. */
let definitions: Promise<unknown> | undefined

afterAll(cleanUp)

/** Values that are no good, with a word of the message. */
const REFUSED: readonly [flag: string, word: RegExp][] = [
  ['dataplane.replica=3', /replica/],
  ['redis.existingSecret=', /existingSecret/],
  ['rbac.scope=all', /scope/],
  ['image.digest=latest', /digest/],
  ['surprise=true', /surprise/],
]

test('helm finds nothing to say about the chart of the definitions', async ({ cluster }) => {
  expect(await helm(cluster, ['lint', '--strict', CRD_CHART])).toContain('0 chart(s) failed')
})

describe.each(INSTALLATIONS)('an installation "$name"', ({ file }) => {
  test('is without fault for helm, and rendered the same twice', async ({ cluster, namespace }) => {
    expect(await helm(cluster, ['lint', '--strict', CHART, '--values', file])).toContain('0 chart(s) failed')
    expect(await render(cluster, namespace, file)).toBe(await render(cluster, namespace, file))
  })

  test('is accepted by the API server to the last field, under the restricted standard', async ({
    cluster,
    namespace,
  }) => {
    await (definitions ??= Promise.all([loadCrds(cluster), installDefinitions(cluster)]))
    const enforce = {
      'pod-security.kubernetes.io/enforce': 'restricted',
      'pod-security.kubernetes.io/warn': 'restricted',
    }
    await cluster.request('PATCH', `/api/v1/namespaces/${namespace}`, { body: { metadata: { labels: enforce } } })
    for (const name of ['payments', 'search']) await cluster.kubectl(['create', 'namespace', name])
    const apply = ['apply', '--server-side', '--dry-run=server', '--validate=strict', '--filename=-']
    const said = await cluster.kubectl(apply, { input: await render(cluster, namespace, file) })
    expect(said.stderr).toBe('')
    expect(said.code).toBe(0)
  })

  test('asks for no right that the manual does not name', async ({ cluster, namespace }) => {
    const objects = objectsOf(await render(cluster, namespace, file))
    const rules = objects.flatMap(({ kind, rules: given = [] }) => given.map(rule => ({ kind, ...rule })))
    const words = rules.flatMap(({ apiGroups, resources, verbs }) => [...apiGroups, ...resources, ...verbs])
    for (const word of ['*', 'escalate', 'bind', 'impersonate', 'deletecollection']) expect(words).not.toContain(word)
    const secrets = rules.filter(({ resources }) => resources.includes('secrets'))
    expect(new Set(secrets.flatMap(({ verbs }) => verbs))).toEqual(new Set(['get', 'create', 'patch']))
    const isClosed = file.includes('locked-down')
    expect(secrets.map(({ kind }) => kind)).toEqual(isClosed ? ['Role', 'Role', 'Role'] : ['ClusterRole'])
  })
})

test.for(REFUSED)('the value %s is refused', async ([flag, word], { cluster }) => {
  await expect(helm(cluster, ['template', 'shop', CHART, '--set', flag])).rejects.toThrow(word)
})

test('the name of a release has to do as the name of a gateway', async ({ cluster }) => {
  await expect(helm(cluster, ['template', 'shop.eu', CHART])).rejects.toThrow('no dots')
})

test('data planes have no token, and leave in time: the grace period covers all that they do on their way out', async ({
  cluster,
  namespace,
}) => {
  const [installation] = INSTALLATIONS.filter(({ name }) => name === 'locked-down')
  const objects = objectsOf(await render(cluster, namespace, installation?.file ?? ''))
  const gateway = objects.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'shop-gateway')
  expect(gateway).toMatchObject({
    spec: {
      template: {
        spec: {
          automountServiceAccountToken: false,
          terminationGracePeriodSeconds: 150,
          containers: [
            {
              env: expect.arrayContaining([
                { name: 'SMARTFLOW_LAME_DUCK_MS', value: '15000' },
                { name: 'SMARTFLOW_DRAIN_MS', value: '120000' },
                { name: 'SMARTFLOW_GATEWAY', value: 'shop' },
              ]),
            },
          ],
        },
      },
    },
  })
})

test('the resources in the manual are as the API server wants them', async ({ cluster }) => {
  await (definitions ??= Promise.all([loadCrds(cluster), installDefinitions(cluster)]))
  const manuals = globSync(join(MANUAL, '*.md')).map(file => readFileSync(file, 'utf8'))
  const blocks = manuals.flatMap(text => [...text.matchAll(/^```yaml\n([^]*?)^```$/gm)].map(([, block = '']) => block))
  const objects = blocks.flatMap(objectsOf)
  for (const { apiVersion, kind, metadata } of objects)
    expect([apiVersion, kind, metadata.name]).not.toContain(undefined)
  const ours = objects.filter(({ apiVersion }) => apiVersion.startsWith('smartflow.dev/'))
  expect(ours.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['AITenant', 'AIProvider', 'VirtualKey']))
  const items = ours.map(object => ({
    ...object,
    metadata: { ...object.metadata, ...(object.metadata.namespace && HERE) },
  }))
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
  const apply = ['apply', '--server-side', '--dry-run=server', '--validate=strict', '--filename=-']
  expect(await cluster.kubectl(apply, { input })).toMatchObject({ code: 0, stderr: '' })
})

test('an autoscaler and the chart never both say how many gateways there are', async ({ cluster, namespace }) => {
  const [installation] = INSTALLATIONS.filter(({ name }) => name === 'ha')
  const objects = objectsOf(await render(cluster, namespace, installation?.file ?? ''))
  expect(objects.map(({ kind }) => kind)).toContain('HorizontalPodAutoscaler')
  const gateway = objects.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'shop-gateway')
  expect(gateway?.spec).not.toHaveProperty('replicas')
})

test('templates neither look at the cluster nor roll dice', () => {
  const files = [CHART, CRD_CHART].flatMap(chart =>
    globSync('templates/**/*.*', { cwd: chart }).map(file => join(chart, file)),
  )
  expect(files.length).toBeGreaterThan(10)
  const restless =
    /\b(lookup|rand[A-Z]\w*|uuidv4|genCA|genPrivateKey|genSignedCert|genSelfSignedCert|now|htpasswd|bcrypt)\b/
  for (const file of files) {
    const actions = readFileSync(file, 'utf8').match(/\{\{[^]*?\}\}/g) ?? []
    expect(actions.filter(action => !action.startsWith('{{- /*') && restless.test(action))).toEqual([])
  }
})
