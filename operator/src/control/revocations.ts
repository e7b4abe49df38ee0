// Deleted keys on their way out: gone only when a configuration without them is published and every pod has taken it.
import { compareVersions } from '@smartflow/core/snapshot/follow'
import { namesOf } from '../desired/programmed.ts'
import { partsOf } from '../watch/object-id.ts'
import type { Plan } from './loop.ts'
import type { PodState, RolloutState } from './rollout.ts'

interface Version {
  readonly epoch: number
  readonly generation: number
}

/** Remembers at which version each deleted key was left out; its memory holds only keys that are being deleted. */
export class Revocations {
  readonly #leftOut = new Map<string, Version>()
  readonly #rollout: () => RolloutState

  constructor(rollout: () => RolloutState) {
    this.#rollout = rollout
  }

  /** Takes notice of a new plan. */
  planned(plan: Plan): void {
    for (const id of this.#leftOut.keys()) if (!plan.deleting.has(id)) this.#leftOut.delete(id)
    const { outcome } = plan
    if (outcome.outcome !== 'published' && outcome.outcome !== 'unchanged') return
    for (const id of plan.deleting) if (!this.#leftOut.has(id)) this.#leftOut.set(id, outcome.version)
  }

  /** Who may still serve the key; undefined: nobody does. */
  stillServed(id: string): string | undefined {
    const version = this.#leftOut.get(id)
    if (version === undefined) return 'a configuration without it is not published yet'
    const { pods, store } = this.#rollout()
    if (store === 'away') return 'the pods cannot be asked: the configuration store does not answer'
    const holding = pods.filter(pod => mayServe(pod, version))
    if (holding.length === 0) return undefined
    return `${namesOf(holding)} may still serve ${partsOf(id).name}`
  }
}

/** A pod that takes calls, or that said something of late, and that has not said it is past the version. */
function mayServe({ counted, ack }: PodState, version: Version): boolean {
  if (ack === undefined) return counted
  return compareVersions(ack, version) < 0
}
