// What operators see: health, metrics, the record of every call (O01, O03, O08).
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { verifies } from '../requirements.ts'
import { type Answer, ask, chat, get } from './calls.ts'
import { cleanUp, eventually, type GatewayProcess, startGateway } from './gateway.ts'
import { daily, fresh, price, scripted, tenant, virtualKey, yaml } from './resources.ts'
import { raw, startUpstream, type Upstream, whole } from './upstream.ts'

const redisUrl = inject('redisUrl')
const TENANT = fresh('observe')
const OTHER = fresh('observe-other')

const RESOURCES = (url: string): string => {
  const providers = [
    ...scripted('p', url, { models: { allow: ['m', 'n'] }, pricing: [price('m', '100'), price('n', '100')] }),
    ...scripted('q', url, { preset: 'groq', models: { allow: ['q'] } }),
  ]
  return yaml(
    ...tenant(
      TENANT,
      { teams: [{ name: 'blue' }] },
      ...providers,
      virtualKey('admin', { role: 'ProxyAdmin' }),
      virtualKey('app', { team: 'blue', tags: ['prod'] }),
      virtualKey('poor', daily('0.0001')),
    ),
    ...tenant(OTHER, { adminNamespaces: [OTHER] }, ...providers, virtualKey('org', { role: 'OrgAdmin' })),
  )
}

describe.skipIf(redisUrl === '')('what operators see (skipped without a Redis)', () => {
  let upstream: Upstream
  let gateway: GatewayProcess

  beforeAll(async () => {
    upstream = await startUpstream()
    gateway = await startGateway({ redisUrl, gateway: TENANT, resources: RESOURCES(upstream.url) })
  })

  afterAll(async () => {
    await cleanUp()
    await upstream?.close()
  })

  const send = (model: string, key = 'app', headers: Record<string, string> = {}): Promise<Answer> =>
    ask(gateway.proxy, gateway.token(`${key}-key`), chat(model), headers)

  type Row = Record<string, unknown> & { readonly request_id: string }

  async function logs(query: string, key = 'admin'): Promise<Row[]> {
    const { status, json } = await get(`${gateway.management}/api/vas/logs?${query}`, gateway.token(`${key}-key`))
    expect(status).toBe(200)
    return json?.['data'] as Row[]
  }

  const idOf = ({ headers }: Answer): string => headers.get('x-smartflow-request-id') ?? ''

  test(`health is open on every port, readiness says that it serves ${verifies('O08')}`, async () => {
    for (const address of [gateway.proxy, gateway.management, gateway.metrics]) {
      for (const path of ['/health', '/health/liveliness', '/health/liveliness/']) {
        expect(await get(`${address}${path}`)).toMatchObject({ status: 200, json: { status: 'ok' } })
      }
      expect(await get(`${address}/health/readiness`)).toMatchObject({ status: 200, json: { status: 'ready' } })
    }
  })

  test(`the comprehensive view names providers, cache, ledger, audit and configuration ${verifies('O08')}`, async () => {
    await send('m')
    const { json } = await get(`${gateway.management}/api/health/comprehensive`, gateway.token('admin-key'))
    expect(json).toMatchObject({
      status: 'healthy',
      providers: expect.arrayContaining([expect.objectContaining({ provider: 'openai', status: 'healthy' })]),
      cache: { available: true },
      ledger: { up: true, lost: 0 },
      audit: { up: true, lost: 0 },
      configuration: { epoch: 1, problem: null },
    })
  })

  test(`metrics are in Prometheus format, open on their own port, for admins on the proxy ${verifies('O01')}`, async () => {
    await send('m')
    await send('nobody/knows')
    const { status, text, headers } = await get(`${gateway.metrics}/metrics`)
    expect(status).toBe(200)
    expect(headers.get('content-type')).toContain('text/plain')
    expect(text).toMatch(
      /^smartflow_requests_total\{provider="openai",model="m",status="2xx",outcome="complete"\} \d+$/m,
    )
    expect(text).toMatch(
      /^smartflow_requests_total\{provider="",model="other",status="4xx",outcome="model_not_found"\} \d+$/m,
    )
    expect(text).toMatch(/^smartflow_cost_usd_total\{provider="openai",model="m"\} 0\.\d+$/m)
    expect(text).toMatch(/^smartflow_build_info\{version="[\d.]+"\} 1$/m)
    for (const line of text.split('\n').filter(each => each !== '' && !each.startsWith('#'))) {
      expect(line).toMatch(/^[a-z0-9_]+(\{.*\})? \S+$/)
    }
    expect((await get(`${gateway.proxy}/metrics`)).status).toBe(401)
    expect((await get(`${gateway.proxy}/metrics`, gateway.token('app-key'))).status).toBe(403)
    expect((await get(`${gateway.proxy}/metrics`, gateway.token('admin-key'))).status).toBe(200)
  })

  test(`every call is on record, refused ones too, with who, what and why ${verifies('O03')}`, async () => {
    upstream.answer = whole('ok')
    const good = await send('m', 'app', { 'x-user-id': 'ada', 'x-session-id': 'talk-1', 'x-smartflow-tags': 'a, b' })
    upstream.answer = raw(500, '{"error":{"message":"oops"}}')
    const failed = await send('n')
    const poor = await send('m', 'poor')
    const unknown = await send('nobody/knows')
    upstream.answer = whole('ok')
    const rows = await eventually('all are on record', async () => {
      const found = await logs('limit=20')
      return [good, failed, poor, unknown].every(answer => found.some(row => row.request_id === idOf(answer))) && found
    })
    const rowOf = (answer: Answer): Row | undefined => rows.find(row => row.request_id === idOf(answer))
    expect(rowOf(good)).toMatchObject({
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      provider: 'openai',
      model: 'm-2026',
      requested_model: 'm',
      tokens_used: 15,
      cost: 0.0015,
      user_id: 'ada',
      conversation_id: 'talk-1',
      team: 'blue',
      key: `${TENANT}/app`,
      tags: ['a', 'b'],
      status: 200,
      outcome: 'complete',
      content_type: 'chat',
      routing_strategy: 'direct',
      routing_reason: 'provider:openai',
      compliance_status: 'compliant',
      metacache: { hit: false, tokens_saved: 0 },
      metrics: { prompt_tokens: 10, completion_tokens: 5, success: true },
    })
    expect(rowOf(failed)).toMatchObject({
      status: 502,
      outcome: 'upstream_failed',
      error: expect.stringContaining('oops'),
      cost: 0,
    })
    expect(rowOf(poor)).toMatchObject({ status: 429, outcome: 'budget_exceeded', attempts: [] })
    expect(rowOf(unknown)).toMatchObject({ status: 404, outcome: 'model_not_found', requested_model: 'nobody/knows' })
  })

  test(`a stranger's call is on record too, apart from everybody's ${verifies('O03')}`, async () => {
    const answer = await ask(gateway.proxy, `sk-sf-${'0'.repeat(48)}`, chat('m'))
    const row = await eventually('it is on record', async () =>
      (await logs('limit=20&tenant=-')).find(each => each.request_id === idOf(answer)),
    )
    expect(row).toMatchObject({ status: 401, outcome: 'key_invalid' })
    expect((await logs('limit=1000')).some(each => each.request_id === idOf(answer))).toBe(false)
  })

  test(`the log is read newest first, by pages, by provider and by model ${verifies('O03')}`, async () => {
    const sent = [...(await Promise.all(Array.from({ length: 6 }, () => send('m')))), await send('q'), await send('n')]
    await eventually('all are on record', async () => {
      const found = new Set((await logs('limit=100')).map(row => row.request_id))
      return sent.every(answer => found.has(idOf(answer)))
    })
    const all = await logs('limit=1000')
    const times = all.map(row => Date.parse(String(row['timestamp'])))
    expect(times.at(0)).toBe(Math.max(...times))
    const pages = [...(await logs('limit=3')), ...(await logs('limit=3&offset=3'))]
    expect(pages.map(row => row.request_id)).toEqual(all.slice(0, 6).map(row => row.request_id))
    const groq = await logs('provider=groq')
    expect(groq.map(row => row.request_id)).toEqual([idOf(sent[6] as Answer)])
    expect((await logs('model=n')).every(row => row['requested_model'] === 'n')).toBe(true)
    expect((await logs('model=n-2026')).length).toBeGreaterThan(0)
    expect(await logs('model=unheard-of')).toEqual([])
    expect(await logs('days=0')).toEqual([])
    expect((await get(`${gateway.management}/api/vas/logs?limit=many`, gateway.token('admin-key'))).status).toBe(400)
  })

  test(`a tenant's admin sees its own log and no other ${verifies('O03')}`, async () => {
    await send('m')
    expect(await logs('limit=10', 'org')).toEqual([])
    const { status, json } = await get(`${gateway.management}/api/vas/logs?tenant=${TENANT}`, gateway.token('org-key'))
    expect(status).toBe(403)
    expect(json?.error?.code).toBe('insufficient_role')
  })
})
