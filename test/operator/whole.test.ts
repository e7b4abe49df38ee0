// The whole control plane on a real API server: samples applied with kubectl become Ready, calls go through data planes
// with keys from generated Secrets, and a deleted key is refused within two seconds.
import { afterAll, expect } from 'vitest'
import { kstatus } from '../../hack/control-plane/judges.ts'
import { ask, chat } from '../e2e/calls.ts'
import { eventually } from '../e2e/gateway.ts'
import { watchStandstill } from '../e2e/standstill.ts'
import { recordOf } from '../e2e/observe.ts'
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
  see,
  seeAll,
  startOperator,
  startPlane,
} from './stack.ts'
import {
  answerForChildren,
  applyIn,
  childrenOf,
  kubectl,
  request,
  TENANT,
  untilAll,
  untilChildren,
  useUpstream,
  worldOfFile,
  yamlOf,
} from './world.ts'

let operator: OperatorProcess
let planes: readonly Plane[]
let upstream: Upstream

const here = worldOfFile(async ({ place }) => {
  operator = await startOperator(place)
  planes = [await startPlane(place), await startPlane(place)]
  upstream = await startOutsideUpstream()
})
afterAll(() => upstream?.close())

const tokenOf = async (key: string): Promise<string> =>
  await eventually(`the token of ${key}`, async () => {
    return (await secretOf(here().cluster, TENANT, `${key}-key`))?.['token']
  })

test(`the samples of a tenant become Ready ${verifies('D01')}`, { timeout: 180_000 }, async ({ cluster: _ }) => {
  const { cluster, place } = here()
  const startedAt = performance.now()
  await apply(cluster, yamlOf('config/samples/tenant'))
  const appliedAt = performance.now()
  await untilAll({ place, operator }, ['Programmed', 'True'])
  const programmedAt = performance.now()
  await untilChildren(cluster, 'Certificate', 1)
  await untilChildren(cluster, 'Ingress', 1)
  await answerForChildren(cluster)
  await untilAll({ place, operator }, ['Ready', 'True'])
  console.info(
    `kubectl ${(appliedAt - startedAt).toFixed()} ms, Programmed after ${(programmedAt - appliedAt).toFixed()} ms, ` +
      `Ready after ${(performance.now() - appliedAt).toFixed()} ms`,
  )
  // The pods were there all the time: nothing was said to the contrary, not even for a moment.
  const events = await request<{ items: { reason: string }[] }>(cluster, 'GET', '/apis/events.k8s.io/v1/events')
  const reasons = new Set(events.items.map(({ reason }) => reason))
  expect([...reasons].filter(reason => /NoDataPlanes|Unavailable/.test(reason))).toEqual([])
  for (const plural of ['virtualkeys', 'aitenants'])
    for (const seen of await seeAll(cluster, plural)) {
      expect(condition(seen, 'Stalled') ?? condition(seen, 'Reconciling')).toBeUndefined()
    }
})

test('what is not served yet is accepted, and says so', { timeout: 180_000 }, async ({ cluster: _ }) => {
  const { cluster } = here()
  const namespace = 'preview'
  await apply(cluster, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })
  await applyIn(cluster, namespace, yamlOf('config/samples/preview'))
  const plurals = ['mcpservers', 'agents', 'fallbackchains', 'policies', 'virtualkeys']
  const all = await eventually(
    'all of them say NotServedYet',
    async () => {
      const seen = (await Promise.all(plurals.map(plural => seeAll(cluster, plural, namespace)))).flat()
      const said = seen.filter(
        each =>
          isSaid(each, 'Accepted', 'True') &&
          isSaid(each, 'Ready', 'False', 'NotServedYet') &&
          isSaid(each, 'Stalled', 'True', 'NotServedYet'),
      )
      return seen.length === 7 && said.length === 7 ? seen : undefined
    },
    60_000,
  )
  for (const each of all) expect(condition(each, 'Ready')?.message).toMatch(/spec|kind/)
  const verdicts = await kstatus(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: all }))
  expect(verdicts.map(({ status }) => status)).toEqual(all.map(() => 'Failed'))
})

test(`a call with a generated key is served, metered and logged by every pod ${verifies('D01', 'K01')}`, async ({
  cluster: _,
}) => {
  const { cluster } = here()
  await useUpstream(cluster, upstream.url)
  const [token, admin] = await Promise.all(['checkout', 'admin'].map(tokenOf))
  for (const plane of planes) {
    const reply = await ask(plane.proxy, token ?? '', chat('support', `Hello from ${plane.pod}`))
    expect(reply.text).toContain('Hello!')
    expect(reply.json).toMatchObject({ choices: [{ message: { content: 'Hello!' } }] })
    const id = reply.headers.get('x-smartflow-request-id') ?? ''
    const row = await recordOf(plane, admin ?? '', id)
    // 10 tokens in at 0.20 and 5 out at 0.60 for a million: 5 micro-dollars.
    expect(row).toMatchObject({
      status: 200,
      outcome: 'complete',
      provider: 'local',
      tokens_used: 15,
      cost: 0.000005,
      cost_known: true,
    })
    expect(reply.headers.get('x-smartflow-budget-limit')).toBe('50')
  }
  expect(upstream.seen.at(-1)?.body['model']).toBe('llama-3.3-70b')
})

test(
  `a deleted key is refused by every pod within two seconds, then gone ${verifies('D01', 'K01')}`,
  {
    timeout: 180_000,
  },
  async ({ cluster: _ }) => {
    const { cluster } = here()
    const token = await tokenOf('checkout')
    const statusAt = async (plane: Plane): Promise<number> => (await ask(plane.proxy, token, chat('support'))).status
    expect(await Promise.all(planes.map(statusAt))).toEqual([200, 200])
    const stood = watchStandstill()
    const startedAt = performance.now()
    let orderedAt = Infinity
    const ordered = kubectl(cluster, 'delete', 'virtualkey', 'checkout', '-n', TENANT, '--wait=false').then(() => {
      orderedAt = performance.now()
    })
    const refusedAt = await Promise.all(
      planes.map(async plane => {
        await eventually('401', async () => (await statusAt(plane)) === 401)
        return performance.now()
      }),
    )
    await ordered
    await eventually(
      'the object is gone',
      async () => (await see(cluster, 'virtualkeys', 'checkout', TENANT)) === undefined,
    )
    const goneAt = performance.now()
    const since = (from: number, at: number): string => `${(at - from).toFixed()} ms`
    console.info(
      `401 after ${refusedAt.map(at => since(startedAt, at)).join(' and ')} from the start of kubectl (which took ` +
        `${since(startedAt, orderedAt)}); the object is gone after ${since(startedAt, goneAt)}`,
    )
    expect(Math.max(...refusedAt) - orderedAt).toBeLessThan(2_000 + stood())
    expect(await Promise.all(planes.map(statusAt))).toEqual([401, 401])
    await eventually(
      'the garbage collector took the Secret',
      async () => (await secretOf(cluster, TENANT, 'checkout-key')) === undefined,
      60_000,
    )
    expect((await childrenOf(cluster, 'Certificate')).length).toBe(1)
  },
)
