// What exists while an operator leads: store, Secrets, loop, rollout, queue and reconcilers, wired to one another. A term
// begins with the gateway's keys and ends for good.
import { newToken } from '@smartflow/core/snapshot/token'
import type { KubeClient } from './api/client.ts'
import type { Events } from './apply/events.ts'
import type { GatewayKeys } from './apply/gateway-keys.ts'
import { Store } from './apply/store.ts'
import type { Writer } from './apply/writer.ts'
import { census } from './control/census.ts'
import { gatewayServiceOf, rememberedOf, rolloutTermsOf, storeUrlOf } from './control/gateway-terms.ts'
import { podCounts } from './control/gateway-facts.ts'
import { KeyFacts } from './control/key-facts.ts'
import { KeyReconciler } from './control/key-reconciler.ts'
import { Loop, type LoopOptions, type Plan } from './control/loop.ts'
import { ObjectReconciler } from './control/object-reconciler.ts'
import { WorkQueue } from './control/queue.ts'
import { Revocations } from './control/revocations.ts'
import { Rollout } from './control/rollout.ts'
import { Sidecars } from './control/sidecars.ts'
import { isUnseen, StatusBoard } from './control/status-board.ts'
import { TenantFacts } from './control/tenant-facts.ts'
import { TenantReconciler } from './control/tenant-reconciler.ts'
import { Usage } from './control/usage.ts'
import type { Settings } from './settings.ts'
import type { OperatorMetrics } from './telemetry/metrics.ts'
import type { Moved, Observed } from './watch/observed.ts'
import { SecretReader } from './watch/secrets.ts'

/** Statuses are compared again at the latest after this: what they depend on may pass by itself. */
const SWEEP_MS = 5_000
/** The only queue: kinds share it, since one object's change moves another's status. */
const QUEUE = 'objects'

const PUBLISHED_AS = {
  published: 'published',
  unchanged: 'unchanged',
  held: 'failed',
  unavailable: 'failed',
  stale: 'fenced',
} as const

/** Writes one line of the log. */
export type Log = (
  level: 'info' | 'warn' | 'error',
  message: string,
  fields?: Readonly<Record<string, unknown>>,
) => void

/** What a term is made from. */
export interface TermOptions {
  readonly client: KubeClient
  readonly settings: Settings
  readonly metrics: OperatorMetrics
  readonly identity: string
  readonly log: Log
  readonly observed: Observed
  readonly writer: Writer
  readonly events: Events
  readonly keys: GatewayKeys
  /** Another operator publishes now. */
  readonly fenced: (message: string) => void
}

/** See the file's head. */
export class Term {
  readonly #options: TermOptions
  readonly #store: Store
  readonly #secrets: SecretReader
  readonly #rollout: Rollout
  readonly #revocations: Revocations
  readonly #loop: Loop
  readonly #queue: WorkQueue<string>
  readonly #board: StatusBoard
  readonly #keys: KeyReconciler
  readonly #reconciler: ObjectReconciler
  readonly #usage: Usage
  readonly #sidecars: Sidecars
  #sweep: NodeJS.Timeout | undefined
  #usageKnown = false
  #plannedLast: Plan | undefined
  /** The revision of the objects that metrics tell of. */
  #counted: number | undefined
  /** When what is in force was published, until every pod has it. */
  #publishedAt: number | undefined

  constructor(options: TermOptions) {
    const { client, settings, metrics, identity, observed, writer, events, keys } = options
    const now = Date.now
    const failed = this.#failed
    this.#options = options
    this.#store = new Store({
      gateway: settings.gateway,
      keys,
      name: identity,
      now,
      heard: () => this.#rollout.touch(),
      changed: up => this.#storeChanged(up),
      failed,
    })
    this.#secrets = new SecretReader({
      client,
      onChange: () => this.#loop.touch(),
      now,
      failed: (name, error) => failed(`Secret ${name} cannot be read; trying again`, error),
    })
    this.#rollout = new Rollout({
      observed,
      acks: () => this.#store.acks(),
      serviceName: () => this.#service(),
      ackTimeoutMs: () => rolloutTermsOf(this.#loop.plan()).ackTimeoutMs,
      now,
      changed: () => this.#rolledOut(),
      failed,
    })
    this.#revocations = new Revocations(() => this.#rollout.state())
    this.#usage = new Usage({
      plan: () => this.#loop.plan(),
      read: budgets => this.#store.spent(budgets),
      now,
      changed: () => this.#enqueueDiffering(),
      failed,
    })
    this.#sidecars = this.#sidecarsOf()
    const reconcilers = this.#reconcilers()
    this.#board = new StatusBoard({
      observed,
      plan: () => this.#loop.plan(),
      rollout: this.#rollout,
      now,
      ...reconcilers.facts,
    })
    this.#loop = new Loop(this.#loopOptions())
    this.#queue = new WorkQueue<string>({
      observer: metrics.queueObserver(QUEUE),
      onError: (id, error, failures) => failed(`${id} could not be reconciled (${failures}); trying again`, error),
    })
    metrics.queueSource(QUEUE, () => this.#queue.unfinished())
    metrics.workers(QUEUE, settings.workers)
    const { keys: keyReconciler, tenants } = reconcilers
    this.#keys = keyReconciler
    const board = this.#board
    const plan = (): Plan | undefined => this.#loop.plan()
    this.#reconciler = new ObjectReconciler({
      observed,
      plan,
      keys: keyReconciler,
      tenants,
      sidecars: this.#sidecars,
      board,
      writer,
      events,
    })
  }

  begin(): void {
    this.#secrets.start()
    void this.#queue.run(this.#options.settings.workers, (id, signal) => this.#reconcile(id, signal))
    this.#usage.start()
    this.#loop.start()
    this.#sweep = setInterval(() => this.#lookAtAll(), SWEEP_MS)
  }

  /** Ends what is under way and begins nothing more. */
  async end(): Promise<void> {
    clearInterval(this.#sweep)
    await Promise.all([this.#loop.stop(), this.#queue.drain(), this.#rollout.stop(), this.#usage.stop()])
    this.#secrets.stop()
    this.#store.close()
  }

  /** An object of ours came, changed or went. */
  changed(id: string, { moved, background }: { readonly moved: Moved; readonly background: boolean }): void {
    if (moved === 'spec') this.#loop.touch()
    const parsed = moved === 'status' ? undefined : this.#options.observed.parsed(id)
    if (parsed !== undefined) this.#keys.changed(parsed)
    // Most new statuses are the ones that were just written here.
    if (moved === 'status' && !this.#board.isDiffering(id)) return
    this.#queue.add(id, { priority: background ? 'background' : 'normal' })
  }

  /** Something of the cluster that our objects depend on did. */
  changedAround(what: 'namespaces' | 'endpoints' | 'children', id: string): void {
    if (what === 'namespaces') this.#loop.touch()
    else if (what === 'endpoints') this.#rollout.touch()
    else this.#enqueueOwner(id)
  }

  readonly #failed = (message: string, error?: unknown): void => {
    this.#options.log('warn', message, error === undefined ? {} : { error })
  }

  #service(): string {
    return gatewayServiceOf(this.#loop.plan(), this.#options.settings.gateway)
  }

  #reconcilers() {
    const { settings, observed, writer, events } = this.#options
    const stillServed = (id: string): string | undefined => this.#revocations.stillServed(id)
    const url = (): string => `http://${this.#service()}.${settings.namespace}.svc`
    const keyReconciler = new KeyReconciler({
      writer,
      secrets: this.#secrets,
      stillServed,
      newToken,
      url,
      now: Date.now,
      rotated: key => {
        const message = 'a new token is in its Secret; the one before stays good for the overlap'
        events.emit(key, { type: 'Normal', reason: 'Rotated', message, action: 'Rotate' })
      },
    })
    const tenants = new TenantReconciler({
      writer,
      observed,
      gatewayId: settings.gateway,
      serviceMonitor: settings.serviceMonitor,
    })
    const keyFacts = new KeyFacts({
      secrets: this.#secrets,
      url,
      secretPlan: key => keyReconciler.secretPlan(key),
      stillServed,
      usage: this.#usage,
    })
    const tenantFacts = new TenantFacts({
      childrenOf: owner => tenants.childrenOf(owner),
      inputFor: (tenant, gateway, plan) => tenants.inputFor(tenant, gateway, plan),
      sidecars: (live, plan) => this.#sidecars.facts(live, plan),
    })
    return { keys: keyReconciler, tenants, facts: { keys: keyFacts, tenants: tenantFacts } }
  }

  #sidecarsOf(): Sidecars {
    const { settings, observed, writer, keys } = this.#options
    return new Sidecars({
      gateway: settings.gateway,
      namespace: settings.namespace,
      keys,
      writer,
      secrets: this.#secrets,
      namespaces: () => observed.namespaces(),
      tenants: () => [...observed.all()].map(({ live }) => live).filter(({ kind }) => kind === 'AITenant'),
      storeURL: () => this.#store.url(),
      keepUsers: wanted => this.#store.keepUsers(wanted),
      changed: () => this.#enqueueTenants(),
    })
  }

  #enqueueTenants(): void {
    for (const { id, live } of this.#options.observed.all()) if (live.kind === 'AITenant') this.#queue.add(id)
  }

  #loopOptions(): LoopOptions {
    const { settings, observed, keys, fenced } = this.#options
    return {
      observed,
      secrets: this.#secrets,
      keyring: keys.keyring,
      namespace: settings.namespace,
      alsoWanted: () => this.#sidecars.wanted(),
      publish: async (compiled, gateway) => {
        const live = gateway && observed.live(`AIGateway/${gateway.metadata.namespace}/${gateway.metadata.name}`)
        this.#store.use(storeUrlOf(gateway, this.#secrets.values(), settings), rememberedOf(live))
        const startedAt = performance.now()
        const outcome = await this.#store.publish(compiled)
        this.#options.metrics.publication({
          result: PUBLISHED_AS[outcome.outcome],
          seconds: (performance.now() - startedAt) / 1_000,
          ...(outcome.version !== undefined && { generation: outcome.version.generation }),
        })
        return outcome
      },
      unconfirmed: () => this.#store.publication()?.unconfirmed(),
      planned: plan => this.#planned(plan),
      fenced,
      failed: this.#failed,
      now: Date.now,
    }
  }

  async #reconcile(id: string, signal: AbortSignal): Promise<{ requeueAfterMs?: number }> {
    const { metrics } = this.#options
    const startedAt = performance.now()
    const seconds = (): number => (performance.now() - startedAt) / 1_000
    metrics.reconcileStarted(QUEUE)
    try {
      const { requeueAfterMs } = signal.aborted ? {} : await this.#reconciler.reconcile(id)
      metrics.reconciled(QUEUE, requeueAfterMs === undefined ? 'success' : 'requeue_after', seconds())
      return requeueAfterMs === undefined ? {} : { requeueAfterMs }
    } catch (error) {
      metrics.reconciled(QUEUE, 'error', seconds())
      throw error
    }
  }

  #storeChanged(up: boolean): void {
    this.#options.metrics.storeUp(up)
    if (up) this.#loop.touch()
    this.#rollout.touch()
  }

  #planned(plan: Plan): void {
    this.#revocations.planned(plan)
    this.#board.planned(plan)
    this.#sidecars.planned(plan)
    if (plan.outcome.outcome === 'published') this.#publishedAt = performance.now()
    // Only now is it known which store the pods talk to.
    this.#rollout.start()
    this.#rollout.touch()
    if (!this.#usageKnown) this.#usage.look()
    this.#usageKnown = true
    // Children and finalizers depend on more than their own object.
    for (const id of plan.deleting) this.#queue.add(id)
    for (const [id, { kind }] of plan.resources) if (kind === 'AITenant' || kind === 'AIGateway') this.#queue.add(id)
    // What time alone changes is found by the sweep.
    if (this.#plannedLast === undefined || !saysTheSame(plan, this.#plannedLast)) this.#enqueueDiffering()
    this.#plannedLast = plan
  }

  /** The pods moved: statuses may, and keys may be let go of. A store that was rolled back shows here first. */
  #rolledOut(): void {
    const plan = this.#loop.plan()
    if (plan === undefined) return
    const rollout = this.#rollout.state()
    const publication = this.#store.publication()
    if (publication?.notice(rollout.pods.flatMap(({ ack }) => ack ?? [])) === true) this.#loop.touch()
    if (!isUnseen(plan)) this.#tellPods(podCounts({ plan, rollout, now: Date.now() }))
    // Also of a pod that is not ready: it may be so because a piece is missing.
    if (rollout.pods.some(({ ack }) => ack?.problem !== undefined)) {
      publication?.distrust()
      this.#loop.touch()
    }
    for (const id of plan.deleting) this.#queue.add(id)
    this.#enqueueDiffering()
  }

  #tellPods({ ready, current, stale, rejected, missing }: ReturnType<typeof podCounts>): void {
    const { metrics } = this.#options
    metrics.pods({ current, stale, rejected, missing })
    if (this.#publishedAt === undefined || ready === 0 || current < ready) return
    metrics.propagated((performance.now() - this.#publishedAt) / 1_000)
    this.#publishedAt = undefined
  }

  /** A child that is gone names no owner any more: then every owner looks. */
  #enqueueOwner(id: string): void {
    const { observed } = this.#options
    const child = observed.child(id)
    const owners = new Set(child?.metadata.ownerReferences?.map(({ uid }) => uid))
    for (const { id: owner, live } of observed.all()) {
      if (live.kind !== 'AITenant' && live.kind !== 'AIGateway') continue
      if (child === undefined || owners.has(live.metadata.uid)) this.#queue.add(owner)
    }
  }

  #enqueueDiffering(): void {
    for (const id of this.#board.differing(id => this.#queue.waits(id))) this.#queue.add(id)
  }

  #lookAtAll(): void {
    this.#enqueueDiffering()
    const { observed } = this.#options
    if (this.#counted === observed.revision()) return
    this.#counted = observed.revision()
    const { conditions, blocked } = census(observed.all())
    this.#options.metrics.conditions(conditions)
    this.#options.metrics.deletionBlocked({ VirtualKey: blocked })
  }
}

/** True when no status could come out otherwise by one plan than by the other. */
function saysTheSame(a: Plan, b: Plan): boolean {
  const [said, before] = [a.outcome, b.outcome]
  return (
    a.statuses === b.statuses &&
    a.resources === b.resources &&
    a.secrets === b.secrets &&
    said.inForce === before.inForce &&
    said.wanted === before.wanted &&
    said.version?.epoch === before.version?.epoch &&
    said.version?.generation === before.version?.generation &&
    ('message' in said ? said.message : '') === ('message' in before ? before.message : '')
  )
}
