// A key's token is replaced in time: the new one works at once, the one before until its end, and neither is ever seen
// outside its Secret.
import { afterAll, expect } from 'vitest'
import { StoreConnection } from '../../operator/src/apply/redis.ts'
import { ask, chat } from '../e2e/calls.ts'
import { eventually } from '../e2e/gateway.ts'
import { watchStandstill } from '../e2e/standstill.ts'
import type { Upstream } from '../e2e/upstream.ts'
import { verifies } from '../requirements.ts'
import { test } from './cluster-test.ts'
import { startOutsideUpstream } from './outside-upstream.ts'
import {
  apply,
  isSaid,
  type OperatorProcess,
  type Plane,
  secretOf,
  see,
  seeAll,
  startOperator,
  startPlane,
} from './stack.ts'
import { KINDS, kubectl, patchSpec, pathOf, request, TENANT, useUpstream, worldOfFile, yamlOf } from './world.ts'

const SECRET = `/api/v1/namespaces/${TENANT}/secrets/checkout-key`
/** How long the token before stays good in this test. */
const OVERLAP_MS = 20_000

let operator: OperatorProcess
let planes: readonly Plane[]
let upstream: Upstream
const tokens: string[] = []

const here = worldOfFile(async ({ place }) => {
  upstream = await startOutsideUpstream()
  operator = await startOperator(place)
  planes = [await startPlane(place), await startPlane(place)]
})
afterAll(() => upstream?.close())

const secret = async (): Promise<Record<string, string>> =>
  (await secretOf(here().cluster, TENANT, 'checkout-key')) ?? {}

const answers = (token: string): Promise<number[]> =>
  Promise.all(planes.map(async ({ proxy }) => (await ask(proxy, token, chat('support'))).status))

/** Has the key reconciled now, as anybody may who changes an annotation. */
const touch = (): Promise<string> =>
  kubectl(here().cluster, 'annotate', 'virtualkey', 'checkout', '-n', TENANT, '--overwrite', `at=${Date.now()}`)

test(`a token is rotated when its time has come ${verifies('K01')}`, { timeout: 180_000 }, async ({ cluster: _ }) => {
  const { cluster } = here()
  await apply(cluster, yamlOf('config/samples/tenant'))
  await useUpstream(cluster, upstream.url)
  const rotation = { interval: '1h', overlap: `${OVERLAP_MS / 1_000}s` }
  // The test asks more often than the sample allows.
  await patchSpec(cluster, pathOf('virtualkeys', 'checkout', TENANT), { rotation, rateLimit: null })
  await eventually('the key is served', async () => {
    return isSaid(await see(cluster, 'virtualkeys', 'checkout', TENANT), 'Programmed', 'True')
  })
  const { token: first = '' } = await secret()
  expect(await answers(first)).toEqual([200, 200])

  // Nobody can wait an hour: the Secret says that the token is two hours old.
  const annotations = { 'smartflow.dev/rotated-at': new Date(Date.now() - 7_200_000).toISOString() }
  await request(cluster, 'PATCH', SECRET, { body: { metadata: { annotations } } })
  await touch()
  const rotated = await eventually('a new token', async () => {
    const found = await secret()
    return found['token'] !== first ? found : undefined
  })
  const second = rotated['token'] ?? ''
  tokens.push(first, second)
  expect(second).toMatch(/^sk-sf-[0-9a-f]{48}$/)
  expect(rotated['previousToken']).toBe(first)
  const expires = Date.parse(rotated['previousExpires'] ?? '')
  expect(expires - Date.now()).toBeGreaterThan(0)
  expect(expires - Date.now()).toBeLessThanOrEqual(OVERLAP_MS)

  const startedAt = performance.now()
  await eventually('both tokens work everywhere', async () => {
    const statuses = [...(await answers(second)), ...(await answers(first))]
    return statuses.every(status => status === 200)
  })
  console.info(`both tokens work ${(performance.now() - startedAt).toFixed()} ms after the new one is in the Secret`)
  const key = await eventually('the status tells the times', async () => {
    const seen = await see(cluster, 'virtualkeys', 'checkout', TENANT)
    const isTold = seen?.status?.['previousKeyExpires'] !== undefined && isSaid(seen, 'Ready', 'True')
    return isTold ? seen : undefined
  })
  const { rotatedAt, nextRotation, previousKeyExpires } = key.status as Record<string, string>
  expect(Date.parse(previousKeyExpires ?? '')).toBe(expires)
  expect(Date.parse(nextRotation ?? '') - Date.parse(rotatedAt ?? '')).toBe(3_600_000)
  expect(expires - Date.parse(rotatedAt ?? '')).toBe(OVERLAP_MS)

  const stood = watchStandstill()
  const endedAt = await eventually(
    'the token before is refused',
    async () => {
      return (await answers(first)).every(status => status === 401) && Date.now()
    },
    60_000,
  )
  console.info(`the token before is refused everywhere ${endedAt - expires} ms after its end`)
  expect(endedAt - expires).toBeGreaterThanOrEqual(0)
  expect(endedAt - expires).toBeLessThan(5_000 + stood())
  expect(await answers(second)).toEqual([200, 200])
  await eventually('it is in its Secret no more', async () => (await secret())['previousToken'] === undefined)
  await eventually('nor is its end in the status', async () => {
    const seen = await see(cluster, 'virtualkeys', 'checkout', TENANT)
    return seen !== undefined && seen.status?.['previousKeyExpires'] === undefined
  })
})

test('a Secret that somebody deleted is made anew with another token', async ({ cluster: _ }) => {
  const [, second = ''] = tokens
  await kubectl(here().cluster, 'delete', 'secret', 'checkout-key', '-n', TENANT)
  await touch()
  const third = await eventually('another token', async () => (await secret())['token'], 30_000)
  tokens.push(third)
  expect(third).not.toBe(second)
  await eventually('it works, and the lost one does not', async () => {
    return (
      (await answers(third)).every(status => status === 200) && (await answers(second)).every(status => status === 401)
    )
  })
})

test('no token is seen outside its Secret', async ({ cluster: _ }) => {
  const { cluster, place } = here()
  const objects = (await Promise.all(KINDS.map(plural => seeAll(cluster, plural)))).flat()
  const events = await request<{ items: { reason: string }[] }>(cluster, 'GET', '/apis/events.k8s.io/v1/events')
  expect(events.items.map(({ reason }) => reason)).toContain('Rotated')
  const store = await storedTexts(place.redisUrl)
  const places = {
    objects: JSON.stringify(objects),
    events: JSON.stringify(events),
    operator: operator.log(),
    planes: planes.map(plane => plane.log()).join('\n'),
    store,
  }
  expect(store).toContain(place.gateway)
  expect(tokens).toHaveLength(3)
  for (const token of tokens) {
    const forms = [token, token.slice('sk-sf-'.length), Buffer.from(token).toString('base64')]
    for (const [name, text] of Object.entries(places)) {
      expect(forms.filter(form => text.includes(form)).map(() => name)).toEqual([])
    }
  }
})

const READ: Readonly<Record<string, (key: string) => [string, (string | number)[]]>> = {
  string: key => ['get', [key]],
  hash: key => ['hgetall', [key]],
  list: key => ['lrange', [key, 0, -1]],
  set: key => ['smembers', [key]],
  zset: key => ['zrange', [key, 0, -1]],
  stream: key => ['xrange', [key, '-', '+']],
}

/** All that a Redis holds, as text. Throws for a type that it does not know. */
async function storedTexts(url: string): Promise<string> {
  const redis = new StoreConnection({ url, name: 'test' })
  try {
    expect(await redis.whenUp(5_000)).toBe(true)
    const texts: string[] = []
    let cursor = '0'
    do {
      const [next, keys] = (await redis.send('scan', [cursor, 'COUNT', 1_000])) as [string, string[]]
      for (const key of keys) texts.push(key, await storedText(redis, key))
      cursor = next
    } while (cursor !== '0')
    return texts.join('\n')
  } finally {
    redis.close()
  }
}

async function storedText(redis: StoreConnection, key: string): Promise<string> {
  const type = String(await redis.send('type', [key]))
  if (type === 'none') return '' // it expired meanwhile
  const read = READ[type]
  if (read === undefined) throw new Error(`${key} is of the type ${type}`)
  return JSON.stringify(await redis.send(...read(key)))
}
