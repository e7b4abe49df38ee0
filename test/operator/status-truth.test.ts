// Statuses say what is so: which pods serve an object, who has a host name, and what is made for a tenant and goes with it.
import { afterAll, expect } from 'vitest'
import { addGatewayPod, removePod } from '../../hack/control-plane/gateway-pods.ts'
import { eventually } from '../e2e/gateway.ts'
import { verifies } from '../requirements.ts'
import { test } from './cluster-test.ts'
import {
  apply,
  condition,
  isSaid,
  type OperatorProcess,
  type Plane,
  type Seen,
  see,
  startOperator,
  startPlane,
} from './stack.ts'
import {
  answerForChildren,
  type Child,
  childrenOf,
  kubectl,
  NAMESPACE,
  patchSpec,
  pathOf,
  untilAll,
  untilChildren,
  worldOfFile,
  yamlOf,
} from './world.ts'

/** As short as it may be: pods renew their word every five seconds. */
const ACK_TIMEOUT = '10s'
const LABELS = { 'app.kubernetes.io/name': 'smartflow', 'app.kubernetes.io/component': 'gateway' }

let operator: OperatorProcess
let plane: Plane

const here = worldOfFile(async ({ place }) => {
  operator = await startOperator(place)
})
// A stopped process does not end.
afterAll(() => plane !== undefined && process.kill(plane.pid, 'SIGCONT'))

/** The gateway, once its condition is so; the message of the condition has to match. */
async function gatewaySays(status: string, reason: string, message: RegExp): Promise<Seen> {
  return await eventually(
    `Programmed=${status}/${reason} ${message}`,
    async () => {
      const seen = await see(here().cluster, 'aigateways', 'main', NAMESPACE)
      const said = condition(seen, 'Programmed')
      if (isSaid(seen, 'Programmed', status, reason) && message.test(said?.message ?? '')) return seen
      throw new Error(JSON.stringify(said))
    },
    30_000,
  )
}

const told = (reason: string): Promise<void> =>
  untilAll({ place: here().place, operator }, ['Programmed', 'False', reason], { timeoutMs: 40_000 })

const isProgrammed = (): Promise<void> => untilAll({ place: here().place, operator }, ['Programmed', 'True'])

test('without pods nothing is programmed', async ({ cluster: _ }) => {
  const { cluster } = here()
  await apply(cluster, yamlOf('config/samples/tenant'))
  await patchSpec(cluster, pathOf('aigateways', 'main', NAMESPACE), { dataPlane: { ackTimeout: ACK_TIMEOUT } })
  await told('NoDataPlanes')
})

test('only ready pods count, and one that says nothing is named', { timeout: 180_000 }, async ({ cluster: _ }) => {
  const { cluster, place } = here()
  plane = await startPlane(place)
  await isProgrammed()
  const silent = { namespace: NAMESPACE, name: 'silent', labels: LABELS, ip: '10.245.0.1' }
  await addGatewayPod(cluster, silent)
  await told('PartiallyProgrammed')
  const seen = await gatewaySays('False', 'PartiallyProgrammed', /^1 of 2 pods serve it; not yet silent$/)
  expect(seen.status?.['dataPlane']).toMatchObject({ ready: 2, current: 1, stale: 1, stalePods: ['silent'] })
  expect(isSaid(seen, 'Ready', 'False', 'PartiallyProgrammed')).toBe(true)
  await removePod(cluster, NAMESPACE, 'silent')
  await isProgrammed()

  await plane.setReady(false)
  await told('NoDataPlanes')
  await plane.setReady(true)
  await isProgrammed()
  await gatewaySays('True', 'Programmed', /^1 of 1 pods serve it$/)
})

test('a pod that falls silent counts no more until it speaks again', { timeout: 180_000 }, async ({ cluster: _ }) => {
  process.kill(plane.pid, 'SIGSTOP')
  const startedAt = performance.now()
  await told('Pending')
  console.info(
    `a silent pod is noticed after ${(performance.now() - startedAt).toFixed()} ms (ackTimeout ${ACK_TIMEOUT})`,
  )
  await gatewaySays('False', 'Pending', new RegExp(`^0 of 1 pods serve it; not yet ${plane.pod}$`))
  process.kill(plane.pid, 'SIGCONT')
  await isProgrammed()
})

const tenant = (name: string, hostnames: readonly string[]): object => ({
  apiVersion: 'smartflow.dev/v1alpha1',
  kind: 'AITenant',
  metadata: { name },
  spec: { hostnames },
})

/** Host names of the children of a tenant, by kind; undefined for a kind that it has none of. */
async function hostsOf(name: string): Promise<{ ingress: unknown; certificate: unknown }> {
  const { cluster } = here()
  const own = ({ metadata }: Child): boolean => metadata.labels?.['smartflow.dev/tenant'] === name
  const ingress = (await childrenOf(cluster, 'Ingress')).find(own)
  const certificate = (await childrenOf(cluster, 'Certificate')).find(own)
  const rules = ingress?.spec['rules'] as { host: string }[] | undefined
  return { ingress: rules?.map(({ host }) => host), certificate: certificate?.spec['dnsNames'] }
}

const have = (name: string, hosts: readonly string[] | undefined): Promise<true> =>
  eventually(`the children of ${name} are for ${String(hosts)}`, async () => {
    const found = await hostsOf(name)
    expect(found).toEqual({ ingress: hosts, certificate: hosts })
    return true as const
  })

test(`of two tenants that want one host, the older has it ${verifies('D02')}`, async ({ cluster: _ }) => {
  const { cluster, place } = here()
  await answerForChildren(cluster)
  await untilAll({ place, operator }, ['Ready', 'True'])
  await apply(cluster, tenant('rival', ['acme.ai.example.com', 'rival.ai.example.com']))
  const rival = await eventually('the younger one is told', async () => {
    const seen = await see(cluster, 'aitenants', 'rival')
    return isSaid(seen, 'Accepted', 'False', 'Conflicted') ? seen : undefined
  })
  expect(condition(rival, 'Accepted')?.message).toContain('acme.ai.example.com belongs to AITenant acme')
  expect(isSaid(rival, 'Stalled', 'True', 'Conflicted')).toBe(true)
  expect(isSaid(rival, 'RouteReady', 'False', 'HostNotAllowed')).toBe(true)
  // The other host it may have.
  await have('rival', ['rival.ai.example.com'])
  await have('acme', ['acme.ai.example.com'])
  await eventually('acme is Ready', async () => isSaid(await see(cluster, 'aitenants', 'acme'), 'Ready', 'True'))
})

test(`a host outside the domains is refused, the others stay ${verifies('D02')}`, async ({ cluster: _ }) => {
  const { cluster } = here()
  await patchSpec(cluster, pathOf('aitenants', 'rival'), { hostnames: ['rival.ai.example.com', 'rival.example.org'] })
  const rival = await eventually('it is told', async () => {
    const seen = await see(cluster, 'aitenants', 'rival')
    return isSaid(seen, 'Accepted', 'False', 'UnsupportedValue') ? seen : undefined
  })
  expect(condition(rival, 'Accepted')?.message).toContain('rival.example.org is not under a domain of AIGateway')
  await have('rival', ['rival.ai.example.com'])
})

test(
  `children follow the host names, and go with the tenant ${verifies('D02')}`,
  { timeout: 180_000 },
  async ({ cluster: _ }) => {
    const { cluster } = here()
    await patchSpec(cluster, pathOf('aitenants', 'rival'), { hostnames: ['chat.rival.ai.example.com'] })
    await have('rival', ['chat.rival.ai.example.com'])
    await untilChildren(cluster, 'Ingress', 2)
    await answerForChildren(cluster)
    await eventually('it is Ready', async () => isSaid(await see(cluster, 'aitenants', 'rival'), 'Ready', 'True'))

    await kubectl(cluster, 'delete', 'aitenant', 'rival', '--wait=false')
    await eventually('it is gone', async () => (await see(cluster, 'aitenants', 'rival')) === undefined)
    await untilChildren(cluster, 'Ingress', 1)
    await untilChildren(cluster, 'Certificate', 1)
    await have('acme', ['acme.ai.example.com'])
  },
)
