// Namespaces that tenants choose by label.
import type { AITenant } from '../resources/ai-tenant.ts'
import { describeResource } from '../resources/resource.ts'
import type { Namespaces } from './namespaces.ts'
import type { StatusBook } from './status.ts'

/** Most namespaces that a note names. */
const NAMED = 5

/** Owners by namespace; those that tenants name are in it already. */
export interface Owners {
  readonly namespaces: Namespaces
  readonly owners: Map<string, AITenant>
}

/**
 * Gives each namespace that nobody has to the first of the tenants whose selector chooses it. The others are told, not
 * refused: a label that somebody sets on a namespace must not put a whole tenant out of service.
 */
export function claimBySelector(tenants: readonly AITenant[], { namespaces, owners }: Owners, book: StatusBook): void {
  const selecting = tenants.filter(tenant => tenant.spec.namespaces.selector !== undefined)
  if (selecting.length === 0) return
  const names = namespaces.names()
  for (const tenant of selecting) {
    const { selector } = tenant.spec.namespaces
    const lost = new Map<AITenant, string[]>()
    for (const namespace of names) {
      if (selector === undefined || !namespaces.selects(selector, namespace)) continue
      const owner = owners.get(namespace)
      if (owner === undefined) owners.set(namespace, tenant)
      else if (owner !== tenant) lost.set(owner, [...(lost.get(owner) ?? []), namespace])
    }
    for (const [owner, some] of lost) book.note(tenant, lostNote(owner, some))
  }
}

function lostNote(owner: AITenant, lost: readonly string[]): string {
  const more = lost.length > NAMED ? ` and ${lost.length - NAMED} more` : ''
  const names = `${lost.slice(0, NAMED).join(', ')}${more}`
  const why = owner.spec.namespaces.names.includes(lost[0] ?? '') ? 'which names it' : 'which came first'
  return `the selector chooses ${names} too, but it belongs to ${describeResource(owner)}, ${why}`
}
