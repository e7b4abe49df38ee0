// Which tenant owns which namespace. A namespace in doubt belongs to nobody: its keys must not land under another
// tenant's limits.
import { type AITenant, DEFAULT_TENANT } from '../resources/ai-tenant.ts'
import { describeResource } from '../resources/resource.ts'
import { compareText } from '../snapshot/canonical.ts'
import type { TenantItem } from '../snapshot/items.ts'
import type { GatewayChoice } from './ai-gateway.ts'
import { byAge } from './conflicts.ts'
import { budgetOf, rateLimitOf } from './limits.ts'
import { Memo } from './memo.ts'
import type { Namespaces } from './namespaces.ts'
import { claimBySelector, type Owners } from './namespace-claims.ts'
import type { StatusBook } from './status.ts'

/** Tenants and their namespaces. */
export interface Tenancy {
  /** By tenant; always with the tenant `default`. */
  readonly items: ReadonlyMap<string, TenantItem>
  /** Those that were accepted, oldest first. */
  readonly accepted: readonly AITenant[]
  /** The tenant of a namespace, or the reason why it has none. */
  tenantOf(namespace: string): { readonly tenant: string } | { readonly refused: string }
  /** True when the tenant lets this namespace hold OrgAdmin keys. */
  isAdminNamespace(tenant: string, namespace: string): boolean
  /** How many virtual keys the tenant may have; undefined: any number. */
  maxVirtualKeys(tenant: string): number | undefined
}

/** What tenants are judged by. */
export interface TenantBasis {
  readonly tenants: readonly AITenant[]
  readonly gateway: GatewayChoice
  readonly namespaces: Namespaces
}

/** Who was accepted, who was refused whole, and who owns which namespace. */
interface Assigned extends Owners {
  readonly accepted: ReadonlyMap<string, AITenant>
  readonly refused: readonly AITenant[]
}

const items = new Memo<AITenant, TenantItem>()

/**
 * Gives each namespace to the oldest AITenant that names it, else to the oldest whose selector chooses it. A younger one
 * that names a taken namespace is refused whole; one that only selects it is told.
 */
export function assignNamespaces(basis: TenantBasis, book: StatusBook): Tenancy {
  const accepted = new Map<string, AITenant>()
  const refused: AITenant[] = []
  const owners = new Map<string, AITenant>()
  for (const tenant of byAge(basis.tenants)) {
    const problem = gatewayProblem(tenant, basis.gateway)
    if (problem !== undefined) {
      book.unresolved(tenant, 'RefNotFound', problem)
      refused.push(tenant)
      continue
    }
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
  claimBySelector([...accepted.values()], { namespaces: basis.namespaces, owners }, book)
  return tenancyOf({ accepted, refused, owners, namespaces: basis.namespaces })
}

/** Why the tenant is none of this gateway's; undefined when it is. */
function gatewayProblem({ spec: { gatewayRef } }: AITenant, { declared }: GatewayChoice): string | undefined {
  if (gatewayRef === undefined) return undefined
  const { name, namespace } = gatewayRef
  if (declared?.metadata.name === name && declared.metadata.namespace === namespace) return undefined
  const there = declared === undefined ? 'none' : describeResource(declared)
  return `spec.gatewayRef: AIGateway ${namespace}/${name} is not the one of this gateway (it has ${there}); name that one`
}

function tenancyOf(assigned: Assigned): Tenancy {
  const { accepted, refused, owners, namespaces } = assigned
  const claimants = new Map(
    refused.flatMap(tenant => tenant.spec.namespaces.names.map(name => [name, tenant] as const)),
  )
  const selecting = [...accepted.values(), ...refused].some(tenant => tenant.spec.namespaces.selector !== undefined)
  const refusedDefault = refused.find(tenant => tenant.metadata.name === DEFAULT_TENANT)
  return {
    items: itemsOf(assigned, refusedDefault !== undefined),
    accepted: [...accepted.values()],
    tenantOf(namespace) {
      const owner = owners.get(namespace)
      if (owner !== undefined) return { tenant: owner.metadata.name }
      if (selecting && !namespaces.knows(namespace)) {
        return { refused: `the labels of namespace ${namespace} are not known here yet, so nobody can say whose it is` }
      }
      const claimant =
        claimants.get(namespace) ?? refused.find(tenant => selectedBy(tenant, namespace, namespaces)) ?? refusedDefault
      if (claimant === undefined) return { tenant: DEFAULT_TENANT }
      const what = describeResource(claimant)
      return { refused: `namespace ${namespace} is ${what}'s, which is not accepted here; look at its status` }
    },
    isAdminNamespace(tenant, namespace) {
      return accepted.get(tenant)?.spec.adminNamespaces.includes(namespace) ?? false
    },
    maxVirtualKeys(tenant) {
      return accepted.get(tenant)?.spec.limits?.maxVirtualKeys
    },
  }
}

function selectedBy({ spec }: AITenant, namespace: string, namespaces: Namespaces): boolean {
  const { selector } = spec.namespaces
  return selector !== undefined && namespaces.selects(selector, namespace)
}

function itemsOf({ accepted, owners }: Assigned, defaultRefused: boolean): Map<string, TenantItem> {
  const owned = new Map<string, string[]>()
  for (const [namespace, { metadata }] of owners) {
    const known = owned.get(metadata.name)
    if (known === undefined) owned.set(metadata.name, [namespace])
    else known.push(namespace)
  }
  const found = new Map<string, TenantItem>()
  for (const [name, tenant] of accepted) {
    const namespaces = (owned.get(name) ?? []).sort(compareText)
    found.set(
      name,
      items.get(tenant, namespaces, () => tenantItem(tenant, namespaces)),
    )
  }
  if (!found.has(DEFAULT_TENANT)) found.set(DEFAULT_TENANT, defaultRefused ? SUSPENDED_DEFAULT : UNDECLARED_DEFAULT)
  return found
}

function tenantItem({ metadata, spec }: AITenant, namespaces: readonly string[]): TenantItem {
  return {
    kind: 'AITenant',
    name: metadata.name,
    namespaces: [...namespaces],
    budget: budgetOf(spec.limits?.budget),
    rateLimit: rateLimitOf(spec.limits),
    teams: spec.teams
      .map(team => ({ name: team.name, budget: budgetOf(team.budget), rateLimit: rateLimitOf(team.rateLimit) }))
      .sort((a, b) => compareText(a.name, b.name)),
    suspended: spec.suspend,
  }
}

const UNDECLARED_DEFAULT: TenantItem = {
  kind: 'AITenant',
  name: DEFAULT_TENANT,
  namespaces: [],
  teams: [],
  suspended: false,
}
const SUSPENDED_DEFAULT: TenantItem = { ...UNDECLARED_DEFAULT, suspended: true }
