// Which conditions are the operator's, and whether a status says already what it should.
import { canonicalJSON } from '@smartflow/core/snapshot/canonical'
import { isRecord } from '../api/resource-type.ts'
import type { ObjectStatus } from './status.ts'

/** Types of the operator's conditions; whatever else stands among them is somebody else's. */
const OWN: ReadonlySet<string> = new Set([
  'Accepted',
  'BudgetExhausted',
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
  'SidecarsReady',
  'Stalled',
])

/** The operator's conditions of a status as the API server gives it, whatever order they have. */
export function ownConditionsIn(status: unknown): readonly Readonly<Record<string, unknown>>[] {
  const list: unknown[] = isRecord(status) && Array.isArray(status['conditions']) ? status['conditions'] : []
  return list.filter(isRecord).filter(({ type }) => typeof type === 'string' && OWN.has(type))
}

/** True when the status says this already; other people's conditions and the order make no difference. */
export function saysAlready(live: unknown, wanted: ObjectStatus): boolean {
  const stored = isRecord(live) ? live : {}
  return comparable(stored, ownConditionsIn(stored)) === comparable(wanted, wanted.conditions)
}

/** True when two statuses differ in times at most. */
export function saysTheSame(a: ObjectStatus, b: ObjectStatus): boolean {
  return comparable(a, a.conditions.map(timeless)) === comparable(b, b.conditions.map(timeless))
}

function timeless({ lastTransitionTime: _time, ...condition }: ObjectStatus['conditions'][number]): object {
  return condition
}

function comparable(status: Readonly<Record<string, unknown>>, conditions: readonly unknown[]): string {
  return canonicalJSON({ ...status, conditions: conditions.map(entry => canonicalJSON(entry)).sort() })
}
