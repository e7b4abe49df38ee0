// Two objects that claim the same thing: the older one has it, the younger is told who won (the rule of GEP-713).
import { canonicalJSON, compareText } from '../snapshot/canonical.ts'
import { describeResource, namespaceOf, type Resource } from '../resources/resource.ts'
import type { StatusBook } from './status.ts'

/**
 * Oldest first, then by namespace and name. Objects of a folder have no age. Total: the order of the input never shows.
 */
export function byAge<T extends Resource>(resources: readonly T[]): T[] {
  return [...resources].sort(
    (a, b) =>
      ageOf(a) - ageOf(b) ||
      compareText(namespaceOf(a) ?? '', namespaceOf(b) ?? '') ||
      compareText(a.metadata.name, b.metadata.name) ||
      compareText(canonicalJSON(a), canonicalJSON(b)),
  )
}

function ageOf(resource: Resource): number {
  return Date.parse(resource.metadata.creationTimestamp ?? '') || 0
}

/** What is claimed: a key that only one object may have, and its name for messages. */
export interface Claim<T> {
  readonly keyOf: (resource: T) => string
  readonly what: (resource: T) => string
}

/**
 * Gives the winners, oldest first; losers are rejected as Conflicted with the winner's name. Rejected objects claim
 * nothing.
 */
export function winnersOf<T extends Resource>(resources: readonly T[], claim: Claim<T>, book: StatusBook): T[] {
  const winners = new Map<string, T>()
  for (const resource of byAge(resources)) {
    if (book.isRejected(resource)) continue
    const key = claim.keyOf(resource)
    const winner = winners.get(key)
    if (winner === undefined) winners.set(key, resource)
    else
      book.reject(
        resource,
        'Conflicted',
        `${claim.what(resource)} belongs to ${describeResource(winner)}, which came first`,
      )
  }
  return [...winners.values()]
}
