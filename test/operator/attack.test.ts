// Two tenants, and the administrator of one's namespace who wants what is of the other: everything that the rights of a
// namespace's administrator allow is tried. Nothing of the other tenant may be reached or changed.
import { get as httpGet } from 'node:http'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { openRedis, type RedisConnection } from '../../dataplane/src/stores/redis/connection.ts'
import type { ControlPlane } from '../../hack/control-plane/control-plane.ts'
import { type Answer, ask, chat, get } from '../e2e/calls.ts'
import { cleanUp, eventually } from '../e2e/gateway.ts'
import { fresh, price, type Resource, resource, scripted, virtualKey } from '../e2e/resources.ts'
import { usage, type Upstream, whole } from '../e2e/upstream.ts'
import { install, type Installed, namespace, SYSTEM } from './installed.ts'
import { startOutsideUpstream } from './outside-upstream.ts'
import {
  apply,
  condition,
  endOperators,
  isSaid,
  type OperatorProcess,
  type Plane,
  secretOf,
  see,
  type SeenCondition,
  startOperator,
  startPlane,
} from './stack.ts'

const keyFrom = { secretRef: { name: 'brought', key: 'token' } }
const ATTACKER = 'tenant-a-admin'
const GROUP = '/apis/smartflow.dev/v1alpha1'

/** A GET with a Host header of its own; fetch sends none but the address's. */
function atHost(host: string, url: string, token: string): Promise<string> {
  return new Promise((resolve, reject) => {
    httpGet(url, { headers: { host, authorization: `Bearer ${token}` } }, reply => resolve(text(reply))).once(
      'error',
      reject,
    )
  })
}

describe.skipIf(!inject('cluster'))('an administrator of one tenant', () => {
  const [A, B] = [fresh('tenant-a'), fresh('tenant-b')]
  let installed: Installed
  let cluster: ControlPlane
  let operator: OperatorProcess
  let plane: Plane
  let upstream: Upstream
  let admin: RedisConnection
  let before: string

  const inside = (name: string, ...objects: Resource[]): object[] =>
    objects.map(object => ({ ...object, metadata: { ...object.metadata, namespace: name } }))

  const adminOf = (name: string, user: string): object => ({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: { name: 'admin', namespace: name },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'admin' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
  })

  const tenantOf = (name: string, user: string): object[] => [
    namespace(name),
    resource('AITenant', name, {
      namespaces: { names: [name] },
      adminNamespaces: name === B ? [name] : [],
      hostnames: [`${name}.ai.example.com`],
    }),
    adminOf(name, user),
    ...inside(
      name,
      ...scripted('p', upstream.url, { pricing: [price('m', '100')] }),
      resource('Policy', 'cached', { cache: { enabled: true, ttl: '1h' } }),
      virtualKey('app'),
    ),
  ]

  beforeAll(async () => {
    upstream = await startOutsideUpstream()
    admin = openRedis(inject('redisUrl'), { name: 'admin', commandTimeoutMs: 10_000 })
    installed = await install(['rights', 'admission'])
    cluster = installed.cluster
    const exposure = { type: 'Ingress', className: 'any', domains: ['ai.example.com'], tls: { mode: 'Disabled' } }
    const dataPlane = { serviceName: `${installed.place.gateway}-gateway` }
    operator = await startOperator(installed.place, { kubeconfig: installed.kubeconfig })
    plane = await startPlane(installed.place)
    const items = [
      ...inside(
        SYSTEM,
        resource('AIGateway', 'main', { exposure, dataPlane }),
        virtualKey('root', { role: 'ProxyAdmin' }),
      ),
      ...tenantOf(A, ATTACKER),
      ...inside(A, virtualKey('snatch', { keyFrom }), {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'brought' },
        stringData: { token: 'k'.repeat(40) },
      }),
      ...tenantOf(B, 'tenant-b-admin'),
      ...inside(B, virtualKey('chief', { role: 'OrgAdmin' })),
    ]
    await apply(cluster, { apiVersion: 'v1', kind: 'List', items })
    for (const [kind, name, where] of [
      ['virtualkeys', 'app', A],
      ['virtualkeys', 'app', B],
      ['virtualkeys', 'chief', B],
      ['aiproviders', 'p', B],
      ['policies', 'cached', B],
      ['virtualkeys', 'root', SYSTEM],
    ] as const)
      await eventually(`${where}/${name}`, async () =>
        isSaid(await see(cluster, kind, name, where), 'Programmed', 'True'),
      )
    await eventually('the rights are there', async () => (await call('GET', at(A, 'virtualkeys'))).code === 200)
    before = await configurationOf(B)
  }, 300_000)

  afterAll(async () => {
    await endOperators()
    await cleanUp()
    admin?.close()
    await upstream?.close()
    await installed?.cluster.stop()
  })

  const at = (where: string, plural: string, name?: string): string =>
    `${GROUP}/namespaces/${where}/${plural}${name === undefined ? '' : `/${name}`}`

  type Said = { message?: string; items?: unknown[] }
  /** As the attacker. */
  async function call(method: string, path: string, body?: object): Promise<{ code: number; why: string }> {
    const said = await cluster.request<Said>(method, path, { user: ATTACKER, body })
    return { code: said.code, why: said.body.message ?? '' }
  }

  const make = (kind: string, plural: string, name: string, spec: object) =>
    call('POST', at(A, plural), { apiVersion: 'smartflow.dev/v1alpha1', kind, metadata: { name }, spec })

  /** The tenant's administrator finds the call in its own log. */
  async function isLoggedFor(tenant: string, id: string | null): Promise<void> {
    await eventually('it is in the log of its owner', async () => {
      const { status } = await get(`${plane.management}/api/vas/logs/${id}`, await tokenIn(tenant, 'chief'))
      return status === 200
    })
  }

  const tokenIn = async (where: string, name = 'app'): Promise<string> =>
    (await secretOf(cluster, where, `${name}-key`))?.['token'] ?? ''

  /** What one of the attacker's objects is told. */
  const told = (plural: string, name: string, type: string, reason: string): Promise<SeenCondition> =>
    eventually(
      `${name} is told ${reason}`,
      async () => {
        const seen = await see(cluster, plural, name, A)
        const said = condition(seen, type)
        if (said?.reason === reason) return said
        throw new Error(JSON.stringify(seen?.status))
        // Secrets that people write are looked at every 15 s.
      },
      30_000,
    )

  /** The manifest of what is published for a tenant: any change of it shows here. */
  async function configurationOf(tenant: string): Promise<string> {
    const head = await admin.send('hget', [`sf:{${tenant}}:cfg:${installed.place.gateway}:head`, 'digest'])
    return String(head)
  }

  describe('may manage its own objects, and', () => {
    test('not those of others, nor tenants, gateways and namespaces', async () => {
      expect((await make('VirtualKey', 'virtualkeys', 'second', { alias: 'second' })).code).toBe(201)
      expect((await call('PATCH', at(A, 'policies', 'cached'), { spec: { priority: 5 } })).code).toBe(200)
      const children = `/apis/networking.k8s.io/v1/namespaces/${SYSTEM}/ingresses`
      const gateway = { apiVersion: 'smartflow.dev/v1alpha1', kind: 'AIGateway', metadata: { name: 'a-first' } }
      const tenant = resource('AITenant', 'a-mine', { hostnames: [`${B}.ai.example.com`] })
      for (const [method, path, body] of [
        ['GET', at(B, 'virtualkeys')],
        ['GET', at(SYSTEM, 'virtualkeys')],
        ['POST', at(B, 'virtualkeys'), virtualKey('mine')],
        ['PATCH', at(B, 'aiproviders', 'p'), { spec: { baseURL: 'https://evil.example' } }],
        ['GET', `/api/v1/namespaces/${B}/secrets/app-key`],
        ['GET', `/api/v1/namespaces/${SYSTEM}/secrets/root-key`],
        ['GET', `/api/v1/namespaces/${SYSTEM}/secrets/${installed.place.gateway}-keys`],
        ['GET', `/api/v1/namespaces/${SYSTEM}/secrets/${installed.place.gateway}-signing`],
        ['POST', at(A, 'aigateways'), gateway],
        ['PATCH', at(SYSTEM, 'aigateways', 'main'), { spec: { exposure: { domains: [] } } }],
        ['GET', `${GROUP}/aitenants`],
        ['POST', `${GROUP}/aitenants`, tenant],
        ['PATCH', `${GROUP}/aitenants/${A}`, { spec: { hostnames: [`${B}.ai.example.com`] } }],
        ['PATCH', `${GROUP}/aitenants/${A}`, { spec: { adminNamespaces: [A] } }],
        ['PATCH', `${GROUP}/aitenants/${B}`, { spec: { suspend: true } }],
        ['PATCH', `/api/v1/namespaces/${A}`, { metadata: { labels: { 'smartflow.dev/tenant': 'b' } } }],
        [
          'PATCH',
          `/api/v1/namespaces/${A}`,
          { metadata: { labels: { 'smartflow.dev/sidecar-injection': 'enabled' } } },
        ],
        ['POST', '/api/v1/namespaces', { metadata: { name: fresh('mine') } }],
        ['GET', children],
        ['PATCH', `${children}/any`, { metadata: { ownerReferences: [], labels: {}, finalizers: ['x/y'] } }],
        ['PATCH', `${at(A, 'virtualkeys', 'app')}/status`, { status: { observedGeneration: 9 } }],
      ] as const)
        expect({ method, path, ...(await call(method, path, body)) }).toMatchObject({ code: 403 })
    })

    test('has no way to say another namespace where a Secret is meant', async () => {
      const elsewhere = { secretRef: { name: 'app-key', namespace: B, key: 'token' } }
      const strict = '?fieldValidation=Strict'
      const post = (kind: string, plural: string, spec: object, query = strict) =>
        call('POST', `${at(A, plural)}${query}`, { ...resource(kind, fresh('x'), spec) })
      expect((await post('VirtualKey', 'virtualkeys', { alias: 'x', keyFrom: elsewhere })).code).toBe(400)
      expect((await post('AIProvider', 'aiproviders', { preset: 'openai', auth: elsewhere })).code).toBe(400)
      expect((await post('VirtualKey', 'virtualkeys', { alias: 'x', secretName: `${SYSTEM}/root-key` })).code).toBe(422)
      const slashed = { secretRef: { name: `../${B}/secrets/app-key`, key: 'token' } }
      expect((await post('VirtualKey', 'virtualkeys', { alias: 'x', keyFrom: slashed })).code).toBe(422)
    })
  })

  test.for(['ProxyAdmin', 'ProxyAdminViewer', 'OrgAdmin'])('gets no key of role %s', async role => {
    const name = `role-${role.toLowerCase()}`
    expect(await make('VirtualKey', 'virtualkeys', name, { alias: name, role })).toMatchObject({ code: 403 })
    expect((await call('PATCH', at(A, 'virtualkeys', 'app'), { spec: { role } })).code).toBe(403)
  })

  test("a Secret planted beforehand with the operator's labels does not let it take another's token", async () => {
    const labels = { 'app.kubernetes.io/managed-by': 'smartflow-operator', 'smartflow.dev/virtual-key': 'planted' }
    const theirs = await tokenIn(B)
    const secret = { metadata: { name: 'planted-key', labels }, stringData: { token: theirs } }
    expect((await call('POST', `/api/v1/namespaces/${A}/secrets`, secret)).code).toBe(201)
    expect((await make('VirtualKey', 'virtualkeys', 'planted', { alias: 'planted' })).code).toBe(201)
    await told('virtualkeys', 'planted', 'Accepted', 'Conflicted')
    const { status, headers } = await ask(plane.proxy, theirs, chat('m', 'after the plant'))
    expect(status).toBe(200)
    await isLoggedFor(B, headers.get('x-smartflow-request-id'))
  })

  test("an older key does not draw the calls of another tenant's token to itself", { timeout: 240_000 }, async () => {
    const theirs = virtualKey('younger')
    await apply(cluster, { apiVersion: 'v1', kind: 'List', items: inside(B, theirs) })
    await eventually('it is served', async () =>
      isSaid(await see(cluster, 'virtualkeys', 'younger', B), 'Programmed', 'True'),
    )
    const token = await tokenIn(B, 'younger')
    const own = `/api/v1/namespaces/${A}/secrets/brought`
    expect((await make('VirtualKey', 'virtualkeys', 'snatch', { alias: 'snatch', keyFrom })).code).toBe(409)
    expect((await call('PATCH', own, { stringData: { token } })).code).toBe(200)
    const said = await told('virtualkeys', 'snatch', 'Accepted', 'Conflicted')
    expect(said.message).not.toContain(B)
    for (const restarted of [false, true]) {
      if (restarted) {
        await operator.stop()
        operator = await startOperator(installed.place, { kubeconfig: installed.kubeconfig })
        const generation = (await get(`${plane.metrics}/-/config`)).json?.['generation']
        await apply(cluster, { apiVersion: 'v1', kind: 'List', items: inside(A, virtualKey('another')) })
        await eventually('the next configuration', async () => {
          const now = (await get(`${plane.metrics}/-/config`)).json?.['generation']
          return Number(now) > Number(generation)
        })
      }
      const { status, headers } = await ask(plane.proxy, token, chat('m', `whose is it ${restarted}`))
      expect(status).toBe(200)
      await isLoggedFor(B, headers.get('x-smartflow-request-id'))
    }
    await cluster.request('DELETE', at(B, 'virtualkeys', 'younger'))
    await eventually('it is gone', async () => (await see(cluster, 'virtualkeys', 'younger', B)) === undefined)
  })

  test('a planted name of a Secret of the gateway is one of its own namespace', async () => {
    const secretName = `${installed.place.gateway}-keys`
    const master = await secretOf(cluster, SYSTEM, secretName)
    expect((await make('VirtualKey', 'virtualkeys', 'masked', { alias: 'masked', secretName })).code).toBe(201)
    await eventually('its Secret', async () => (await secretOf(cluster, A, secretName))?.['token'])
    expect(await secretOf(cluster, SYSTEM, secretName)).toEqual(master)
  })

  test("cannot lead calls to another tenant's provider, nor ask whether it has one", async () => {
    const chain = (name: string, provider: string): Promise<{ code: number }> =>
      make('FallbackChain', 'fallbackchains', name, {
        models: [`${name}-*`],
        targets: [{ name: 'theirs', providerRef: { name: provider, namespace: B } }],
      })
    expect((await chain('there', 'p')).code).toBe(201)
    expect((await chain('nowhere', 'none')).code).toBe(201)
    const [one, two] = [
      await told('fallbackchains', 'there', 'ResolvedRefs', 'RefNotPermitted'),
      await told('fallbackchains', 'nowhere', 'ResolvedRefs', 'RefNotPermitted'),
    ]
    expect(one.message.replace('/p ', '/? ')).toBe(two.message.replace('/none ', '/? '))
    const spec = { alias: 'chained', fallbackChainRef: { name: 'there' } }
    expect((await make('VirtualKey', 'virtualkeys', 'chained', spec)).code).toBe(201)
    await told('virtualkeys', 'chained', 'ResolvedRefs', 'RefNotFound')
    expect((await ask(plane.proxy, await tokenIn(A, 'chained'), chat('m'))).status).toBe(401)
    const borrowed = { alias: 'borrowed', providers: [`${B}/p`] }
    expect((await make('VirtualKey', 'virtualkeys', 'borrowed', borrowed)).code).toBe(422)
  })

  test("cannot take another tenant's policy as a parent", async () => {
    const spec = { parentRef: { name: 'cached', namespace: B } }
    const said = await call('POST', `${at(A, 'policies')}?fieldValidation=Strict`, resource('Policy', 'heir', spec))
    expect(said.code).toBe(400)
  })

  test('the same alias in two tenants is two keys', async () => {
    const [own, theirs] = [await see(cluster, 'virtualkeys', 'app', A), await see(cluster, 'virtualkeys', 'app', B)]
    expect([own, theirs].map(each => each?.spec['alias'])).toEqual(['app', 'app'])
    for (const each of [own, theirs]) expect(condition(each, 'Programmed')?.status).toBe('True')
  })

  describe('as a caller', () => {
    const send = async (body: object, headers: Record<string, string> = {}): Promise<Answer> =>
      await ask(plane.proxy, await tokenIn(A), body, headers)
    const isHit = ({ headers }: Answer): boolean => headers.get('x-smartflow-cache-hit') === 'true'

    test("reaches no reply that another tenant's calls left in the cache", async () => {
      const question = chat('m', `the same question ${B}`, { temperature: 0 })
      upstream.answer = whole(`only for ${B}`, usage(10, 10))
      const namespaced = { 'x-smartflow-cache-namespace': 'shared' }
      for (const headers of [{}, namespaced]) {
        const theirs = (): Promise<Answer> =>
          tokenIn(B).then(async token => await ask(plane.proxy, token, question, headers))
        await eventually('it is cached', async () => isHit(await theirs()))
      }
      upstream.answer = whole('for everybody', usage(10, 10))
      const words = ['shared', B, `sf:{${B}}`, `tenant:${B}`, '../', `${B}/shared`, '*']
      for (const name of words) {
        const answer = await send(question, { 'x-smartflow-cache-namespace': name })
        expect(isHit(answer)).toBe(false)
        expect(answer.text).not.toContain(`only for ${B}`)
      }
      const plain = await send(question)
      expect({ hit: isHit(plain), text: plain.text.includes('for everybody') }).toEqual({ hit: false, text: true })
    })

    test("is itself, whatever its headers and host name say, and leaves nothing in another's log", async () => {
      const logOf = async (): Promise<string> => {
        const { status, text } = await get(`${plane.management}/api/vas/logs?limit=100`, await tokenIn(B, 'chief'))
        expect(status).toBe(200)
        return text
      }
      const posing = {
        'x-forwarded-host': `${B}.ai.example.com`,
        'x-smartflow-tenant': B,
        'x-smartflow-tenant-id': B,
        'x-smartflow-namespace': B,
        'x-smartflow-key': 'app',
        'x-smartflow-role': 'ProxyAdmin',
        'x-smartflow-team': 'team',
        'x-smartflow-user-id': 'somebody',
        'x-api-key': await tokenIn(B),
      }
      const { status, headers } = await send(chat('m', 'posing as another'), posing)
      expect(status).toBe(200)
      const id = headers.get('x-smartflow-request-id') ?? headers.get('x-request-id') ?? 'none'
      await eventually('it is on record with its own tenant', async () => {
        const root = await tokenIn(SYSTEM, 'root')
        return (await get(`${plane.management}/api/vas/logs/${id}?tenant=${A}`, root)).status === 200
      })
      const models = await atHost(`${B}.ai.example.com`, `${plane.proxy}/v1/models`, await tokenIn(A))
      expect(models).toEqual((await get(`${plane.proxy}/v1/models`, await tokenIn(A))).text)
      expect(await logOf()).not.toContain(id)
      for (const path of ['/api/vas/logs', `/api/vas/logs?tenant=${B}`, `/api/vas/logs/${id}?tenant=${B}`])
        expect((await get(`${plane.management}${path}`, await tokenIn(A))).status).toBe(403)
    })
  })

  test("an Ingress of its own with another's host is nothing that the gateway knows of", async () => {
    const spec = {
      rules: [
        {
          host: `${B}.ai.example.com`,
          http: {
            paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 'evil', port: { number: 80 } } } }],
          },
        },
      ],
    }
    const path = `/apis/networking.k8s.io/v1/namespaces/${A}/ingresses`
    expect((await call('POST', path, { metadata: { name: 'evil' }, spec })).code).toBe(201)
    const tenant = await see(cluster, 'aitenants', B)
    expect(condition(tenant, 'Accepted')?.status).toBe('True')
  })

  test("has with its sidecar's address nothing but its own part of the store", { timeout: 180_000 }, async () => {
    const labels = { 'smartflow.dev/sidecar-injection': 'enabled' }
    await cluster.request('PATCH', `/api/v1/namespaces/${A}`, { body: { metadata: { labels } } })
    const url = await eventually(
      'the Secret',
      async () => (await secretOf(cluster, A, 'smartflow-sidecar'))?.['REDIS_URL'],
    )
    const own = openRedis(url, { name: 'own', commandTimeoutMs: 10_000 })
    expect(await own.whenUp(15_000)).toBe(true)
    const { gateway } = installed.place
    const theirs = [...((await admin.send('keys', [`sf:{${B}}:*`])) as string[]), `sf:cfg:{${gateway}}:head`]
    expect(theirs.length).toBeGreaterThan(3)
    for (const key of theirs) {
      for (const [name, ...args] of [['get'], ['hgetall'], ['set', 'x'], ['del'], ['dump'], ['publish', 'x']])
        await expect(own.send(name ?? '', [key, ...args])).rejects.toThrow('NOPERM')
      await expect(own.send('eval', ["return redis.call('TYPE', KEYS[1])", 1, key])).rejects.toThrow('NOPERM')
    }
    const head = `sf:{${A}}:cfg:${gateway}:head`
    expect(await own.send('hget', [head, 'gen'])).toMatch(/^\d+$/)
    for (const [name, ...args] of [['hset', 'gen', '99'], ['del'], ['expire', '1'], ['rename', `sf:{${A}}:led:x`]])
      await expect(own.send(name ?? '', [head, ...args])).rejects.toThrow('NOPERM')
    await expect(own.send('acl', ['WHOAMI'])).rejects.toThrow('NOPERM')
    own.close()
  })

  test(
    'without the admission policies, roles and gateways out of place are refused all the same',
    { timeout: 180_000 },
    async () => {
      const policies = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings'
      const all = await cluster.request<{ items: { metadata: { name: string } }[] }>('GET', policies)
      for (const { metadata } of all.body.items.filter(each => each.metadata.name.startsWith(SYSTEM)))
        await cluster.request('DELETE', `${policies}/${metadata.name}`)
      for (const role of ['ProxyAdmin', 'ProxyAdminViewer', 'OrgAdmin']) {
        const name = `late-${role.toLowerCase()}`
        await eventually('it is let in', async () => {
          const { code } = await make('VirtualKey', 'virtualkeys', name, { alias: name, role })
          return code === 201 || code === 409
        })
        await told('virtualkeys', name, 'Accepted', 'NamespaceNotAllowed')
        expect(await secretOf(cluster, A, `${name}-key`)).toBeUndefined()
      }
      await apply(cluster, { ...resource('AIGateway', 'a-first', {}), metadata: { name: 'a-first', namespace: A } })
      await told('aigateways', 'a-first', 'Accepted', 'NamespaceNotAllowed')
      await make('VirtualKey', 'virtualkeys', 'own-root', { alias: 'own-root', role: 'ProxyAdmin' })
      await told('virtualkeys', 'own-root', 'Accepted', 'NamespaceNotAllowed')
      await apply(
        cluster,
        resource('AITenant', 'thief', { namespaces: { names: [B] }, hostnames: [`${B}.ai.example.com`] }),
      )
      await eventually('the thief is refused', async () =>
        isSaid(await see(cluster, 'aitenants', 'thief'), 'Accepted', 'False', 'Conflicted'),
      )
      expect(condition(await see(cluster, 'aigateways', 'main', SYSTEM), 'Accepted')?.status).toBe('True')
    },
  )

  test('nothing of the other tenant changed in all of it', async () => {
    expect(await configurationOf(B)).toBe(before)
    expect((await ask(plane.proxy, await tokenIn(B), chat('m', 'at the end'))).status).toBe(200)
    expect(operator.log()).not.toMatch(/forbidden/i)
  })
})
