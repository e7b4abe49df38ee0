import { expect, test } from 'vitest'
import { HOME, liveObject, NOTHING_PUBLISHED, planOf, published } from '../../../test/operator/plans.ts'
import type { PublicationOutcome } from '../apply/publication.ts'
import { gatewayFacts, podCounts } from './gateway-facts.ts'
import type { PodState } from './rollout.ts'

const NOW = Date.UTC(2026, 0, 1)

const live = (more: object = {}) => liveObject('AIGateway', 'main', { namespace: HOME, ...more })

function pod(name: string, generation: number | undefined, more: { at?: number; problem?: string } = {}): PodState {
  const { at = NOW, problem } = more
  const ack = { bootId: 'b', digest: 'd', at, problem, schema: 1, version: '1', epoch: 1, generation: generation ?? 0 }
  return { uid: name, name, counted: true, ack: generation === undefined ? undefined : ack }
}

function factsOf(outcome: PublicationOutcome, objects = [live()], object = objects[0] ?? live()) {
  const plan = planOf(objects, { outcome })
  return gatewayFacts({ live: object, plan, rollout: { pods: [], store: 'up' }, accepted: true, now: NOW })
}

const said = (outcome: PublicationOutcome, objects?: ReturnType<typeof live>[]) =>
  (factsOf(outcome, objects).conditions ?? []).map(({ type, status, reason }) => `${type} ${status} ${reason}`)

test('pods are current, behind, refusing or silent; only those that take calls count', () => {
  const pods = [
    pod('current', 5),
    pod('later', 6),
    pod('behind', 4),
    pod('refusing', 4, { problem: 'a piece is missing' }),
    pod('silent', undefined),
    pod('old', 5, { at: NOW - 30_001 }),
    { ...pod('leaving', 1), counted: false },
  ]
  const plan = planOf([live()], { outcome: published(5) })
  const { behind, ...counts } = podCounts({ plan, rollout: { pods, store: 'up' }, now: NOW })
  expect(counts).toEqual({ ready: 6, current: 2, stale: 1, rejected: 1, missing: 2 })
  expect(behind.map(({ name }) => name)).toEqual(['behind', 'refusing', 'silent', 'old'])
})

test('nothing is current before anything was published', () => {
  const plan = planOf([live()], {
    outcome: { ...NOTHING_PUBLISHED, outcome: 'unavailable', message: 'away', since: 0 },
  })
  const counts = podCounts({ plan, rollout: { pods: [pod('a', 9)], store: 'up' }, now: NOW })
  expect(counts).toMatchObject({ ready: 1, current: 0 })
})

test('the store is ready, away, or not to be trusted', () => {
  expect(said(published(1))).toEqual(['ConfigStoreReady True Ready'])
  expect(said({ ...NOTHING_PUBLISHED, outcome: 'unavailable', message: 'away', since: 0 })).toEqual([
    'ConfigStoreReady False StoreUnavailable',
  ])
  expect(said({ ...published(1), evictionProblem: 'allkeys' })).toEqual(['ConfigStoreReady False UnsafeEvictionPolicy'])
})

test('a publication that is held back is said, and the wanted configuration is then not in force', () => {
  const held: PublicationOutcome = {
    ...NOTHING_PUBLISHED,
    outcome: 'held',
    few: false,
    message: 'too much',
    version: published(1).version,
  }
  expect(said(held)).toContain('PublishHeld True TooMuchRemoved')
  expect(factsOf(held).digest).toEqual({ wanted: 'not in force', inForce: 'digest 1' })
  expect(factsOf(published(1)).digest).toEqual({ wanted: 'digest 1', inForce: 'digest 1' })
})

test('a store that is away takes nothing back of what is in force', () => {
  const away = {
    ...NOTHING_PUBLISHED,
    outcome: 'unavailable',
    message: 'away',
    since: 0,
    version: published(1).version,
  } as const
  expect(factsOf({ ...away, upToDate: true }).digest).toEqual({ wanted: 'digest 1', inForce: 'digest 1' })
  expect(factsOf(away).digest).toEqual({ wanted: 'not in force', inForce: 'digest 1' })
})

test('the deprecated controller is said of the gateway in force, whatever another one says', () => {
  const legacy = { spec: { exposure: { type: 'IngressNginx' } } }
  const other = liveObject('AIGateway', 'other', { namespace: 'elsewhere', ...legacy })
  expect(said(published(1), [other, live()])).not.toContainEqual(expect.stringContaining('Deprecated'))
  expect(said(published(1), [live(legacy)])).toContainEqual(expect.stringContaining('DeprecatedController True'))
})

test('pods that nobody can ask are not called behind: what was said of them stays', () => {
  const status = { dataPlane: { ready: 2, current: 2, stale: 0, rejected: 0 } }
  const old = { pods: [pod('a', 1, { at: NOW - 60_000 })], store: 'away' } as const
  const factsOfOld = (object: ReturnType<typeof live>) =>
    gatewayFacts({ live: object, plan: planOf([object]), rollout: old, accepted: true, now: NOW }).fields
  expect(factsOfOld(live({ status }))?.['dataPlane']).toEqual(status.dataPlane)
  expect(factsOfOld(live())?.['dataPlane']).toMatchObject({ ready: 1, current: 0, stale: 1 })
})

test('the time of a publication is kept while the version is the same', () => {
  const status = { config: { epoch: 1, generation: 3, digest: 'd', publishedAt: '2025-12-01T00:00:00Z' } }
  const base = { observedGeneration: 1, conditions: [] }
  const amended = (generation: number) =>
    factsOf(published(generation), [live({ status })]).amend?.({
      ...base,
      config: { epoch: 1, generation, digest: 'd' },
    }).config
  expect(amended(3)).toMatchObject({ publishedAt: '2025-12-01T00:00:00Z' })
  expect(amended(4)).toMatchObject({ publishedAt: '2026-01-01T00:00:00Z' })
})

test('a gateway that is not in force has no facts', () => {
  const plan = planOf([live()])
  const rollout = { pods: [], store: 'up' } as const
  expect(gatewayFacts({ live: live(), plan, rollout, accepted: false, now: NOW })).toEqual({})
})
