// One object at a time: what it needs written in the cluster, then its status. Level-triggered: it looks at the newest
// plan and the caches, and writes only what differs.
import type { Events } from '../apply/events.ts'
import type { Writer } from '../apply/writer.ts'
import { keyOf, type KubeObject } from '../api/resource-type.ts'
import { saysTheSame } from '../desired/own-conditions.ts'
import type { ObjectStatus } from '../desired/status.ts'
import { partsOf } from '../watch/object-id.ts'
import type { Observed } from '../watch/observed.ts'
import type { KeyReconciler } from './key-reconciler.ts'
import type { Plan } from './loop.ts'
import { type Reconciled, soonest } from './reconciled.ts'
import type { Sidecars } from './sidecars.ts'
import type { StatusBoard } from './status-board.ts'
import type { TenantReconciler } from './tenant-reconciler.ts'

/** People's wish that the operator leaves an object alone: nothing but its status is written for it. */
const PAUSE = { annotation: 'smartflow.dev/reconcile', value: 'paused' } as const

/** What a reconciliation works with. */
export interface ObjectReconcilerOptions {
  readonly observed: Observed
  readonly plan: () => Plan | undefined
  readonly keys: KeyReconciler
  readonly tenants: TenantReconciler
  readonly sidecars: Pick<Sidecars, 'reconcile'>
  readonly board: StatusBoard
  readonly writer: Writer
  readonly events: Events
}

/** Reconciles objects by id. */
export class ObjectReconciler {
  readonly #options: ObjectReconcilerOptions
  /** What was written over an object as the cache has it: the cache shows it a little later. */
  readonly #told = new WeakMap<KubeObject, ObjectStatus>()

  constructor(options: ObjectReconcilerOptions) {
    this.#options = options
  }

  async reconcile(id: string): Promise<Reconciled> {
    const { observed, plan: planOf, keys, tenants, sidecars } = this.#options
    const plan = planOf()
    const parsed = observed.parsed(id)
    if (plan === undefined || parsed === undefined) return {}
    const paused = parsed.live.metadata.annotations?.[PAUSE.annotation] === PAUSE.value
    let done: Reconciled = {}
    if (!paused) {
      const { kind } = partsOf(id)
      if (kind === 'VirtualKey') done = await keys.reconcile(id, parsed, plan)
      else if (kind === 'AITenant') {
        await tenants.reconcile(parsed, plan)
        await sidecars.reconcile(parsed, plan)
      }
      if (kind === 'AIGateway') await tenants.reconcileGateway(parsed, plan)
    }
    const statusDue = await this.#writeStatus(id)
    return { requeueAfterMs: soonest(done.requeueAfterMs, statusDue) }
  }

  async #writeStatus(id: string): Promise<number | undefined> {
    const { board, observed, writer, events } = this.#options
    const live = observed.live(id)
    if (live === undefined) return undefined
    const wanted = board.statusOf(id)
    if (wanted === undefined) return undefined
    if ('later' in wanted) return wanted.later
    const told = this.#told.get(live)
    const isTold = told !== undefined && saysTheSame(told, wanted.status)
    if (isTold || board.isWritten(live, wanted.status)) return wanted.againInMs
    const written = await writer.applyStatus(keyOf(live), wanted.status, live)
    if (written === 'unchanged') return wanted.againInMs
    this.#told.set(live, wanted.status)
    for (const event of board.eventsOf(live, wanted.status)) events.emit(live, event)
    return wanted.againInMs
  }
}
