// Lists that lack what is there: well-formed and empty, as a broken aggregation layer answers, or a store that is being
// restored, which then knows nothing by name either. Nothing is taken away for that, data planes serve on what they served,
// and all comes back with a list that is right.
import { afterEach, beforeEach, describe, expect } from 'vitest'
import { eventually } from '../e2e/gateway.ts'
import type { ApiProxy, Instead, Rule } from './api-proxy.ts'
import { servedBy } from './chaos-prober.ts'
import { comesAndGoes, gatewaySeen, MANY, neverNoticed, TENANT, tenantBehindProxy } from './chaos-tenant.ts'
import { allReady } from './chaos-world.ts'
import { test } from './cluster-test.ts'
import { condition, type Seen, seeAll, startOperator } from './stack.ts'
import { request } from './world.ts'

const KEYS = ['app', 'web', ...MANY]
/** What lists may be empty of. */
const EVERYTHING = [
  'aigateways',
  'aitenants',
  'aiproviders',
  'fallbackchains',
  'policies',
  'virtualkeys',
  'namespaces',
] as const
const nameOf = (what: string): string => what.replaceAll(/\W+/g, '-')
const FAILED: Instead = { code: 500, reason: 'InternalError' }
const UNKNOWN: Instead = { code: 404, reason: 'NotFound' }
const EMPTY: Instead = { amend: body => JSON.stringify({ ...(JSON.parse(body) as object), items: [] }) }

let proxy: ApiProxy

const held = tenantBehindProxy(begun => {
  proxy = begun
})

/** Answers lists of these kinds so; others, and everything else, go their way. */
const lists =
  (plurals: readonly string[], instead: () => Instead | undefined): Rule =>
  ({ method, plural, watch, name }) =>
    method === 'GET' && !watch && name === '' && plurals.includes(plural) ? instead() : undefined

/** Nothing of these kinds is there, listed or by name. */
const knowsNone =
  (plurals: readonly string[]): Rule =>
  asked =>
    lists(plurals, () => EMPTY)(asked) ??
    (asked.method === 'GET' && asked.name !== '' && plurals.includes(asked.plural) ? UNKNOWN : undefined)

/** Lists are answered so again and again, this often at least; meanwhile every plane serves what it served before. */
async function asked(times: number): Promise<void> {
  const before = proxy.decided
  const served = new Set([await digests()])
  await eventually(
    'it was listed again and again',
    async () => {
      served.add(await digests())
      return proxy.decided >= before + times
    },
    30_000,
  )
  expect([...served]).toHaveLength(1)
}

/** What the planes serve. */
async function digests(): Promise<string> {
  return JSON.stringify(await Promise.all(held.planes.map(async plane => (await servedBy(plane)).digest)))
}

async function restart(): Promise<void> {
  await held.operator.kill()
  held.operator = await startOperator(held.world, {
    kubeconfig: proxy.kubeconfig,
    // The next one need not wait for the lease of the dead.
    env: { SMARTFLOW_LEADER_ELECTION: 'false' },
  })
}

/** An operator that leads and has no trouble behind it: pauses between lists grow with every one that fails. */
async function startsWell(): Promise<void> {
  await restart()
  await eventually('it leads', isLeading, 60_000)
  await eventually('every watch stands', () => EVERYTHING.every(plural => proxy.watching(plural) === 1))
}

/** It has found in force what it would publish. */
const isLeading = async (): Promise<boolean> =>
  (await metric('smartflow_config_published_total{result="unchanged"}')) > 0

/** Value of a line of the operator's metrics that begins so; 0 when there is none. */
async function metric(series: string): Promise<number> {
  const text = await (await fetch(`${held.operator.metrics}/metrics`)).text()
  const line = text.split('\n').find(each => each.startsWith(`${series} `))
  return Number(line?.slice(series.length + 1) ?? 0)
}

/** The trouble is over and `well` comes true; until then every plane serves what it served before. */
async function endsUnnoticed(before: string, well: () => Promise<boolean>): Promise<void> {
  const served = new Set([before])
  proxy.rule = () => undefined
  await eventually(
    'everything is well again',
    async () => {
      served.add(await digests())
      return await well()
    },
    40_000,
  )
  expect([...served]).toEqual([before])
}

/** Status, log and metrics say that a publication is held back, and what is served goes on to be called so. */
async function isSaidToBeHeld(): Promise<void> {
  const said = (): Promise<unknown> => gatewaySeen(held).then(seen => condition(seen, 'PublishHeld'))
  await expect
    .poll(said, { timeout: 15_000 })
    .toMatchObject({ status: 'True', reason: 'TooMuchRemoved', message: expect.stringContaining('held back: 2') })
  expect(held.operator.log()).toContain('held back: 2')
  expect(await metric('smartflow_config_published_total{result="failed"}')).toBeGreaterThan(0)
  const series = 'smartflow_resource_condition{kind="AIGateway",type="PublishHeld",status="True"}'
  await eventually('a metric says so', async () => (await metric(series)) === 1)
  await allReady(held.world, { tenant: TENANT, log: () => held.operator.log() })
}

async function isSaidNoMore(): Promise<boolean> {
  const seen = await gatewaySeen(held)
  return seen !== undefined && condition(seen, 'PublishHeld') === undefined
}

/** By key: what a revocation or another token would change, and its Secret to the version. */
async function tokens(): Promise<Record<string, unknown>> {
  const { cluster } = held.world
  const keys = await seeAll(cluster, 'virtualkeys', TENANT)
  const secrets = await request<{ items: readonly Pick<Seen, 'metadata'>[] }>(
    cluster,
    'GET',
    `/api/v1/namespaces/${TENANT}/secrets`,
  )
  // The cluster takes its time with the Secrets of keys that came and went.
  const there = KEYS.map(name => {
    const { metadata, status } = keys.find(each => each.metadata.name === name) ?? {}
    const secret = secrets.items.find(each => each.metadata.name === `${name}-key`)?.metadata
    const { uid, finalizers, deletionTimestamp } = metadata ?? {}
    const token = { uid: secret?.uid, resourceVersion: secret?.resourceVersion }
    return [name, { uid, finalizers, deletionTimestamp, keyID: status?.['keyID'], token }]
  })
  return Object.fromEntries(there) as Record<string, unknown>
}

describe('an API server whose lists lack what is there', { timeout: 180_000 }, () => {
  const endTrouble = (): void => {
    proxy.rule = () => undefined
  }
  neverNoticed(held, { endTrouble, keys: ['app', 'web', ...MANY.slice(0, 2)] })

  let before: { readonly tokens: Record<string, unknown>; readonly digest: string | null }
  beforeEach(async () => {
    before = { tokens: await tokens(), digest: (await servedBy(held.planes[0])).digest }
    expect(before.tokens['app']).toMatchObject({ keyID: expect.any(String), token: { uid: expect.any(String) } })
  })
  afterEach(async () => {
    expect(await tokens()).toEqual(before.tokens)
    for (const plane of held.planes) expect((await servedBy(plane)).digest).toBe(before.digest)
  })

  test('gives an empty list of keys for a while, and knows none by name', async ({ cluster: _ }) => {
    await startsWell()
    proxy.rule = knowsNone(['virtualkeys'])
    const before = await digests()
    proxy.expire('virtualkeys')
    await isSaidToBeHeld()
    await asked(8)
    await endsUnnoticed(before, isSaidNoMore)
    await comesAndGoes(held, 'after-relist')
  })

  test.for([
    ['keys', ['virtualkeys']],
    // So few that their removal would not be held back at another time.
    ['providers, chains and policies', ['aiproviders', 'fallbackchains', 'policies']],
    ['gateways', ['aigateways']],
    ['namespaces', ['namespaces']],
    ['everything', EVERYTHING],
  ] as const)('gives empty lists of %s to an operator that starts', async ([what, plurals], { cluster: _ }) => {
    const before = await digests()
    proxy.rule = lists(plurals, () => EMPTY)
    await restart()
    await eventually('it is said', () => held.operator.log().includes('a list lacks '))
    await asked(2)
    await endsUnnoticed(before, isLeading)
    await comesAndGoes(held, `after-start-${nameOf(what)}`)
  })

  test.for([
    ['keys', ['virtualkeys']],
    ['providers, chains and policies', ['aiproviders', 'fallbackchains', 'policies']],
    ['everything', EVERYTHING],
  ] as const)('gives empty lists of %s for a while', async ([what, plurals], { cluster: _ }) => {
    await startsWell()
    const before = await digests()
    proxy.rule = lists(plurals, () => EMPTY)
    for (const plural of plurals) proxy.expire(plural)
    await eventually('it is said', () =>
      plurals.every(plural =>
        new RegExp(`${plural}[^\\n]*: a list lacks [^\\n]*, which is there`).test(held.operator.log()),
      ),
    )
    await asked(2)
    await endsUnnoticed(before, async () => plurals.every(plural => proxy.watching(plural) > 0))
    await comesAndGoes(held, `after-${nameOf(what)}`)
  })

  test('gives an empty list of keys, and then none at all for a while', async ({ cluster: _ }) => {
    await startsWell()
    const before = await digests()
    let given = 0
    proxy.rule = lists(['virtualkeys'], () => (given++ === 0 ? EMPTY : FAILED))
    proxy.expire('virtualkeys')
    await asked(2)
    await endsUnnoticed(before, async () => proxy.watching('virtualkeys') > 0)
    await comesAndGoes(held, 'after-failures')
  })

  test('gives an operator that starts no list of keys for a while', async ({ cluster: _ }) => {
    proxy.rule = lists(['virtualkeys'], () => FAILED)
    await restart()
    await asked(4)
    expect((await fetch(`${held.operator.metrics}/readyz`)).status).toBe(503)
    // Whatever it knows of the rest, it publishes nothing without the keys.
    expect(await metric('smartflow_config_published_total{result="published"}')).toBe(0)
    proxy.rule = () => undefined
    await comesAndGoes(held, 'after-no-list')
  })
})
