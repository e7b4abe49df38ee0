// Counts for metrics: how many objects say what of themselves. By kind and condition of
// ours, never by name: the series are bounded.
import type { KubeObject } from '../api/resource-type.ts'
import { ownConditionsIn } from '../desired/own-conditions.ts'
import { REVOKE_FINALIZER } from './key-annotations.ts'

/** Objects of a kind with this status of a condition. */
export interface ConditionCount {
  readonly kind: string
  readonly type: string
  readonly status: string
  count: number
}

/** `blocked`: deleted keys that wait to be let go of. */
export function census(objects: Iterable<{ readonly live: KubeObject }>): {
  readonly conditions: Iterable<ConditionCount>
  readonly blocked: number
} {
  const counts = new Map<string, ConditionCount>()
  let blocked = 0
  for (const { live } of objects) {
    const { deletionTimestamp, finalizers } = live.metadata
    if (deletionTimestamp !== undefined && finalizers?.includes(REVOKE_FINALIZER) === true) blocked++
    for (const { type, status } of conditionsOf(live)) {
      const name = `${live.kind} ${type} ${status}`
      const known = counts.get(name)
      if (known === undefined) counts.set(name, { kind: live.kind, type, status, count: 1 })
      else known.count++
    }
  }
  return { conditions: counts.values(), blocked }
}

function conditionsOf({ status }: KubeObject): { type: string; status: string }[] {
  return ownConditionsIn(status).map(entry => ({ type: String(entry['type']), status: truthOf(entry['status']) }))
}

function truthOf(status: unknown): string {
  return status === 'True' || status === 'False' ? status : 'Unknown'
}
