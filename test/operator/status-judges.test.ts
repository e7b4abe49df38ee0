// What other tools see in the statuses that a real operator writes, from before it runs until all is well: kstatus (Flux,
// Helm) and Argo CD's health script. And a tenant whose certificate never comes.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect } from 'vitest'
import { parse } from 'yaml'
import { argoHealth, kstatus } from '../../hack/control-plane/judges.ts'
import { ask, chat } from '../e2e/calls.ts'
import { eventually } from '../e2e/gateway.ts'
import type { Upstream } from '../e2e/upstream.ts'
import { verifies } from '../requirements.ts'
import { test } from './cluster-test.ts'
import { startOutsideUpstream } from './outside-upstream.ts'
import {
  apply,
  condition,
  isSaid,
  type OperatorProcess,
  type Plane,
  secretOf,
  type Seen,
  see,
  seeAll,
  startOperator,
  startPlane,
} from './stack.ts'
import {
  answerForChildren,
  applyIn,
  kubectl,
  NAMESPACE,
  SERVED,
  TENANT,
  untilAll,
  untilChildren,
  useUpstream,
  worldOfFile,
  yamlOf,
} from './world.ts'

const ARGO = join(import.meta.dirname, '../../docs/gitops/argocd-cm.yaml')
const { data } = parse(readFileSync(ARGO, 'utf8')) as { data: Record<string, string> }

let operator: OperatorProcess
let plane: Plane
let upstream: Upstream

const here = worldOfFile(async () => {
  upstream = await startOutsideUpstream()
})
afterAll(() => upstream?.close())

type Judged = Record<string, { kstatus: string; argo: string | undefined }>

/** What both say of objects, by kind and name. */
async function judge(objects: readonly Seen[]): Promise<Judged> {
  const verdicts = await kstatus(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }))
  const judged: Judged = {}
  for (const [at, object] of objects.entries()) {
    const { kind = '', namespace = '', name, status = 'Unknown' } = verdicts[at] ?? {}
    const script = data[`resource.customizations.health.smartflow.dev_${kind}`] ?? ''
    judged[`${kind} ${namespace}/${name}`] = { kstatus: status, argo: (await argoHealth(script, object)).status }
  }
  return judged
}

const everything = async (): Promise<Seen[]> =>
  (await Promise.all(SERVED.map(plural => seeAll(here().cluster, plural)))).flat()

/** The same said of every one of them. */
const allAre = (objects: Judged, kstatusSays: string, argo: string): Judged =>
  Object.fromEntries(Object.keys(objects).map(name => [name, { kstatus: kstatusSays, argo }]))

test(`before the operator runs, everything is on its way ${verifies('D03')}`, async ({ cluster: _ }) => {
  const { cluster } = here()
  await apply(cluster, yamlOf('config/samples/tenant'))
  await applyIn(cluster, NAMESPACE, yamlOf('config/samples/standalone', ['keys.yaml', 'policies.yaml']))
  const judged = await judge(await everything())
  expect(Object.keys(judged)).toHaveLength(12)
  expect(judged).toEqual(allAre(judged, 'InProgress', 'Progressing'))
})

test(
  'a certificate that never comes keeps the tenant from being Ready, and nothing from working',
  {
    timeout: 180_000,
  },
  async ({ cluster: _ }) => {
    const { cluster, place } = here()
    operator = await startOperator(place)
    plane = await startPlane(place)
    await untilAll({ place, operator }, ['Programmed', 'True'])
    await untilChildren(cluster, 'Certificate', 1)
    await untilChildren(cluster, 'Ingress', 1)
    const tenant = await eventually('the tenant says what it waits for', async () => {
      const seen = await see(cluster, 'aitenants', 'acme')
      const waits =
        isSaid(seen, 'CertificateReady', 'False') &&
        ['CertificateReady', 'RouteReady'].every(type => !/is being made/.test(condition(seen, type)?.message ?? ''))
      return waits ? seen : undefined
    })
    const missed = expect.stringMatching(
      /^cert-manager has not answered for Certificate smartflow-system\/sf-acme-\w+ yet/,
    )
    expect(condition(tenant, 'CertificateReady')).toMatchObject({ reason: 'Pending', message: missed })
    expect(condition(tenant, 'RouteReady')).toMatchObject({ status: 'False', reason: 'Pending' })
    expect(condition(tenant, 'RouteReady')?.message).toContain('has no address yet')
    expect(condition(tenant, 'Ready')).toMatchObject({ status: 'False', message: missed })
    expect(condition(tenant, 'Reconciling')).toMatchObject({ status: 'True', message: missed })
    expect(condition(tenant, 'Stalled')).toBeUndefined()
    expect(await judge([tenant])).toEqual({ 'AITenant /acme': { kstatus: 'InProgress', argo: 'Progressing' } })

    await useUpstream(cluster, upstream.url)
    const token = (await secretOf(cluster, TENANT, 'checkout-key'))?.['token'] ?? ''
    expect((await ask(plane.proxy, token, chat('support'))).status).toBe(200)
    const waiting = async (): Promise<string[]> => {
      const others = (await everything()).filter(({ metadata }) => metadata.name !== 'acme')
      return others.filter(each => !isSaid(each, 'Ready', 'True')).map(({ metadata }) => metadata.name)
    }
    await expect.poll(waiting).toEqual([])
  },
)

test(`when all have answered, everything is current and healthy ${verifies('D03')}`, async ({ cluster: _ }) => {
  const { cluster, place } = here()
  await answerForChildren(cluster)
  await untilAll({ place, operator }, ['Ready', 'True'])
  const judged = await judge(await everything())
  expect(judged).toEqual(allAre(judged, 'Current', 'Healthy'))
  const tenant = await see(cluster, 'aitenants', 'acme')
  expect(tenant?.status).toMatchObject({
    certificate: { ready: true, notAfter: expect.stringMatching(/Z$/) },
    endpoints: ['https://acme.ai.example.com'],
    keys: 2,
  })
  await kubectl(cluster, 'wait', '--for=condition=Ready', '--timeout=10s', 'aitenant/acme')
})

test(`what only its author can mend has failed ${verifies('D03')}`, async ({ cluster: _ }) => {
  const { cluster } = here()
  const meta = (name: string): object => ({ name, namespace: TENANT })
  const broken = [
    // The name of another key of the tenant.
    { kind: 'VirtualKey', metadata: meta('twin'), spec: { alias: 'checkout' } },
    // Not for clusters.
    { kind: 'AIProvider', metadata: meta('own'), spec: { preset: 'demo' } },
    { kind: 'VirtualKey', metadata: meta('root'), spec: { alias: 'root', role: 'ProxyAdmin' } },
  ]
  for (const object of broken) await apply(cluster, { apiVersion: 'smartflow.dev/v1alpha1', ...object })
  // A second gateway, and one where no gateway may be.
  for (const namespace of [NAMESPACE, TENANT])
    await applyIn(cluster, namespace, yamlOf('config/samples/standalone', ['gateway.yaml']))
  const names = ['twin', 'own', 'root', 'standalone']
  const seen = await eventually('they say that they are not accepted', async () => {
    const all = (await everything()).filter(({ metadata }) => names.includes(metadata.name))
    return all.length === 5 && all.every(each => isSaid(each, 'Accepted', 'False')) ? all : undefined
  })
  const judged = await judge(seen)
  expect(judged).toEqual(allAre(judged, 'Failed', 'Degraded'))
  const reasons = seen.map(each => {
    const { name, namespace } = each.metadata
    return [`${namespace}/${name}`, condition(each, 'Ready')?.reason]
  })
  expect(Object.fromEntries(reasons)).toEqual({
    [`${TENANT}/twin`]: 'Conflicted',
    [`${TENANT}/own`]: 'UnsupportedValue',
    [`${TENANT}/root`]: 'NamespaceNotAllowed',
    [`${NAMESPACE}/standalone`]: 'Conflicted',
    [`${TENANT}/standalone`]: 'NamespaceNotAllowed',
  })
  await eventually('the gateway is Ready', async () =>
    isSaid(await see(cluster, 'aigateways', 'main', NAMESPACE), 'Ready', 'True'),
  )
})
