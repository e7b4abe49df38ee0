import type { VirtualKey } from '@smartflow/core/resources/virtual-key'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { MemoryApi } from '../../../test/operator/memory-api.ts'
import { HOME, keyObject, liveObject, planOf, published } from '../../../test/operator/plans.ts'
import { isRecord, type KubeObject } from '../api/resource-type.ts'
import { Events } from '../apply/events.ts'
import type { PublicationOutcome } from '../apply/publication.ts'
import { Writer } from '../apply/writer.ts'
import { Observed } from '../watch/observed.ts'
import { SecretReader } from '../watch/secrets.ts'
import { KeyFacts } from './key-facts.ts'
import { KeyReconciler } from './key-reconciler.ts'
import type { Plan } from './loop.ts'
import { ObjectReconciler } from './object-reconciler.ts'
import type { PodState, RolloutState } from './rollout.ts'
import { StatusBoard } from './status-board.ts'
import { TenantFacts } from './tenant-facts.ts'
import { TenantReconciler } from './tenant-reconciler.ts'

const ID = 'AIProvider/default/p'
const OBJECT = 'AIProvider default/p'
const ITEM = ['default AIProvider p', 'default AIProvider default/p']

let api: MemoryApi
let observed: Observed
let events: Events
let secrets: SecretReader
let board: StatusBoard
let reconciler: ObjectReconciler
let plan: Plan | undefined
let rollout: RolloutState

beforeEach(async () => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
  api = new MemoryApi()
  plan = undefined
  rollout = { pods: [pod('a', 1)], store: 'up' }
  const writer = new Writer(api)
  const listener = { ours: () => undefined, around: () => undefined }
  observed = new Observed({ client: api, namespace: HOME, listener, failing: () => undefined })
  secrets = new SecretReader({ client: api, onChange: () => undefined, now: Date.now, failed: () => undefined })
  const keys = new KeyReconciler({
    writer,
    secrets,
    stillServed: () => undefined,
    newToken: () => 'sk-sf-' + '1'.repeat(48),
    url: () => 'http://gateway',
    now: Date.now,
    rotated: () => undefined,
  })
  const children = { writer, observed, gatewayId: 'gw', serviceMonitor: true }
  const tenants = new TenantReconciler(children)
  const keyFacts = {
    secretPlan: (key: VirtualKey) => keys.secretPlan(key),
    stillServed: () => undefined,
    secrets,
    url: () => 'http://gateway',
    usage: { statusOf: () => undefined, conditionOf: () => undefined, basis: () => undefined, revision: () => 0 },
  }
  board = new StatusBoard({
    observed,
    plan: () => plan,
    rollout: { looked: () => true, state: () => rollout },
    keys: new KeyFacts(keyFacts),
    tenants: new TenantFacts({
      childrenOf: owner => tenants.childrenOf(owner),
      inputFor: (tenant, gateway, of) => tenants.inputFor(tenant, gateway, of),
      sidecars: () => ({}),
    }),
    now: Date.now,
  })
  const where = { client: api, namespace: HOME, instance: 'test', onProblem: () => undefined }
  events = new Events(where)
  const sidecars = { reconcile: async () => undefined }
  reconciler = new ObjectReconciler({ observed, plan: () => plan, keys, tenants, sidecars, board, writer, events })
  await observed.start()
})

afterEach(async () => {
  await events.stop()
  await observed.stop()
  vi.useRealTimers()
})

function pod(name: string, generation: number, problem?: string): PodState {
  const ack = { bootId: 'b', digest: 'd', at: Date.now(), problem, schema: 1, version: '1', epoch: 1, generation }
  return { uid: name, name, counted: true, ack }
}

const provider = (more: object = {}): KubeObject =>
  liveObject('AIProvider', 'p', { spec: { preset: 'ollama', baseURL: 'https://models.example.com/v1' }, ...more })

async function put(object: KubeObject): Promise<void> {
  api.put(object)
  await vi.advanceTimersByTimeAsync(0)
}

/** A plan of everything that is there. */
function planned(outcome: PublicationOutcome = published(1, ITEM), invalid = new Map<string, string>()): void {
  plan = planOf(
    [...observed.all()].map(({ live }) => live),
    { outcome, invalid, secrets: secrets.values() },
  )
  board.planned(plan)
}

async function reconcile(id = ID) {
  const done = await reconciler.reconcile(id)
  await vi.advanceTimersByTimeAsync(0)
  return done
}

function conditionsOf(name = OBJECT): Record<string, string> {
  const status = api.object(name)?.status
  const list: unknown[] = isRecord(status) && Array.isArray(status['conditions']) ? status['conditions'] : []
  return Object.fromEntries(
    list.filter(isRecord).map(({ type, status: said, reason }) => [String(type), `${String(said)}/${String(reason)}`]),
  )
}

const writesOf = (what: RegExp) => api.written().filter(text => what.test(text))
const statusWrites = () => writesOf(/^apply .*\/status$/)

function reasons(): unknown[] {
  return api.calls.flatMap(({ verb, body }) => (verb === 'create' && isRecord(body) ? [body['reason']] : []))
}

describe('a status', () => {
  it('is written once, and not again while it says the same', async () => {
    await put(provider())
    planned()
    await reconcile()
    expect(conditionsOf()).toMatchObject({ Ready: 'True/Ready', Programmed: 'True/Programmed' })
    await vi.advanceTimersByTimeAsync(60_000)
    rollout = { ...rollout, pods: [pod('a', 1)] }
    await reconcile()
    expect(statusWrites()).toHaveLength(1)
    expect([...board.differing()]).toEqual([])
  })

  it('of a new key is written once: not before a plan holds the Secret that was made for it', async () => {
    const [id, name] = ['VirtualKey/default/app', 'VirtualKey default/app']
    await put(keyObject('app'))
    secrets.want(new Map([['default/app-key', 'unmade']]))
    planned()
    await vi.advanceTimersByTimeAsync(20_000)
    await reconcile(id)
    expect([api.object('Secret default/app-key') !== undefined, statusWrites(), [...board.differing()]]).toEqual([
      true,
      [],
      [],
    ])
    planned(published(2, ['default VirtualKey default/app']))
    rollout = { ...rollout, pods: [pod('a', 2)] }
    expect([...board.differing()]).toEqual([id])
    await reconcile(id)
    expect([conditionsOf(name)['Ready'], statusWrites().length]).toEqual(['True/Ready', 1])
  })

  it('is not written again, nor told of again, while the cache does not show it yet', async () => {
    await put(provider())
    planned()
    api.fail('watch', /AIProvider/, 'Transient')
    api.breakWatches('AIProvider')
    await reconcile()
    await vi.advanceTimersByTimeAsync(500)
    expect(observed.live(ID)?.status).toBeUndefined()
    await reconcile()
    expect([statusWrites(), reasons()]).toEqual([[`apply ${OBJECT}/status`], ['Ready']])
    rollout = { pods: [], store: 'up' }
    await reconcile()
    expect(statusWrites()).toHaveLength(2)
  })

  it("is not written again for other people's conditions, or another order", async () => {
    await put(provider())
    planned()
    await reconcile()
    const live = api.object(OBJECT)
    const status = isRecord(live?.status) ? live.status : {}
    const list: unknown[] = Array.isArray(status['conditions']) ? status['conditions'] : []
    const foreign = { type: 'Synced', status: 'True', reason: 'r', message: '', lastTransitionTime: 't' }
    if (live !== undefined) await put({ ...live, status: { ...status, conditions: [foreign, ...list.toReversed()] } })
    await reconcile()
    expect(statusWrites()).toHaveLength(1)
    if (live !== undefined) await put({ ...live, status: { ...status, conditions: list.slice(1) } })
    expect([...board.differing()]).toEqual([ID])
  })

  it('waits up to a second for the pods, so that the usual case is one write', async () => {
    await put(provider())
    rollout = { pods: [pod('a', 0)], store: 'up' }
    planned()
    await vi.advanceTimersByTimeAsync(400)
    expect(await reconcile()).toEqual({ requeueAfterMs: 600 })
    expect(statusWrites()).toEqual([])
    await vi.advanceTimersByTimeAsync(600)
    await reconcile()
    expect(conditionsOf()).toMatchObject({ Programmed: 'False/Pending', Reconciling: 'True/Pending' })
  })

  it('does not wait to say what does not pass by itself', async () => {
    await put(provider({ spec: { preset: 'openai', auth: { secretRef: { name: 'missing' } } } }))
    planned(published(1))
    await reconcile()
    expect(conditionsOf()).toMatchObject({ ResolvedRefs: 'False/SecretNotFound' })
    await put(provider({ generation: 2 }))
    rollout = { pods: [pod('a', 0, 'a piece is missing')], store: 'up' }
    planned(published(2, ITEM))
    await reconcile()
    expect(conditionsOf()).toMatchObject({ Programmed: 'False/DataPlaneRejected' })
  })

  it('is not written from a plan that has not seen the object, or another one of its name', async () => {
    planned()
    await put(provider())
    await reconcile()
    planned()
    api.remove(OBJECT)
    await put(provider({ uid: 'second' }))
    await reconcile()
    expect(statusWrites()).toEqual([])
  })

  it('says of a broken object what is wrong, of a mended one nothing before it was compiled', async () => {
    await put(provider({ spec: { preset: 7 } }))
    const problem = observed.parsed(ID)?.problems[0]?.message ?? ''
    planned(published(1), new Map([[ID, problem]]))
    await reconcile()
    expect(conditionsOf()).toMatchObject({ Accepted: 'False/Invalid', Stalled: 'True/Invalid' })
    await put({ ...provider({ generation: 2 }), status: api.object(OBJECT)?.status })
    await reconcile()
    expect(statusWrites()).toHaveLength(1)
    planned()
    await reconcile()
    expect(conditionsOf()).toMatchObject({ Accepted: 'True/Accepted', Ready: 'True/Ready' })
  })

  it('says that nobody knows while the store is away', async () => {
    await put(provider())
    rollout = { ...rollout, store: 'away' }
    planned()
    await reconcile()
    expect(conditionsOf()).toMatchObject({ Programmed: 'Unknown/StoreUnavailable', Ready: 'Unknown/StoreUnavailable' })
  })

  it('of an object that is gone, or before the first plan, is none', async () => {
    await put(provider())
    expect(await reconcile()).toEqual({})
    planned()
    expect(await reconcile('AIProvider/default/other')).toEqual({})
    expect(api.written()).toEqual([])
  })
})

describe('events', () => {
  it('tell of changes of Ready alone, with its reason, and of none that pass', async () => {
    await put(provider())
    planned()
    await reconcile()
    expect(reasons()).toEqual(['Ready'])
    rollout = { pods: [pod('a', 1), pod('b', 0)], store: 'up' }
    await vi.advanceTimersByTimeAsync(2_000)
    await reconcile()
    expect(conditionsOf()).toMatchObject({ Programmed: 'False/PartiallyProgrammed' })
    expect(reasons()).toEqual(['Ready'])
    rollout = { pods: [], store: 'up' }
    await reconcile()
    expect(reasons()).toEqual(['Ready', 'NoDataPlanes'])
  })

  it('do not tell of a status that was not written, since the object is gone', async () => {
    await put(provider())
    planned()
    api.fail('apply', /status/, 'NotFound')
    await reconcile()
    expect(reasons()).toEqual([])
  })
})

describe('a key', () => {
  it('that is paused gets nothing written but its status', async () => {
    const annotations = { 'smartflow.dev/reconcile': 'paused' }
    const creationTimestamp = '2025-01-01T00:00:00Z'
    await put(liveObject('VirtualKey', 'app', { annotations, creationTimestamp, spec: { alias: 'app' } }))
    planned(published(1))
    await reconcile('VirtualKey/default/app')
    expect(api.written()).toEqual(['apply VirtualKey default/app/status', expect.stringMatching(/^create Event/)])
    await put(liveObject('VirtualKey', 'app', { spec: { alias: 'app' } }))
    await reconcile('VirtualKey/default/app')
    expect(writesOf(/^patchJson VirtualKey/)).toEqual(['patchJson VirtualKey default/app'])
  })
})

describe('the gateway and its tenants', () => {
  const status = (name: string) => api.object(name)?.status

  it('say how many keys are served, which pods are behind, and where the configuration is', async () => {
    await put(liveObject('AIGateway', 'main', { namespace: HOME }))
    await put(liveObject('AITenant', 'acme', { spec: { namespaces: { names: ['shop'] } } }))
    rollout = { pods: [pod('a', 4), pod('b', 3)], store: 'up' }
    planned(published(4, ['acme AITenant acme', 'acme VirtualKey shop/one', 'acme VirtualKey shop/two']))
    await vi.advanceTimersByTimeAsync(1_000)
    await reconcile(`AIGateway/${HOME}/main`)
    expect(status(`AIGateway ${HOME}/main`)).toMatchObject({
      tenants: expect.any(Number),
      dataPlane: { ready: 2, current: 1, stale: 1, rejected: 0, stalePods: ['b'] },
      config: { epoch: 1, generation: 4, objects: 3, minAckedGeneration: 3, publishedAt: '2026-01-01T00:00:01Z' },
    })
    await reconcile('AITenant//acme')
    expect(status('AITenant acme')).toMatchObject({ keys: 2 })
  })

  it('of the gateway tells what is in force while something else waits, for an operator that starts meanwhile', async () => {
    await put(liveObject('AIGateway', 'main', { namespace: HOME }))
    for (const outcome of ['published', 'unavailable'] as const) {
      const now = published(3, ['default AITenant default'])
      planned(outcome === 'published' ? now : { ...now, outcome, upToDate: false, message: 'away', since: 0 })
      rollout = { ...rollout, pods: [pod('a', 3)] }
      await vi.advanceTimersByTimeAsync(2_000)
      await reconcile(`AIGateway/${HOME}/main`)
      expect(status(`AIGateway ${HOME}/main`)).toMatchObject({
        config: { epoch: 1, generation: 3, digest: 'digest 3' },
      })
    }
    expect(conditionsOf(`AIGateway ${HOME}/main`)).toMatchObject({ Programmed: 'False/Pending' })
  })

  it('say nothing of a store that is silent for a moment, and that it is away after five seconds', async () => {
    await put(liveObject('AIGateway', 'main', { namespace: HOME }))
    await put(provider())
    planned(published(1, ITEM))
    const ids = [`AIGateway/${HOME}/main`, ID]
    for (const id of ids) await reconcile(id)
    const before = statusWrites().length
    const since = Date.now()
    const away = { ...published(1, ITEM), outcome: 'unavailable', message: 'away', since } as const
    const changed = { ...away, upToDate: false, wanted: new Map([[ITEM[1] ?? '', 'another digest']]) }
    for (const outcome of [away, changed]) {
      planned(outcome)
      await vi.advanceTimersByTimeAsync(2_000)
      for (const id of ids) await reconcile(id)
      expect(statusWrites()).toHaveLength(before)
    }
    await vi.advanceTimersByTimeAsync(1_000)
    for (const id of ids) await reconcile(id)
    expect(conditionsOf(`AIGateway ${HOME}/main`)).toMatchObject({ ConfigStoreReady: 'False/StoreUnavailable' })
    expect(conditionsOf()).toMatchObject({ Programmed: 'False/Pending' })
  })

  it('are not called pending by an operator that has pods’ words but could not look at the store yet', async () => {
    const dataPlane = { ready: 2, current: 2, stale: 0, rejected: 0 }
    await put(liveObject('AIGateway', 'main', { namespace: HOME, status: { dataPlane } }))
    await put(provider())
    const nothing = { ...published(1, ITEM), version: undefined, inForce: new Map(), upToDate: false }
    planned({ ...nothing, outcome: 'unavailable', message: 'away', since: 0 })
    await reconcile()
    expect(conditionsOf()).toMatchObject({ Programmed: 'Unknown/StoreUnavailable' })
    await reconcile(`AIGateway/${HOME}/main`)
    expect(status(`AIGateway ${HOME}/main`)).toMatchObject({ dataPlane })
  })

  it('of which only the one in force has facts', async () => {
    await put(liveObject('AIGateway', 'main', { namespace: 'elsewhere' }))
    planned(published(1))
    await reconcile('AIGateway/elsewhere/main')
    expect(status('AIGateway elsewhere/main')).not.toHaveProperty('dataPlane')
    expect(conditionsOf('AIGateway elsewhere/main')).toMatchObject({ Accepted: 'False/NamespaceNotAllowed' })
  })
})
