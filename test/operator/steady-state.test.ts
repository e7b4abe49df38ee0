// When nothing changes, nothing is written: not by looking again, not by a fresh operator, not because the API server fills
// defaults in, and not because somebody else writes beside the operator.
import { expect } from 'vitest'
import type { Cluster } from '../../hack/control-plane/cluster.ts'
import { get } from '../e2e/calls.ts'
import { eventually } from '../e2e/gateway.ts'
import { test } from './cluster-test.ts'
import { apply, condition, type OperatorProcess, see, seeAll, startOperator, startPlane } from './stack.ts'
import {
  answerForChildren,
  type Child,
  CHILDREN,
  childrenOf,
  KINDS,
  NAMESPACE,
  patchSpec,
  pathOf,
  request,
  TENANT,
  untilAll,
  untilChildren,
  worldOfFile,
  yamlOf,
} from './world.ts'

/** Turns of the loop without a change, five seconds apart: each compares everything anew. */
const TURNS = 2

let operator: OperatorProcess

const here = worldOfFile(async ({ place }) => {
  operator = await startOperator(place)
  await startPlane(place)
  await startPlane(place)
})

/** Versions of all that the operator could have written, by kind and name. */
async function versions(cluster: Cluster): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  const note = (kind: string, { metadata }: Pick<Child, 'metadata'>): void => {
    found[`${kind} ${metadata.namespace ?? ''}/${metadata.name}`] = metadata.resourceVersion
  }
  for (const plural of KINDS) for (const each of await seeAll(cluster, plural)) note(plural, each)
  for (const kind of ['Certificate', 'Ingress', 'NetworkPolicy'] as const)
    for (const each of await childrenOf(cluster, kind)) note(kind, each)
  for (const namespace of [NAMESPACE, TENANT]) {
    for (const plural of ['secrets', 'events']) {
      const path = `/api/v1/namespaces/${namespace}/${plural}`
      for (const each of (await request<{ items: Child[] }>(cluster, 'GET', path)).items) note(plural, each)
    }
  }
  return found
}

/** A counter of the operator's, summed over the samples whose labels match. */
async function counted(name: string, labels: RegExp): Promise<number> {
  const { text } = await get(`${operator.metrics}/metrics`)
  const samples = text.split('\n').filter(line => line.startsWith(`${name}{`) && labels.test(line))
  return samples.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}

/** Calls that could write, beside renewals of the Lease (PUT). */
const writes = (): Promise<number> => counted('rest_client_requests_total', /method="(POST|PATCH|DELETE)"/)

const lengthOf = (list: unknown): number => (Array.isArray(list) ? list.length : 0)

/** Waits until the operator has looked at everything a few times more and found what is published to be right. */
async function someTurns(): Promise<void> {
  const unchanged = (): Promise<number> => counted('smartflow_config_published_total', /result="unchanged"/)
  const before = await unchanged()
  await eventually('some turns more', async () => (await unchanged()) >= before + TURNS, 40_000)
}

test('looking again writes nothing', { timeout: 180_000 }, async ({ cluster: _ }) => {
  const { cluster, place } = here()
  await apply(cluster, yamlOf('config/samples/tenant'))
  // Most fields of a NetworkPolicy are filled in by the API server.
  await patchSpec(cluster, pathOf('aigateways', 'main', NAMESPACE), { exposure: { networkPolicy: true } })
  for (const kind of ['Certificate', 'Ingress'] as const) await untilChildren(cluster, kind, 1)
  await untilChildren(cluster, 'NetworkPolicy', 2)
  await answerForChildren(cluster)
  await untilAll({ place, operator }, ['Ready', 'True'])
  await someTurns() // the events of the changes are written by then
  const [before, wroteBefore] = [await versions(cluster), await writes()]
  expect(Object.keys(before).length).toBeGreaterThan(20)
  await someTurns()
  expect(await versions(cluster)).toEqual(before)
  expect(await writes()).toBe(wroteBefore)
  expect(await counted('rest_client_requests_total', /method="PUT"/)).toBeGreaterThan(0)
})

test('a fresh operator writes nothing', { timeout: 180_000 }, async ({ cluster: _ }) => {
  const { cluster, place } = here()
  const before = await versions(cluster)
  await operator.stop()
  operator = await startOperator(place)
  await eventually('it leads', async () => (await counted('leader_election_master_status', /=/)) === 1, 30_000)
  await someTurns()
  await untilAll({ place, operator }, ['Ready', 'True'])
  expect(await versions(cluster)).toEqual(before)
  expect(await writes()).toBe(0)
})

const APPLY = 'application/apply-patch+yaml'

/** Somebody else's label and condition on an object of ours. */
async function meddle(
  cluster: Cluster,
  path: string,
  { apiVersion, kind }: { apiVersion: string; kind: string },
): Promise<void> {
  const name = path.slice(path.lastIndexOf('/') + 1)
  const body = { apiVersion, kind, metadata: { name, labels: { 'example.com/watched': 'yes' } } }
  await request(cluster, 'PATCH', `${path}?fieldManager=other`, { body, contentType: APPLY })
  const at = { lastTransitionTime: '2026-01-01T00:00:00Z', reason: 'Seen', message: 'by somebody else' }
  const status = { conditions: [{ type: 'Watched', status: 'True', ...at }] }
  const withStatus = { apiVersion, kind, metadata: { name }, status }
  if (kind === 'Ingress' || kind === 'NetworkPolicy') return // they have no conditions
  await request(cluster, 'PATCH', `${path}/status?fieldManager=other`, { body: withStatus, contentType: APPLY })
}

test('what somebody else writes is neither answered nor taken away', { timeout: 180_000 }, async ({ cluster: _ }) => {
  const { cluster, place } = here()
  const apiVersion = 'smartflow.dev/v1alpha1'
  await meddle(cluster, pathOf('aigateways', 'main', NAMESPACE), { apiVersion, kind: 'AIGateway' })
  await meddle(cluster, pathOf('aitenants', 'acme'), { apiVersion, kind: 'AITenant' })
  await meddle(cluster, pathOf('virtualkeys', 'checkout', TENANT), { apiVersion, kind: 'VirtualKey' })
  await meddle(cluster, pathOf('policies', 'acme-baseline', TENANT), { apiVersion, kind: 'Policy' })
  for (const [kind, group] of [
    ['Certificate', 'cert-manager.io/v1'],
    ['Ingress', 'networking.k8s.io/v1'],
    ['NetworkPolicy', 'networking.k8s.io/v1'],
  ] as const)
    for (const { metadata } of await childrenOf(cluster, kind))
      await meddle(cluster, `${CHILDREN[kind]}/${metadata.name}`, { apiVersion: group, kind })
  const body = { metadata: { labels: { 'example.com/watched': 'yes' } } }
  await request(cluster, 'PATCH', `/api/v1/namespaces/${TENANT}/secrets/checkout-key`, { body })

  const [before, wroteBefore] = [await versions(cluster), await writes()]
  await someTurns()
  await untilAll({ place, operator }, ['Ready', 'True'])
  expect(await versions(cluster)).toEqual(before)
  expect(await writes()).toBe(wroteBefore)

  // And when the operator does write again, it leaves their part alone.
  await patchSpec(cluster, pathOf('aitenants', 'acme'), { hostnames: ['acme.ai.example.com', 'b.ai.example.com'] })
  const tenant = await eventually('the new host name is in the status', async () => {
    const seen = await see(cluster, 'aitenants', 'acme')
    return lengthOf(seen?.status?.['endpoints']) === 2 ? seen : undefined
  })
  expect(condition(tenant, 'Watched')).toMatchObject({ status: 'True', message: 'by somebody else' })
  const [certificate] = await eventually('the certificate asks for both', async () => {
    const found = await childrenOf(cluster, 'Certificate')
    return lengthOf(found[0]?.spec['dnsNames']) === 2 ? found : undefined
  })
  expect(certificate?.metadata.labels).toMatchObject({ 'example.com/watched': 'yes' })
  expect(JSON.stringify(certificate?.status)).toContain('by somebody else')
})
