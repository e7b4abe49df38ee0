// Sidecars end to end: a label on a namespace, the Secret that the operator makes, a data plane started from that Secret
// and nothing else, and the container that the API server puts into pods under Pod Security "restricted".
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { ControlPlane } from '../../hack/control-plane/control-plane.ts'
import { openRedis, type RedisConnection } from '../../dataplane/src/stores/redis/connection.ts'
import { ask, chat } from '../e2e/calls.ts'
import { cleanUp, eventually, type GatewayProcess, startGateway, temporary } from '../e2e/gateway.ts'
import { fresh, resource, scripted, virtualKey } from '../e2e/resources.ts'
import type { Upstream } from '../e2e/upstream.ts'
import { redisUser } from '../redis-acl.ts'
import { install, type Installed, namespace, SYSTEM } from './installed.ts'
import { startOutsideUpstream } from './outside-upstream.ts'
import {
  apply,
  condition,
  endOperators,
  isSaid,
  type OperatorProcess,
  secretOf,
  see,
  startOperator,
  startPlane,
} from './stack.ts'

const ENABLED = { 'smartflow.dev/sidecar-injection': 'enabled' }
const SECRET = 'smartflow-sidecar'

describe.skipIf(!inject('cluster'))('sidecars of a tenant', () => {
  const [ACME, OTHER] = [fresh('acme'), fresh('other')]
  const redisUrl = inject('redisUrl')
  let installed: Installed
  let cluster: ControlPlane
  let operator: OperatorProcess
  let upstream: Upstream
  let admin: RedisConnection
  let sidecar: GatewayProcess

  beforeAll(async () => {
    upstream = await startOutsideUpstream()
    admin = openRedis(redisUrl, { name: 'admin', commandTimeoutMs: 10_000 })
    installed = await install(['rights', 'admission', 'sidecar'], {
      sidecar: { enabled: true, image: 'smartflow:test' },
    })
    cluster = installed.cluster
    const dataPlane = { serviceName: `${installed.place.gateway}-gateway` }
    const gateway = { ...resource('AIGateway', 'main', { dataPlane }), metadata: { name: 'main', namespace: SYSTEM } }
    const tenantOf = (name: string, ...more: string[]): object[] => [
      namespace(name),
      resource('AITenant', name, { namespaces: { names: [name, ...more] } }),
      ...[...scripted('p', upstream.url), virtualKey('app')].map(each => ({
        ...each,
        metadata: { ...each.metadata, namespace: name },
      })),
    ]
    const items = [gateway, namespace(`${ACME}-two`), ...tenantOf(ACME, `${ACME}-two`), ...tenantOf(OTHER)]
    operator = await startOperator(installed.place, { kubeconfig: installed.kubeconfig })
    await startPlane(installed.place)
    await apply(cluster, { apiVersion: 'v1', kind: 'List', items: items.filter(each => 'kind' in each) })
  }, 300_000)

  afterAll(async () => {
    await endOperators()
    await cleanUp()
    admin?.close()
    await upstream?.close()
    await installed?.cluster.stop()
  })

  const label = async (name: string, labels: Record<string, string | null>): Promise<void> => {
    expect(
      (await cluster.request('PATCH', `/api/v1/namespaces/${name}`, { body: { metadata: { labels } } })).code,
    ).toBe(200)
  }

  const tokenIn = (name: string): Promise<string> =>
    eventually('a token', async () => (await secretOf(cluster, name, 'app-key'))?.['token'])

  const contentIn = (name: string): Promise<Record<string, string>> =>
    eventually(`the Secret in ${name}`, async () => {
      const content = await secretOf(cluster, name, SECRET)
      if (content?.['REDIS_URL'] !== undefined) return content
      throw new Error(
        `${JSON.stringify(condition(await see(cluster, 'aitenants', ACME), 'SidecarsReady'))} ${operator.log().slice(-2_000)}`,
      )
    })

  const saidOf = (status: string, reason: string): Promise<true> =>
    eventually(`SidecarsReady is ${status}, ${reason}`, async () => {
      const seen = await see(cluster, 'aitenants', ACME)
      if (isSaid(seen, 'SidecarsReady', status, reason)) return true
      throw new Error(JSON.stringify(seen?.status))
    })

  async function isAdmitted(url: string): Promise<boolean> {
    const own = openRedis(url, { name: 'own', commandTimeoutMs: 10_000 })
    const up = await own.whenUp(3_000)
    own.close()
    return up
  }

  /** From the content of the Secret, as a pod mounts it. */
  async function startSidecar(content: Record<string, string>, tenant: string): Promise<GatewayProcess> {
    const keysDir = join(temporary(), 'keys')
    mkdirSync(keysDir)
    for (const [name, value] of Object.entries(content)) writeFileSync(join(keysDir, name), value)
    const env = { SMARTFLOW_TENANT: tenant, SMARTFLOW_POD_UID: 'app-pod', SMARTFLOW_LISTENERS: 'proxy' }
    return await startGateway({ redisUrl: content['REDIS_URL'] ?? '', gateway: installed.place.gateway, keysDir, env })
  }

  test('without the label there is no Secret and no user', async () => {
    await eventually('the key is programmed', async () =>
      isSaid(await see(cluster, 'virtualkeys', 'app', ACME), 'Programmed', 'True'),
    )
    expect(await secretOf(cluster, ACME, SECRET)).toBeUndefined()
    expect(condition(await see(cluster, 'aitenants', ACME), 'SidecarsReady')).toBeUndefined()
  })

  test("with it there is one, of this tenant's keys alone", async () => {
    await label(ACME, ENABLED)
    const content = await contentIn(ACME)
    expect(Object.keys(content).sort()).toEqual(['REDIS_URL', 'signing.pub', 'tenant.keys'])
    expect(JSON.parse(content['tenant.keys'] ?? '')).toMatchObject({ tenant: ACME })
    expect(decodeURIComponent(new URL(content['REDIS_URL'] ?? '').username)).toBe(
      `sf-tenant-${installed.place.gateway}.${ACME}`,
    )
    await saidOf('True', 'Ready')
    expect((await see(cluster, 'aitenants', ACME))?.status?.['sidecars']).toEqual({ namespaces: [ACME] })
    expect(await secretOf(cluster, OTHER, SECRET)).toBeUndefined()
  })

  test('a data plane starts from it, serves the tenant, and knows nobody else', { timeout: 180_000 }, async () => {
    sidecar = await startSidecar(await contentIn(ACME), ACME)
    const token = await tokenIn(ACME)
    await eventually('it serves', async () => (await ask(sidecar.proxy, token, chat('m'))).status === 200)
    expect((await ask(sidecar.proxy, await tokenIn(OTHER), chat('m'))).status).toBe(401)
    const { gateway } = installed.place
    await eventually(
      'it acknowledges among its own',
      async () => (await admin.send('exists', [`sf:{${ACME}}:ack:app-pod`])) === 1,
    )
    expect(await admin.send('exists', [`sf:ack:{${gateway}}:app-pod`])).toBe(0)
    const counted = async (): Promise<unknown> =>
      (await see(cluster, 'aigateways', 'main', SYSTEM))?.status?.['dataPlane']
    await expect.poll(counted, { timeout: 15_000 }).toMatchObject({ ready: 1, current: 1 })
  })

  test('a user that the store lost is made again', async () => {
    const { REDIS_URL = '' } = await contentIn(ACME)
    expect(await admin.send('acl', ['DELUSER', `sf-tenant-${installed.place.gateway}.${ACME}`])).toBe(1)
    await eventually('it is admitted again', () => isAdmitted(REDIS_URL))
    await eventually(
      'the sidecar serves on',
      async () => (await ask(sidecar.proxy, await tokenIn(ACME), chat('m', 'again'))).status === 200,
    )
  })

  test('a second namespace has a password of its own, which ends with its label', { timeout: 180_000 }, async () => {
    await label(`${ACME}-two`, ENABLED)
    const [one, two] = [await contentIn(ACME), await contentIn(`${ACME}-two`)]
    expect(one['REDIS_URL']).not.toBe(two['REDIS_URL'])
    await eventually('it is admitted', () => isAdmitted(two['REDIS_URL'] ?? ''))
    await label(`${ACME}-two`, { 'smartflow.dev/sidecar-injection': null })
    await eventually(
      'its Secret is empty',
      async () => Object.keys((await secretOf(cluster, `${ACME}-two`, SECRET)) ?? { x: '' }).length === 0,
    )
    await eventually('it is not admitted any more', async () => !(await isAdmitted(two['REDIS_URL'] ?? '')))
    await eventually('the other is', () => isAdmitted(one['REDIS_URL'] ?? ''))
    await eventually('nothing is kept of it', async () => {
      const status = (await see(cluster, 'aitenants', ACME))?.status
      return JSON.stringify(status?.['sidecars']) === JSON.stringify({ namespaces: [ACME] })
    })
  })

  test('a namespace that goes to another tenant gets what is of that one', { timeout: 180_000 }, async () => {
    await label(`${ACME}-two`, ENABLED)
    const before = await contentIn(`${ACME}-two`)
    const path = (name: string): string => `/apis/smartflow.dev/v1alpha1/aitenants/${name}`
    const names = (...all: string[]): object => ({ body: { spec: { namespaces: { names: all } } } })
    expect((await cluster.request('PATCH', path(ACME), names(ACME))).code).toBe(200)
    expect((await cluster.request('PATCH', path(OTHER), names(OTHER, `${ACME}-two`))).code).toBe(200)
    await eventually('the keys of the other', async () => {
      const content = await secretOf(cluster, `${ACME}-two`, SECRET)
      return content?.['tenant.keys']?.includes(`"${OTHER}"`) === true && content['REDIS_URL'] !== before['REDIS_URL']
    })
    await eventually('the former password is none', async () => !(await isAdmitted(before['REDIS_URL'] ?? '')))
  })

  test('a Secret that somebody brought is left alone', async () => {
    const metadata = { name: SECRET, namespace: OTHER }
    await apply(cluster, { apiVersion: 'v1', kind: 'Secret', metadata, stringData: { REDIS_URL: 'redis://mine' } })
    await label(OTHER, ENABLED)
    await eventually('it is said', async () => {
      const said = condition(await see(cluster, 'aitenants', OTHER), 'SidecarsReady')
      return said?.message.includes(`${OTHER} brought one`)
    })
    expect(await secretOf(cluster, OTHER, SECRET)).toEqual({ REDIS_URL: 'redis://mine' })
  })

  test(
    'a store that lets the operator make no users is told of, and an address by hand does',
    { timeout: 180_000 },
    async () => {
      await operator.stop()
      const { gateway } = installed.place
      const limited = await redisUser(admin, redisUrl, { kind: 'smartflow-operator', gateway })
      operator = await startOperator(
        { ...installed.place, redisUrl: limited.url },
        { kubeconfig: installed.kubeconfig },
      )
      await saidOf('False', 'StoreUserRefused')
      const said = condition(await see(cluster, 'aitenants', ACME), 'SidecarsReady')
      expect(said?.message).toContain(`put its URL as ${ACME} into Secret ${SYSTEM}/${gateway}-sidecar-urls`)
      expect((await contentIn(ACME))['REDIS_URL']).toContain('sf-tenant-')
      const metadata = { name: `${gateway}-sidecar-urls`, namespace: SYSTEM }
      await apply(cluster, { apiVersion: 'v1', kind: 'Secret', metadata, stringData: { [ACME]: 'redis://by-hand' } })
      await eventually(
        'it is in the Secret',
        async () => (await contentIn(ACME))['REDIS_URL'] === 'redis://by-hand',
        30_000,
      )
      await saidOf('True', 'Ready')
      await limited.remove()
    },
  )

  test('a tenant that is deleted leaves no user behind', { timeout: 180_000 }, async () => {
    await operator.stop()
    operator = await startOperator(installed.place, { kubeconfig: installed.kubeconfig })
    expect((await cluster.request('DELETE', `/apis/smartflow.dev/v1alpha1/aitenants/${ACME}`)).code).toBe(200)
    const user = `sf-tenant-${installed.place.gateway}.${ACME}`
    await eventually('no user', async () => !((await admin.send('acl', ['USERS'])) as string[]).includes(user))
    await eventually('no Secret', async () => (await secretOf(cluster, ACME, SECRET)) === undefined, 45_000)
    expect(operator.log()).not.toMatch(/forbidden/i)
  })

  test('the API server adds the container to pods that ask for it, under Pod Security "restricted"', async () => {
    const labels = { ...ENABLED, 'pod-security.kubernetes.io/enforce': 'restricted' }
    await apply(cluster, namespace('shop', labels))
    const strict = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } }
    const pod = (name: string, annotations: object): object => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, annotations },
      spec: {
        automountServiceAccountToken: false,
        securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
        initContainers: [{ name: 'first', image: 'app', securityContext: strict }],
        containers: [{ name: 'app', image: 'app', securityContext: strict }],
      },
    })
    type Made = {
      spec?: { initContainers: { name: string; env?: { name: string; value?: string }[] }[] }
      message?: string
    }
    const create = (name: string, annotations: object) =>
      cluster.request<Made>('POST', '/api/v1/namespaces/shop/pods', { body: pod(name, annotations) })
    const { body } = await eventually('the policy holds', async () => {
      const made = await create(fresh('pod'), { 'smartflow.dev/sidecar': ACME })
      if (made.code !== 201) throw new Error(made.body.message)
      return (made.body.spec?.initContainers.length ?? 0) === 2 ? made : undefined
    })
    const container = body.spec?.initContainers.find(({ name }) => name === 'smartflow')
    expect(container).toMatchObject({ image: 'smartflow:test', restartPolicy: 'Always' })
    const env = new Map(container?.env?.map(({ name, value }) => [name, value]))
    expect(env.get('SMARTFLOW_TENANT')).toBe(ACME)
    expect(env.get('SMARTFLOW_GATEWAY')).toBe(installed.place.gateway)
    expect([...env.keys()]).toEqual(expect.arrayContaining(['REDIS_URL', 'SMARTFLOW_POD_UID']))
    const plain = await create('plain', {})
    expect(plain.body.spec?.initContainers.map(({ name }) => name)).toEqual(['first'])
  })
})
