// Puts together what each object's status is: what compiling said, what was published, what the pods serve, and what the
// cluster made of a tenant's children. Reads only; the object reconciler writes.
import type { AIGateway } from '@smartflow/core/resources/ai-gateway'
import { parseDuration } from '@smartflow/core/resources/metadata'
import type { Resource } from '@smartflow/core/resources/resource'
import { canonicalJSON } from '@smartflow/core/snapshot/canonical'
import { isRecord, type KubeObject } from '../api/resource-type.ts'
import type { EventNote } from '../apply/events.ts'
import { readPrevious } from '../desired/written-condition.ts'
import { type ObjectStatus, statusOf, type StatusInput } from '../desired/status.ts'
import { partsOf } from '../watch/object-id.ts'
import type { Observed } from '../watch/observed.ts'
import { acceptedGateway } from './accepted.ts'
import { gatewayFacts } from './gateway-facts.ts'
import { type KindFacts, NO_FACTS } from './kind-facts.ts'
import type { KeyFacts } from './key-facts.ts'
import type { Plan } from './loop.ts'
import type { Rollout } from './rollout.ts'
import type { TenantFacts } from './tenant-facts.ts'

/** Pods get this long to take a new configuration before a status says that they have not: most have by then. */
const SETTLE_MS = 1_000
/** Reasons that pass by themselves: no event is made of them. */
const PASSING: ReadonlySet<string> = new Set(['Pending', 'PartiallyProgrammed'])
const DEFAULTS = { minProgrammedPercent: 100, ackTimeout: '30s' } as const

/** What a board reads. */
export interface StatusBoardOptions {
  readonly observed: Observed
  readonly plan: () => Plan | undefined
  readonly rollout: Pick<Rollout, 'state'>
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
  #version = ''
  #publishedAt = 0

  constructor(options: StatusBoardOptions) {
    this.#options = options
  }

  /** Takes notice of a new plan. */
  planned(plan: Plan): void {
    const { version } = plan.outcome
    const name = version === undefined ? '' : `${version.epoch}.${version.generation}`
    if (name === this.#version) return
    this.#version = name
    this.#publishedAt = this.#options.now()
  }

  /** Ids of objects whose status differs from what the cache holds. */
  *differing(): Iterable<string> {
    for (const { id, live } of this.#options.observed.all()) {
      const wanted = this.statusOf(id)
      if (wanted === undefined) continue
      if ('later' in wanted || !this.isWritten(live, wanted.status)) yield id
    }
  }

  /** True when the object's status says this already. */
  isWritten(live: KubeObject, status: ObjectStatus): boolean {
    return sameStatus(live.status, status)
  }

  /** What the object's status should be; undefined for an object that is gone or not compiled yet. */
  statusOf(id: string): Wanted | undefined {
    const { observed, plan: planOf, rollout, now } = this.#options
    const plan = planOf()
    const parsed = observed.parsed(id)
    if (plan === undefined || parsed === undefined) return undefined
    const { live } = parsed
    const compiled = plan.statuses.get(id)
    const invalid = plan.invalid.get(id)
    // A plan that has not seen this object yet, or one of its name before it, says nothing of it.
    if (invalid === undefined && (compiled === undefined || compiled.uid !== live.metadata.uid)) return undefined
    const facts = this.#factsOf(id, plan)
    const { pods, store } = rollout.state()
    const input: StatusInput = {
      kind: live.kind,
      generation: live.metadata.generation ?? 0,
      previous: facts.newest === true && isRecord(live.status) ? { ...live.status, config: undefined } : live.status,
      compiled,
      invalid,
      digest: facts.digest ?? digestOf(plan, compiled?.item),
      version: plan.outcome.version,
      notPublished: 'message' in plan.outcome ? plan.outcome.message : undefined,
      pods,
      store,
      ...rolloutTerms(acceptedGateway(plan)),
      now: now(),
      expiresAt: facts.expiresAt,
      ...(facts.conditions !== undefined && { extra: facts.conditions }),
      ...(facts.fields !== undefined && { fields: facts.fields }),
    }
    return this.#settled(statusOf(input), facts, live)
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

  #settled(status: ObjectStatus, facts: KindFacts, live: KubeObject): Wanted {
    const { now } = this.#options
    const amended = facts.amend === undefined ? status : facts.amend(status)
    if (facts.notBefore !== undefined && facts.notBefore > now()) return { later: facts.notBefore - now() }
    const programmed = amended.conditions.find(({ type }) => type === 'Programmed')
    const settledAt = this.#publishedAt + SETTLE_MS
    const waits = programmed?.status === 'False' && PASSING.has(programmed.reason) && settledAt > now()
    if (waits && !this.isWritten(live, amended)) return { later: settledAt - now() }
    return { status: amended, againInMs: facts.again === undefined ? undefined : Math.max(0, facts.again - now()) }
  }

  #factsOf(id: string, plan: Plan): KindFacts {
    const { observed, rollout, keys, tenants, now } = this.#options
    const live = observed.live(id)
    const resource: Resource | undefined = plan.resources.get(id)
    if (live === undefined) return NO_FACTS
    switch (partsOf(id).kind) {
      case 'AIGateway':
        return gatewayFacts({
          live,
          plan,
          rollout: rollout.state(),
          accepted: acceptedGateway(plan) === resource,
          now: now(),
        })
      case 'AITenant':
        return tenants.facts(live, resource, plan)
      case 'VirtualKey':
        return keys.facts(live, resource)
      case 'Policy':
        return policyFacts(id, plan)
      default:
        return NO_FACTS
    }
  }
}

function digestOf(
  { outcome }: Plan,
  item: { readonly tenant: string; readonly kind: string; readonly name: string } | undefined,
): StatusInput['digest'] {
  if (item === undefined) return { wanted: undefined, inForce: undefined }
  const name = `${item.tenant} ${item.kind} ${item.name}`
  return { wanted: outcome.wanted.get(name), inForce: outcome.inForce.get(name) }
}

function rolloutTerms(gateway: AIGateway | undefined): Pick<StatusInput, 'minProgrammedPercent' | 'ackTimeoutMs'> {
  const dataPlane = gateway?.spec.dataPlane
  return {
    minProgrammedPercent: dataPlane?.minProgrammedPercent ?? DEFAULTS.minProgrammedPercent,
    ackTimeoutMs: parseDuration(dataPlane?.ackTimeout ?? DEFAULTS.ackTimeout),
  }
}

function policyFacts(id: string, plan: Plan): KindFacts {
  const place = plan.statuses.get(id)?.item
  const item = place && plan.items.get(`${place.tenant} ${place.kind} ${place.name}`)
  if (item?.kind !== 'Policy') return NO_FACTS
  const enforced = item.guardrails.filter(({ mode }) => mode !== 'Disabled').length
  return { fields: { effectiveGuardrails: enforced } }
}

/** Conditions that are the operator's; whatever else stands among them is somebody else's, and makes no difference. */
const OURS: ReadonlySet<string> = new Set([
  'Accepted',
  'CertificateReady',
  'ConfigStoreReady',
  'DeletionBlocked',
  'DeprecatedController',
  'Expired',
  'Programmed',
  'PublishHeld',
  'Ready',
  'Reconciling',
  'ResolvedRefs',
  'RouteReady',
  'Stalled',
])

function sameStatus(live: unknown, wanted: ObjectStatus): boolean {
  const stored = isRecord(live) ? live : {}
  const list: unknown[] = Array.isArray(stored['conditions']) ? stored['conditions'] : []
  const conditions = list.filter(entry => isRecord(entry) && OURS.has(String(entry['type'])))
  return comparable({ ...stored, conditions }) === comparable({ ...wanted })
}

function comparable(status: Record<string, unknown>): string {
  const conditions: unknown[] = Array.isArray(status['conditions']) ? status['conditions'] : []
  return canonicalJSON({ ...status, conditions: conditions.map(entry => canonicalJSON(entry)).sort() })
}
