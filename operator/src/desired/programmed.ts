// Whether the gateway's pods serve an object as it is now.
import { compareVersions } from '@smartflow/core/snapshot/follow'

/** Names of pods in a message. */
const MOST_NAMES = 10
/** What a pod says of its problem, in a message. */
const MOST_PROBLEM = 300

/** A pod of the gateway and what it said of itself. `at` and the input's `now` are of one clock. */
export interface PodView {
  readonly name: string
  /** Ready and not terminating: what it serves counts. */
  readonly counted: boolean
  readonly ack:
    | {
        readonly epoch: number
        readonly generation: number
        readonly at: number
        readonly problem?: string | undefined
      }
    | undefined
}

/** What the condition depends on. */
export interface ProgrammedInput {
  /**
   * The digest of what carries the object (its item; for an AIGateway the whole configuration): as compiled, and in force.
   * Undefined: nothing does.
   */
  readonly digest: { readonly wanted: string | undefined; readonly inForce: string | undefined }
  /** The first version that carried the object as it is now. */
  readonly config: { readonly epoch: number; readonly generation: number } | undefined
  /** The version in force; undefined: none is known. */
  readonly version: { readonly epoch: number; readonly generation: number } | undefined
  /** Why what is wanted is not in force: the publication was held back, or failed. */
  readonly notPublished?: string | undefined
  readonly pods: readonly PodView[]
  /** `away`: acknowledgements could not be read. */
  readonly store: 'up' | 'away'
  readonly minProgrammedPercent: number
  readonly ackTimeoutMs: number
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** The condition. */
export interface Programmed {
  readonly type: 'Programmed'
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason:
    | 'Programmed'
    | 'Pending'
    | 'PartiallyProgrammed'
    | 'DataPlaneRejected'
    | 'NoDataPlanes'
    | 'StoreUnavailable'
  readonly message: string
}

/** True when enough of the counted pods acknowledged, not too long ago, the version that carries the object or a later one. */
export function programmedOf(input: ProgrammedInput): Programmed {
  const { digest, config, version, notPublished, store } = input
  if (digest.wanted === undefined) return told('False', 'Pending', 'nothing of the object is in force')
  if (store === 'away') {
    const message =
      "the configuration store does not answer, so nobody can say what the pods serve; see the operator's log"
    return told('Unknown', 'StoreUnavailable', message)
  }
  if (version === undefined || config === undefined || digest.wanted !== digest.inForce) {
    return told('False', 'Pending', notPublished ?? 'the object is not published yet')
  }
  const counted = input.pods.filter(pod => pod.counted)
  if (counted.length === 0) {
    const message = 'no gateway pod is ready; look at the Deployment of the gateway and the events of its pods'
    return told('False', 'NoDataPlanes', message)
  }
  return judge(counted, config, input)
}

function judge(
  counted: readonly PodView[],
  config: { readonly epoch: number; readonly generation: number },
  { now, ackTimeoutMs, minProgrammedPercent }: ProgrammedInput,
): Programmed {
  const oldest = now - ackTimeoutMs
  const behind = counted.filter(pod => !isCurrent(pod, config, oldest))
  const current = counted.length - behind.length
  const many = `${current} of ${counted.length} pods serve it`
  if (behind.length === 0) return told('True', 'Programmed', many)
  const rejecting = behind.filter(pod => isFresh(pod, oldest) && (pod.ack?.problem ?? '') !== '')
  const waiting = `${many}; not yet ${namesOf(behind)}`
  if (current * 100 >= minProgrammedPercent * counted.length) return told('True', 'Programmed', waiting)
  if (rejecting.length > 0) {
    const problem = rejecting[0]?.ack?.problem?.slice(0, MOST_PROBLEM)
    return told('False', 'DataPlaneRejected', `${many}; refused by ${namesOf(rejecting)}: ${problem}`)
  }
  return told('False', current > 0 ? 'PartiallyProgrammed' : 'Pending', waiting)
}

/** True when the pod said something not before `oldest`. */
export function isFresh({ ack }: Pick<PodView, 'ack'>, oldest: number): boolean {
  return ack !== undefined && ack.at >= oldest
}

/** True when the pod said, not before `oldest`, that it has this version or a later one. */
export function isCurrent(
  { ack }: Pick<PodView, 'ack'>,
  version: { readonly epoch: number; readonly generation: number },
  oldest: number,
): boolean {
  return ack !== undefined && isFresh({ ack }, oldest) && compareVersions(ack, version) >= 0
}

/** Pods' names for a message, as far as they have room. */
export function namesOf(pods: readonly Pick<PodView, 'name'>[]): string {
  const names = pods.map(pod => pod.name).sort()
  const more = names.length > MOST_NAMES ? ` and ${names.length - MOST_NAMES} more` : ''
  return `${names.slice(0, MOST_NAMES).join(', ')}${more}`
}

function told(status: Programmed['status'], reason: Programmed['reason'], message: string): Programmed {
  return { type: 'Programmed', status, reason, message }
}
