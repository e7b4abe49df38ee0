// Two objects that claim the same thing: the older one has it, the younger is told who won (the rule of GEP-713).
import { canonicalJSON, compareText } from '../snapshot/canonical.ts'
import { describeResource, namespaceOf, type Resource } from '../resources/resource.ts'
import type { StatusBook } from './status.ts'

interface Rank {
  readonly age: number
  readonly namespace: string
  readonly name: string
}

/** Sorting asks for an object's rank again and again. */
const ranks = new WeakMap<Resource, Rank>()

/**
 * Oldest first, then by namespace and name. Objects of a folder have no age. Total: the order of the input never shows.
 */
export function byAge<T extends Resource>(resources: readonly T[]): T[] {
  return [...resources].sort((a, b) => {
    const [one, other] = [rankOf(a), rankOf(b)]
    return (
      one.age - other.age ||
      compareText(one.namespace, other.namespace) ||
      compareText(one.name, other.name) ||
      compareText(a.kind, b.kind) ||
      (a === b ? 0 : compareText(canonicalJSON(a), canonicalJSON(b)))
    )
  })
}

function rankOf(resource: Resource): Rank {
  const known = ranks.get(resource)
  if (known !== undefined) return known
  const { creationTimestamp, name } = resource.metadata
  const rank = { age: Date.parse(creationTimestamp ?? '') || 0, namespace: namespaceOf(resource) ?? '', name }
  ranks.set(resource, rank)
  return rank
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
