// Questions about a plan that several reconcilers ask.
import { placeName } from '@smartflow/core/compile/status'
import type { Item } from '@smartflow/core/snapshot/items'
import type { Plan } from './loop.ts'

/** True when compiling accepted the object. */
export function isAccepted(plan: Plan, id: string): boolean {
  const conditions = plan.statuses.get(id)?.conditions ?? []
  return conditions.some(({ type, status }) => type === 'Accepted' && status === 'True')
}

/** What carries the object in what was compiled; undefined: nothing does. */
export function itemOf(plan: Plan, id: string): Item | undefined {
  const place = plan.statuses.get(id)?.item
  return place && plan.items.get(placeName(place))
}
