// What the status of the AIGateway says of the whole: the configuration in force, the pods, the store.
import { isRecord, type KubeObject } from '../api/resource-type.ts'
import { DEPRECATED_CONTROLLER } from '../desired/ingress-nginx.ts'
import { isCurrent, isFresh } from '../desired/programmed.ts'
import type { ObjectStatus, StatusCondition } from '../desired/status.ts'
import { writtenTime } from '../desired/written-condition.ts'
import { rolloutTermsOf } from './gateway-terms.ts'
import { type KindFacts, NO_FACTS } from './kind-facts.ts'
import type { Plan } from './loop.ts'
import type { PodState, RolloutState } from './rollout.ts'

const MOST_NAMES = 10

/** What is known when a gateway's status is due. */
export interface GatewayFactsInput {
  readonly live: KubeObject
  readonly plan: Plan
  readonly rollout: RolloutState
  /** It is the one in force. */
  readonly accepted: boolean
  readonly now: number
}

/** Facts of the AIGateway; one that is not in force has none. */
export function gatewayFacts(input: GatewayFactsInput): KindFacts {
  const { plan, accepted } = input
  const { gateway, outcome } = plan
  if (!accepted || gateway === undefined) return NO_FACTS
  const inForce = outcome.version?.digest
  const legacy = gateway.spec.exposure?.type === 'IngressNginx'
  return {
    newest: true,
    digest: { wanted: outcome.upToDate ? inForce : 'not in force', inForce },
    fields: { dataPlane: saidBefore(input) ?? dataPlaneOf(input), tenants: tenantsOf(plan) },
    conditions: [storeReady(plan), ...held(plan), ...(legacy ? [DEPRECATED_CONTROLLER] : [])],
    amend: status => withMore(status, input),
  }
}

function storeReady({ outcome }: Plan): StatusCondition & { readonly gatesReady: boolean } {
  const type = 'ConfigStoreReady'
  if (outcome.outcome === 'unavailable') {
    return { type, status: 'False', reason: 'StoreUnavailable', message: outcome.message, gatesReady: false }
  }
  const { evictionProblem } = outcome
  if (evictionProblem !== undefined) {
    return { type, status: 'False', reason: 'UnsafeEvictionPolicy', message: evictionProblem, gatesReady: false }
  }
  return { type, status: 'True', reason: 'Ready', message: 'the configuration store answers', gatesReady: false }
}

function held({ outcome }: Plan): StatusCondition[] {
  if (outcome.outcome !== 'held') return []
  return [{ type: 'PublishHeld', status: 'True', reason: 'TooMuchRemoved', message: outcome.message }]
}

function tenantsOf(plan: Plan): number {
  return [...plan.items.values()].filter(({ kind }) => kind === 'AITenant').length
}

/** How the counted pods stand to what is in force. */
export function podCounts({ plan, rollout, now }: Pick<GatewayFactsInput, 'plan' | 'rollout' | 'now'>): {
  ready: number
  current: number
  stale: number
  rejected: number
  missing: number
  behind: readonly PodState[]
} {
  const { version } = plan.outcome
  const counted = rollout.pods.filter(pod => pod.counted)
  const oldest = now - rolloutTermsOf(plan).ackTimeoutMs
  const behind = counted.filter(pod => version === undefined || !isCurrent(pod, version, oldest))
  const missing = behind.filter(pod => !isFresh(pod, oldest)).length
  const rejected = behind.filter(pod => isFresh(pod, oldest) && pod.ack?.problem !== undefined).length
  const current = counted.length - behind.length
  return { ready: counted.length, current, stale: behind.length - rejected - missing, rejected, missing, behind }
}

/** While nobody can be asked, pods that fall silent are not behind: what was said of them stays. */
function saidBefore({ live, rollout }: GatewayFactsInput): unknown {
  return rollout.store === 'away' && isRecord(live.status) ? live.status['dataPlane'] : undefined
}

function dataPlaneOf(input: GatewayFactsInput): object {
  const { ready, current, stale, rejected, missing, behind } = podCounts(input)
  const stalePods = behind.map(({ name }) => name).slice(0, MOST_NAMES)
  return { ready, current, stale: stale + missing, rejected, ...(stalePods.length > 0 && { stalePods }) }
}

function withMore(status: ObjectStatus, { live, plan, rollout, now }: GatewayFactsInput): ObjectStatus {
  const { config } = status
  if (config === undefined) return status
  const before = isRecord(live.status) && isRecord(live.status['config']) ? live.status['config'] : {}
  const same = before['epoch'] === config.epoch && before['generation'] === config.generation
  const publishedAt = same && typeof before['publishedAt'] === 'string' ? before['publishedAt'] : writtenTime(now)
  const acked = rollout.pods.flatMap(({ counted, ack }) =>
    counted && ack?.epoch === config.epoch ? [ack.generation] : [],
  )
  const minAckedGeneration = acked.length === 0 ? undefined : Math.min(...acked)
  const more = {
    publishedAt,
    objects: plan.outcome.version === undefined ? before['objects'] : plan.outcome.inForce.size,
    ...(minAckedGeneration !== undefined && { minAckedGeneration }),
  }
  return { ...status, config: { ...config, ...more } }
}
