// The chart's admission policies on a control plane of their own: they hold for all of a cluster.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { DEFINITIONS } from '../../core/src/resources/definitions.ts'
import type { Kind } from '../../core/src/resources/resource.ts'
import { type ControlPlane, startControlPlane } from '../../hack/control-plane/control-plane.ts'
import { eventually } from '../e2e/gateway.ts'
import { CHART, helm } from './helm.ts'
import { applyOwnDefinitions } from './own-definitions.ts'

const SYSTEM = 'gateway-system'
const GROUP = '/apis/smartflow.dev/v1alpha1'

type Said = { message?: string }

describe.skipIf(!inject('cluster'))('the chart lets in', () => {
  let dir: string
  let cluster: ControlPlane

  const path = (kind: Kind, namespace: string): string =>
    `${GROUP}/${DEFINITIONS[kind].scope === 'Cluster' ? '' : `namespaces/${namespace}/`}${DEFINITIONS[kind].plural}`

  async function create(kind: Kind, namespace: string, name: string, spec: object) {
    const body = { apiVersion: 'smartflow.dev/v1alpha1', kind, metadata: { name }, spec }
    const said = await cluster.request<Said>('POST', path(kind, namespace), { body })
    return { code: said.code, message: said.body.message ?? '' }
  }

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'smartflow-admission-'))
    cluster = await startControlPlane({ dir })
    await applyOwnDefinitions(cluster)
    const namespaces = { [SYSTEM]: {}, platform: {}, app: { tenant: 'acme' }, other: {}, capped: {} }
    for (const [name, labels] of Object.entries(namespaces)) {
      await cluster.request('POST', '/api/v1/namespaces', { body: { metadata: { name, labels } } })
    }
    const exposure = { domains: ['ai.example.com', '*.example.org'] }
    expect((await create('AIGateway', SYSTEM, 'main', { exposure })).code).toBe(201)
    const owned = { names: ['platform'], selector: { matchLabels: { tenant: 'acme' } } }
    const acme = { namespaces: owned, adminNamespaces: ['platform'], hostnames: ['before.example.net'] }
    expect((await create('AITenant', '', 'acme', acme)).code).toBe(201)
    const rendered = await helm(cluster, [
      'template',
      'shop',
      CHART,
      '--namespace',
      SYSTEM,
      '--show-only',
      'templates/admission.yaml',
    ])
    const applied = await cluster.kubectl(['apply', '--server-side', '--filename=-'], { input: rendered })
    expect(applied).toMatchObject({ code: 0, stderr: '' })
    await eventually('the policies to hold', async () => {
      const tries = [
        await create('AIGateway', 'other', 'early', {}),
        await create('VirtualKey', 'other', 'early', { alias: 'early', role: 'ProxyAdmin' }),
        await create('VirtualKey', 'app', 'early', { alias: 'early', role: 'OrgAdmin' }),
        await create('AITenant', '', 'early', { hostnames: ['early.example.net'] }),
      ]
      return tries.every(each => each.code === 403) ? true : undefined
    })
  })

  afterAll(async () => {
    await cluster?.stop()
    rmSync(dir, { recursive: true, force: true })
  })

  test('keys of the gateway itself in its namespace alone', async () => {
    const spec = { alias: 'admin', role: 'ProxyAdminViewer' }
    expect((await create('VirtualKey', SYSTEM, 'admin', spec)).code).toBe(201)
    const refused = await create('VirtualKey', 'platform', 'admin', spec)
    expect(refused.code).toBe(403)
    expect(refused.message).toContain(`only for keys in the namespace of the gateway (${SYSTEM})`)
  })

  test('no key that is given such a role afterwards, and every other change of a key', async () => {
    expect((await create('VirtualKey', 'other', 'plain', { alias: 'plain' })).code).toBe(201)
    const place = `${path('VirtualKey', 'other')}/plain`
    expect((await cluster.request('PATCH', place, { body: { spec: { role: 'ProxyAdmin' } } })).code).toBe(403)
    expect((await cluster.request('PATCH', place, { body: { spec: { suspend: true } } })).code).toBe(200)
  })

  test('keys of a tenant where it says so, not in its other namespaces, named or selected', async () => {
    const spec = { alias: 'org', role: 'OrgAdmin' }
    expect((await create('VirtualKey', 'platform', 'org', spec)).code).toBe(201)
    const refused = await create('VirtualKey', 'app', 'org', spec)
    expect(refused.code).toBe(403)
    expect(refused.message).toContain('add it to spec.adminNamespaces of AITenant acme')
  })

  test.each([
    ['shop.ai.example.com', 201],
    ['ai.example.com', 201],
    ['a.b.ai.example.com', 201],
    ['shop.example.org', 201],
    ['a.shop.example.org', 403],
    ['example.org', 403],
    ['notai.example.com', 403],
    ['shop.example.net', 403],
  ])('a tenant with the host name %s: %i', async (host, code) => {
    const said = await create('AITenant', '', host.replaceAll('.', '-'), { hostnames: [host] })
    expect(said.code).toBe(code)
    if (code === 403) expect(said.message).toContain(`host name ${host} is not under a domain of AIGateway main`)
  })

  test('what was there before, as long as its host names stay', async () => {
    const place = `${path('AITenant', '')}/acme`
    expect((await cluster.request('PATCH', place, { body: { spec: { suspend: true } } })).code).toBe(200)
    const body = { spec: { hostnames: ['after.example.net'] } }
    expect((await cluster.request('PATCH', place, { body })).code).toBe(403)
  })

  test('an AIGateway in the namespace of the release alone', async () => {
    const refused = await create('AIGateway', 'platform', 'second', {})
    expect(refused.code).toBe(403)
    expect(refused.message).toContain(`create it in ${SYSTEM}`)
  })

  test('keys within the caps of their namespace', async () => {
    const caps = { metadata: { name: 'smartflow-caps' }, data: { maxBudgetUSD: '100', maxRPM: '60' } }
    await cluster.request('POST', '/api/v1/namespaces/capped/configmaps', { body: caps })
    const within = { budget: { amountUSD: '100.00', period: 'Daily' }, rateLimit: { rpm: 60 } }
    await eventually('the caps to hold', async () => {
      const { code } = await create('VirtualKey', 'capped', 'free', { alias: 'free' })
      if (code === 201) await cluster.request('DELETE', `${path('VirtualKey', 'capped')}/free`)
      return code === 403 ? true : undefined
    })
    expect((await create('VirtualKey', 'capped', 'within', { alias: 'within', ...within })).code).toBe(201)
    const dear = { ...within, budget: { amountUSD: '100.01', period: 'Daily' } }
    expect((await create('VirtualKey', 'capped', 'dear', { alias: 'dear', ...dear })).message).toContain('at most 100')
    const fast = { ...within, rateLimit: { rpm: 61 } }
    expect((await create('VirtualKey', 'capped', 'fast', { alias: 'fast', ...fast })).message).toContain('at most 60')
  })
})
