// World → configuration and statuses: pure, the same for the operator and the standalone data plane.
import type { AITenant } from '../resources/ai-tenant.ts'
import { describeResource, type Resource, type ResourceOf } from '../resources/resource.ts'
import { compareText } from '../snapshot/canonical.ts'
import type { Compiled, Item } from '../snapshot/items.ts'
import { chooseGateway, type GatewayChoice } from './ai-gateway.ts'
import { compileProviders } from './ai-provider.ts'
import { assignNamespaces, type Tenancy } from './ai-tenant.ts'
import { byAge } from './conflicts.ts'
import { compileChains } from './fallback-chain.ts'
import { compilePolicies } from './policy.ts'
import type { Scope } from './scope.ts'
import { secretsOf } from './secrets.ts'
import { type Status, StatusBook } from './status.ts'
import { distinguishable, draftKeys, type KeyDraft } from './virtual-key.ts'
import type { World } from './world.ts'

/** Objects that live in a tenant's namespaces. */
type Namespaced = Exclude<Resource, AITenant>

/** A compile's result: what is served, and what each object is told. */
export interface CompileResult {
  readonly compiled: Compiled
  /** One an object, by kind, namespace and name; Secrets have none. */
  readonly statuses: readonly Status[]
}

/**
 * Compiles the world. Never throws for what a parsed resource can hold; what cannot be served is left out and told why.
 */
export function compile(world: World): CompileResult {
  const book = new StatusBook()
  const distinct = distinctOf(world.resources)
  const single = { ...world, resources: distinct }
  const gateway = chooseGateway(single, book)
  const tenancy = assignNamespaces(single, book)
  const secrets = secretsOf(single)
  const tenants = new Map<string, Item[]>()
  const drafts = new Map<string, KeyDraft[]>()
  const owned = objectsByTenant(single, tenancy, book)
  for (const name of [...tenancy.items.keys()].sort(compareText)) {
    const scope = {
      world: single,
      secrets,
      settings: gateway.settings,
      book,
      tenant: name,
      ...roles(gateway, tenancy, name),
    }
    const content = compileTenant(scope, owned.get(name) ?? [])
    const item = tenancy.items.get(name)
    tenants.set(name, item === undefined ? content.items : [item, ...content.items])
    drafts.set(name, content.drafts)
  }
  for (const [name, keys] of distinguishable(drafts, book)) tenants.get(name)?.push(...keys)
  for (const items of tenants.values()) items.sort(byKindAndName)
  return { compiled: { settings: gateway.settings, tenants }, statuses: book.statuses(distinct) }
}

/** Objects that two sources both gave count once; which of them came in first must not matter. */
function distinctOf(resources: readonly Resource[]): Resource[] {
  const distinct = new Map<string, Resource>()
  for (const resource of byAge(resources)) {
    const name = describeResource(resource)
    if (!distinct.has(name)) distinct.set(name, resource)
  }
  return [...distinct.values()]
}

function byKindAndName(a: Item, b: Item): number {
  return compareText(a.kind, b.kind) || compareText(a.name, b.name)
}

function objectsByTenant(world: World, tenancy: Tenancy, book: StatusBook): Map<string, Namespaced[]> {
  const owned = new Map<string, Namespaced[]>()
  for (const resource of world.resources) {
    if (resource.kind === 'AITenant' || resource.kind === 'Secret' || resource.kind === 'AIGateway') continue
    const owner = tenancy.tenantOf(resource.metadata.namespace)
    if ('refused' in owner) {
      book.reject(resource, 'NamespaceNotAllowed', owner.refused)
      continue
    }
    const known = owned.get(owner.tenant)
    if (known === undefined) owned.set(owner.tenant, [resource])
    else known.push(resource)
  }
  return owned
}

function compileTenant(scope: Scope, objects: readonly Namespaced[]): { items: Item[]; drafts: KeyDraft[] } {
  const of = <K extends Namespaced['kind']>(kind: K): ResourceOf<K>[] =>
    objects.filter((object): object is ResourceOf<K> & Namespaced => object.kind === kind)
  const providers = compileProviders(scope, of('AIProvider'))
  const chains = compileChains(scope, of('FallbackChain'), providers)
  const policies = compilePolicies(scope, of('Policy'))
  const drafts = draftKeys(scope, of('VirtualKey'), { chains, providers })
  return { items: [...providers.values(), ...chains.values(), ...policies], drafts }
}

function roles(gateway: GatewayChoice, tenancy: Tenancy, tenant: string): Pick<Scope, 'allowsRole'> {
  return {
    allowsRole(role, namespace) {
      if (role === 'InternalUser') return undefined
      if (role === 'OrgAdmin') {
        if (tenancy.isAdminNamespace(tenant, namespace)) return undefined
        const how = `add it to spec.adminNamespaces of AITenant ${tenant}`
        return { refused: `role OrgAdmin is not for keys of namespace ${namespace}; ${how}` }
      }
      if (namespace === gateway.adminNamespace) return undefined
      const where = gateway.adminNamespace === undefined ? 'an AIGateway' : `the AIGateway (${gateway.adminNamespace})`
      return { refused: `role ${role} is only for keys in the namespace of ${where}, not in ${namespace}` }
    },
  }
}
