// An API server that answers badly: expired, frozen, late and broken watches, too many requests, errors for a while, a list
// that comes back empty. The operator serves on and catches up by itself; data planes never lose anything.
import { afterAll, beforeEach, afterEach, describe, expect } from 'vitest'
import { eventually } from '../e2e/gateway.ts'
import { ApiProxy } from './api-proxy.ts'
import { everyPlane, Prober } from './chaos-prober.ts'
import {
  allReady,
  create,
  createAll,
  endsAs,
  endState,
  isGone,
  key,
  remove,
  tenantObjects,
  tokenOf,
  worldOfFile,
} from './chaos-world.ts'
import { test } from './cluster-test.ts'
import { type OperatorProcess, type Plane, see, startOperator, startPlane } from './stack.ts'

const TENANT = 'acme'
/** So many keys that losing all of them at once cannot be meant. */
const MANY = Array.from({ length: 20 }, (_, at) => `many-${at}`)

let proxy: ApiProxy
let operator: OperatorProcess
let planes: Plane[] = []
let calm: Record<string, unknown> = {}
let prober: Prober

const held = worldOfFile(async world => {
  proxy = await ApiProxy.start(world)
  operator = await startOperator(world, { kubeconfig: proxy.kubeconfig })
  planes = [await startPlane(world), await startPlane(world)]
  await createAll(world, tenantObjects(TENANT, ['app', 'web', ...MANY]))
  await allReady(world, { log: () => operator.log() })
  calm = await endState(world, TENANT)
})
afterAll(() => proxy.stop())

/** Adds a key and takes it away again: whoever does both sees everything. */
async function comesAndGoes(name: string, trouble: () => void | Promise<void>): Promise<void> {
  const { world } = held
  await create(world, key(TENANT, name))
  await trouble()
  const token = await tokenOf(world, TENANT, name)
  await everyPlane(planes, token, 200)
  await remove(world, 'virtualkeys', name, TENANT)
  await everyPlane(planes, token, 401)
  await isGone(world, TENANT, name)
}

describe('an API server in trouble', { timeout: 60_000 }, () => {
  beforeEach(async () => {
    prober = new Prober(() => planes).watch(await tokenOf(held.world, TENANT, 'app'))
  })
  afterEach(async () => {
    proxy.rule = () => undefined
    proxy.delayMs = 0
    await allReady(held.world, { log: () => operator.log() })
    await endsAs(held.world, TENANT, calm)
    expect(await prober.stop()).toEqual([])
  })

  test('says in every watch that its version is too old', async ({ cluster: _ }) => {
    await comesAndGoes('expired', () => proxy.expire())
    // The lists that follow are refused once more each.
    const refused = new Set<string>()
    proxy.rule = ({ plural, watch }) => {
      if (!watch || refused.has(plural)) return undefined
      refused.add(plural)
      return { code: 410, reason: 'Expired' }
    }
    await comesAndGoes('expired-again', () => proxy.drop())
    expect(refused).toContain('virtualkeys')
  })

  test('freezes the watches, and breaks them later', async ({ cluster: _ }) => {
    await comesAndGoes('frozen', async () => {
      // All that is to be told is told only to the next watch.
      expect(proxy.freeze('virtualkeys')).toBe(1)
      await create(held.world, key(TENANT, 'unseen'))
      await remove(held.world, 'virtualkeys', 'unseen', TENANT)
      proxy.drop('virtualkeys')
    })
  })

  test('tells events late', async ({ cluster: _ }) => {
    proxy.delayMs = 700
    await comesAndGoes('late', () => undefined)
  })

  test('has too many requests, and says when to come again', async ({ cluster: _ }) => {
    const times: number[] = []
    let left = 6
    proxy.rule = ({ method }) => {
      if (method === 'GET' || left === 0) return undefined
      left--
      times.push(Date.now())
      return { code: 429, reason: 'TooManyRequests', retryAfter: 1 }
    }
    await comesAndGoes('busy', () => undefined)
    expect(left).toBe(0)
  })

  test('answers everything with errors for a while', async ({ cluster: _ }) => {
    const { world } = held
    await comesAndGoes('failed', async () => {
      proxy.rule = ({ plural }) => (plural === 'leases' ? undefined : { code: 500, reason: 'InternalError' })
      proxy.drop()
      const before = proxy.decided
      await eventually('it was asked again and again', () => proxy.decided > before + 20)
      expect(await see(world.cluster, 'virtualkeys', 'failed', TENANT)).toBeDefined()
      proxy.rule = () => undefined
    })
  })

  test('gives an empty list of namespaces', async ({ cluster: _ }) => {
    let lists = 0
    proxy.rule = ({ method, plural, watch }) => {
      if (plural !== 'namespaces' || method !== 'GET' || watch) return undefined
      lists++
      return lists === 1 ? { amend: emptied } : undefined
    }
    proxy.expire('namespaces')
    await eventually('it was listed, and listed again', () => lists > 1)
    await comesAndGoes('namespaced', () => undefined)
  })
})

function emptied(body: string): string {
  return JSON.stringify({ ...(JSON.parse(body) as object), items: [] })
}
