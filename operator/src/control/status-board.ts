// Puts together what each object's status is: what compiling said, what was published, what the pods serve, and what the
// cluster made of a tenant's children. Reads only; the object reconciler writes.
import { placeName, type Status } from '@smartflow/core/compile/status'
import type { Resource } from '@smartflow/core/resources/resource'
import { isRecord, type KubeObject } from '../api/resource-type.ts'
import type { EventNote } from '../apply/events.ts'
import { saysAlready } from '../desired/own-conditions.ts'
import { readPrevious } from '../desired/written-condition.ts'
import { type ObjectStatus, statusOf, type StatusInput } from '../desired/status.ts'
import { partsOf } from '../watch/object-id.ts'
import type { Observed } from '../watch/observed.ts'
import { type Parsed, problemText } from '../watch/parsed.ts'
import { itemOf } from './accepted.ts'
import { FirstCarried } from './first-carried.ts'
import { gatewayFacts } from './gateway-facts.ts'
import { rolloutTermsOf } from './gateway-terms.ts'
import { type KindFacts, NO_FACTS } from './kind-facts.ts'
import type { KeyFacts } from './key-facts.ts'
import type { Plan } from './loop.ts'
import { AWAY_MS, type Rollout, type RolloutState } from './rollout.ts'
import type { TenantFacts } from './tenant-facts.ts'
import { type Basis, type Ground, WrittenStatuses } from './written-statuses.ts'

/** Pods get this long to take a new configuration before a status says that they have not: most have by then. */
const SETTLE_MS = 1_000
/** Reasons that pass by themselves: no event is made of them. */
const PASSING: ReadonlySet<string> = new Set(['Pending', 'PartiallyProgrammed'])
/** Kinds whose status says more than what was compiled of the object. */
const FEW: ReadonlySet<string> = new Set(['AIGateway', 'AITenant'])

/** What a board reads. */
export interface StatusBoardOptions {
  readonly observed: Observed
  readonly plan: () => Plan | undefined
  readonly rollout: Pick<Rollout, 'state' | 'looked'>
  readonly keys: KeyFacts
  readonly tenants: TenantFacts
  readonly now: () => number
}

/** A status to write; `againInMs`: when it changes by itself. Or `later`: it is too early to say. */
export type Wanted =
  | { readonly status: ObjectStatus; readonly againInMs: number | undefined }
  | { readonly later: number }

/** Gives statuses. */
export class StatusBoard {
  readonly #options: StatusBoardOptions
  readonly #written = new WrittenStatuses()
  readonly #since = new FirstCarried()
  #version = ''
  #publishedAt = 0

  constructor(options: StatusBoardOptions) {
    this.#options = options
  }

  /** Takes notice of a new plan. */
  planned(plan: Plan): void {
    this.#since.planned(plan)
    const { version } = plan.outcome
    const name = version === undefined ? '' : `${version.epoch}.${version.generation}`
    if (name === this.#version) return
    this.#version = name
    this.#publishedAt = this.#options.now()
  }

  /** Ids of objects whose status differs from what the cache holds, without those to `skip`. */
  *differing(skip: (id: string) => boolean = () => false): Iterable<string> {
    const plan = this.#options.plan()
    if (plan === undefined) return
    const ground = this.#groundOf(plan)
    this.#written.look(ground, this.#sourcesOf(plan, ground))
    for (const { id, live } of this.#options.observed.all()) {
      if (!skip(id) && this.#isDiffering(id, live, { plan, ground })) yield id
    }
  }

  /** True for one object of those. */
  isDiffering(id: string): boolean {
    const [plan, live] = [this.#options.plan(), this.#options.observed.live(id)]
    if (plan === undefined || live === undefined) return false
    const ground = this.#groundOf(plan)
    this.#written.look(ground, this.#sourcesOf(plan, ground))
    return this.#isDiffering(id, live, { plan, ground })
  }

  #isDiffering(id: string, live: KubeObject, { plan, ground }: { plan: Plan; ground: Ground }): boolean {
    if (this.#written.holdsStill(live)) return false
    const basis = this.#basisOf(id, live, { plan, ground })
    if (basis !== undefined && this.#written.holds(live, basis)) return false
    const wanted = this.statusOf(id)
    if (wanted === undefined) return false
    if ('later' in wanted || !this.isWritten(live, wanted.status)) return true
    if (basis !== undefined) {
      const until = ground.now + (wanted.againInMs ?? Infinity)
      this.#written.keep(live, basis, { config: wanted.status.config, until })
    }
    return false
  }

  /** True when the object's status says this already. */
  isWritten(live: KubeObject, status: ObjectStatus): boolean {
    return saysAlready(live.status, status)
  }

  /** What the object's status should be; undefined for an object that is gone or not compiled yet, and before the pods were asked. */
  statusOf(id: string): Wanted | undefined {
    const { observed, plan: planOf, rollout } = this.#options
    const plan = planOf()
    const parsed = observed.parsed(id)
    if (plan === undefined || parsed === undefined || !rollout.looked()) return undefined
    if (!this.#knows(plan, id, parsed)) return undefined
    const facts = this.#factsOf(id, plan)
    const input = this.#inputOf(id, parsed.live, { plan, facts })
    const { wanted, inForce } = input.digest
    const patience = facts.newest === true || wanted !== inForce ? this.#patienceMs(plan) : 0
    if (patience > 0) return { later: patience }
    // Whatever no pod has a say in is said at once.
    const podsDecide = wanted !== undefined && wanted === inForce
    return this.#settled(statusOf(input), facts, parsed.live, podsDecide)
  }

  #inputOf(id: string, live: KubeObject, { plan, facts }: { plan: Plan; facts: KindFacts }): StatusInput {
    const compiled = plan.statuses.get(id)
    return {
      ...this.#groundOf(plan),
      kind: live.kind,
      generation: live.metadata.generation ?? 0,
      previous: facts.newest === true ? asNewest(live.status, plan) : live.status,
      compiled,
      invalid: plan.invalid.get(id),
      digest: facts.digest ?? digestOf(plan, compiled?.item),
      since: facts.digest === undefined && compiled?.item ? this.#since.of(placeName(compiled.item)) : undefined,
      expiresAt: facts.expiresAt,
      ...(facts.conditions !== undefined && { extra: facts.conditions }),
      ...(facts.fields !== undefined && { fields: facts.fields }),
    }
  }

  /** The events of a change from what the cache holds to this status. */
  eventsOf(live: KubeObject, status: ObjectStatus): EventNote[] {
    const before = readPrevious(live.status).conditions.find(({ type }) => type === 'Ready')
    const ready = status.conditions.find(({ type }) => type === 'Ready')
    if (ready === undefined || (before?.reason === ready.reason && before.status === ready.status)) return []
    if (PASSING.has(ready.reason)) return []
    const type = ready.status === 'True' ? 'Normal' : 'Warning'
    return [{ type, reason: ready.reason, message: ready.message.slice(0, 1_000), action: 'Reconcile' }]
  }

  /** How long a store that does not answer may go on so before anything is told of it. */
  #patienceMs({ outcome }: Plan): number {
    return outcome.outcome === 'unavailable' ? outcome.since + AWAY_MS - this.#options.now() : 0
  }

  /** A key whose Secret was just made is not to be told that it lacks one: the next plan knows. */
  #knows(plan: Plan, id: string, parsed: Parsed): boolean {
    const resource = plan.resources.get(id)
    const isPlanned = resource?.kind !== 'VirtualKey' || this.#options.keys.isPlanned(resource, plan)
    return isPlanned && knows(plan, id, parsed)
  }

  #settled(status: ObjectStatus, facts: KindFacts, live: KubeObject, podsDecide: boolean): Wanted {
    const { now } = this.#options
    const amended = facts.amend === undefined ? status : facts.amend(status)
    if (facts.notBefore !== undefined && facts.notBefore > now()) return { later: facts.notBefore - now() }
    const programmed = amended.conditions.find(({ type }) => type === 'Programmed')
    const settledAt = this.#publishedAt + SETTLE_MS
    const waits = podsDecide && programmed?.status === 'False' && PASSING.has(programmed.reason) && settledAt > now()
    if (waits && !this.isWritten(live, amended)) return { later: settledAt - now() }
    const again = facts.again === undefined ? 0 : facts.again - now()
    return { status: amended, againInMs: again > 0 ? again : undefined }
  }

  #groundOf(plan: Plan): Ground {
    const { outcome } = plan
    const { pods, store } = this.#rolloutBeside(plan)
    return {
      version: outcome.version,
      notPublished: 'message' in outcome ? outcome.message : undefined,
      pods,
      store,
      ...rolloutTermsOf(plan),
      now: this.#options.now(),
    }
  }

  /** Acknowledgements that can be read say nothing while nobody could look at what they acknowledge. */
  #rolloutBeside(plan: Plan): RolloutState {
    const state = this.#options.rollout.state()
    return isUnseen(plan) ? { ...state, store: 'away' } : state
  }

  /** Everything that bases are looked up in: while all of it is the same, so is every basis. */
  #sourcesOf({ statuses, resources, invalid, items, outcome }: Plan, ground: Ground): readonly unknown[] {
    const { notPublished, minProgrammedPercent, ackTimeoutMs } = ground
    const terms = [notPublished, minProgrammedPercent, ackTimeoutMs]
    const found = [statuses, resources, invalid, items, outcome.wanted, outcome.inForce]
    return [...found, ...terms, ...this.#options.keys.sources()]
  }

  /** Undefined for an object whose status depends on more: there are few of them. */
  #basisOf(id: string, live: KubeObject, { plan, ground }: { plan: Plan; ground: Ground }): Basis | undefined {
    if (live.metadata.deletionTimestamp !== undefined || FEW.has(live.kind)) return undefined
    const [compiled, resource] = [plan.statuses.get(id), plan.resources.get(id)]
    const own = resource?.kind === 'VirtualKey' ? this.#options.keys.basis(resource) : []
    return {
      digest: digestOf(plan, compiled?.item),
      parts: [
        compiled,
        resource,
        plan.invalid.get(id),
        ground.notPublished,
        ground.minProgrammedPercent,
        ground.ackTimeoutMs,
        itemOf(plan, id),
        ...own,
      ],
    }
  }

  #factsOf(id: string, plan: Plan): KindFacts {
    const { observed, keys, tenants, now } = this.#options
    const live = observed.live(id)
    const resource: Resource | undefined = plan.resources.get(id)
    if (live === undefined) return NO_FACTS
    switch (partsOf(id).kind) {
      case 'AIGateway':
        return gatewayFacts({
          live,
          plan,
          rollout: this.#rolloutBeside(plan),
          accepted: resource !== undefined && plan.gateway === resource,
          now: now(),
        })
      case 'AITenant':
        return tenants.facts(live, resource, plan)
      case 'VirtualKey':
        return keys.facts(live, resource, plan)
      case 'Policy':
        return policyFacts(id, plan)
      default:
        return NO_FACTS
    }
  }
}

/** True while the store was never looked at: nobody knows what is in force. */
export function isUnseen({ outcome }: Plan): boolean {
  return outcome.outcome === 'unavailable' && outcome.version === undefined
}

/**
 * A plan that has not seen this object yet, or one of its name before it, says nothing of it; nor does one that found wrong
 * what is mended by now.
 */
function knows({ statuses, invalid }: Plan, id: string, { live, problems }: Parsed): boolean {
  const problem = invalid.get(id)
  if (problem !== undefined) return problem === problemText(problems)
  const compiled = statuses.get(id)
  return compiled !== undefined && compiled.uid === live.metadata.uid
}

/** What is in force is told even while something else is wanted: an operator that starts later must not publish below it. */
function asNewest(status: unknown, { outcome: { version } }: Plan): unknown {
  return isRecord(status) && version !== undefined ? { ...status, config: version } : status
}

function digestOf({ outcome }: Plan, item: Status['item']): StatusInput['digest'] {
  if (item === undefined) return { wanted: undefined, inForce: undefined }
  const name = placeName(item)
  return { wanted: outcome.wanted.get(name), inForce: outcome.inForce.get(name) }
}

function policyFacts(id: string, plan: Plan): KindFacts {
  const item = itemOf(plan, id)
  if (item?.kind !== 'Policy') return NO_FACTS
  const enforced = item.guardrails.filter(({ mode }) => mode !== 'Disabled').length
  return { fields: { effectiveGuardrails: enforced } }
}
