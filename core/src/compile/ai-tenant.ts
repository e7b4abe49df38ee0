// Which tenant owns which namespace. A namespace in doubt belongs to nobody: its keys must not land under another
// tenant's limits.
import { type AITenant, DEFAULT_TENANT } from '../resources/ai-tenant.ts'
import { describeResource } from '../resources/resource.ts'
import { compareText } from '../snapshot/canonical.ts'
import type { TenantItem } from '../snapshot/items.ts'
import { byAge } from './conflicts.ts'
import { budgetOf, rateLimitOf } from './limits.ts'
import type { StatusBook } from './status.ts'
import type { World } from './world.ts'

/** Tenants and their namespaces. */
export interface Tenancy {
  /** By tenant; always with the tenant `default`. */
  readonly items: ReadonlyMap<string, TenantItem>
  /** The tenant of a namespace, or the reason why it has none. */
  tenantOf(namespace: string): { readonly tenant: string } | { readonly refused: string }
  /** True when the tenant lets this namespace hold OrgAdmin keys. */
  isAdminNamespace(tenant: string, namespace: string): boolean
}

/** Gives each namespace to the oldest AITenant that names it; a younger one that names it too is refused whole. */
export function assignNamespaces(world: World, book: StatusBook): Tenancy {
  const accepted = new Map<string, AITenant>()
  const refused: AITenant[] = []
  const owners = new Map<string, AITenant>()
  for (const tenant of byAge(world.resources.filter(resource => resource.kind === 'AITenant'))) {
    if (book.isRejected(tenant)) continue
    const taken = tenant.spec.namespaces.names.find(namespace => owners.has(namespace))
    const owner = owners.get(taken ?? '')
    if (taken === undefined || owner === undefined) {
      accepted.set(tenant.metadata.name, tenant)
      for (const namespace of tenant.spec.namespaces.names) owners.set(namespace, tenant)
    } else {
      refused.push(tenant)
      const message = `namespace ${taken} belongs to ${describeResource(owner)}, which came first; it has one tenant`
      book.reject(tenant, 'Conflicted', message)
    }
  }
  return tenancyOf(accepted, refused, owners)
}

function tenancyOf(
  accepted: ReadonlyMap<string, AITenant>,
  refused: readonly AITenant[],
  owners: ReadonlyMap<string, AITenant>,
): Tenancy {
  const claimants = new Map(
    refused.flatMap(tenant => tenant.spec.namespaces.names.map(name => [name, tenant] as const)),
  )
  const refusedDefault = refused.find(tenant => tenant.metadata.name === DEFAULT_TENANT)
  const items = new Map([...accepted].map(([name, tenant]) => [name, tenantItem(tenant)]))
  if (!items.has(DEFAULT_TENANT)) items.set(DEFAULT_TENANT, undeclaredDefault(refusedDefault !== undefined))
  return {
    items,
    tenantOf(namespace) {
      const owner = owners.get(namespace)
      if (owner !== undefined) return { tenant: owner.metadata.name }
      const claimant = claimants.get(namespace) ?? refusedDefault
      if (claimant === undefined) return { tenant: DEFAULT_TENANT }
      const what = describeResource(claimant)
      return { refused: `namespace ${namespace} is ${what}'s, which is not accepted; resolve its conflict first` }
    },
    isAdminNamespace(tenant, namespace) {
      return accepted.get(tenant)?.spec.adminNamespaces.includes(namespace) ?? false
    },
  }
}

function tenantItem({ metadata, spec }: AITenant): TenantItem {
  return {
    kind: 'AITenant',
    name: metadata.name,
    namespaces: [...new Set(spec.namespaces.names)].sort(compareText),
    budget: budgetOf(spec.limits?.budget),
    rateLimit: rateLimitOf(spec.limits),
    teams: spec.teams
      .map(team => ({ name: team.name, budget: budgetOf(team.budget), rateLimit: rateLimitOf(team.rateLimit) }))
      .sort((a, b) => compareText(a.name, b.name)),
    suspended: spec.suspend,
  }
}

function undeclaredDefault(suspended: boolean): TenantItem {
  return { kind: 'AITenant', name: DEFAULT_TENANT, namespaces: [], teams: [], suspended }
}
