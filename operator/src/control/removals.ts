// What a publication would take out of force, and which objects have to be gone for that to be right.
import { partsOfPlace } from '@smartflow/core/compile/status'
import { DEFAULT_TENANT } from '@smartflow/core/resources/ai-tenant'
import type { Item } from '@smartflow/core/snapshot/items'
import type { PublicationOutcome } from '../apply/publication.ts'
import { objectId } from '../watch/object-id.ts'

/** What was compiled, as far as it says whose namespace is whose. */
interface Compiled {
  /** By `placeName`. */
  readonly items: ReadonlyMap<string, Item>
  /** Every namespace there is, by name. */
  readonly namespaces: ReadonlyMap<string, unknown>
}

/** Whether all that would go is there and marked as deleted: no list lacks what it tells of. `deleting`: by id. */
export function areMarked(outcome: PublicationOutcome, deleting: ReadonlySet<string>): boolean {
  const gone = goneOf(outcome)
  return gone.length > 0 && gone.every(({ kind, name }) => deleting.has(`${kind}/${name}`))
}

/**
 * Ids of the objects for want of which something would go: itself, its namespace, its tenant. A key's name has its
 * namespace; another's object is in one of the tenant's, and that of a borrowed provider in one of the lender's.
 */
export function neededBy(outcome: PublicationOutcome, compiled: Compiled): ReadonlySet<string> {
  const namespaces = namespacesByTenant(compiled)
  const ids = new Set<string>()
  for (const { tenant, kind, name } of goneOf(outcome)) {
    ids.add(objectId('AITenant', undefined, tenant))
    const [namespace, own] = name.split('/')
    if (own !== undefined) {
      ids.add(objectId(kind, namespace, own)).add(objectId('Namespace', undefined, namespace ?? ''))
      continue
    }
    const [lender, lent] = name.split(':')
    const [owner, object] = lent === undefined ? [tenant, name] : [lender ?? '', lent]
    ids.add(objectId('AITenant', undefined, owner))
    for (const each of namespaces.get(owner) ?? []) ids.add(objectId(kind, each, object))
  }
  return ids
}

function goneOf({ wanted, inForce }: PublicationOutcome): readonly ReturnType<typeof partsOfPlace>[] {
  return [...inForce.keys()].filter(place => !wanted.has(place)).map(partsOfPlace)
}

/** Those of the default tenant are also all that no other one has. */
function namespacesByTenant({ items, namespaces }: Compiled): ReadonlyMap<string, readonly string[]> {
  const byTenant = new Map<string, readonly string[]>()
  for (const item of items.values()) if (item.kind === 'AITenant') byTenant.set(item.name, item.namespaces)
  const claimed = new Set([...byTenant.values()].flat())
  const free = [...namespaces.keys()].filter(name => !claimed.has(name))
  return byTenant.set(DEFAULT_TENANT, [...(byTenant.get(DEFAULT_TENANT) ?? []), ...free])
}
