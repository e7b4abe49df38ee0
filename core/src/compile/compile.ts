// World → configuration and statuses: pure, the same for the operator and the standalone data plane.
import type { AIGateway } from '../resources/ai-gateway.ts'
import type { AITenant } from '../resources/ai-tenant.ts'
import { describeResource, type Resource, type ResourceOf } from '../resources/resource.ts'
import type { Secret } from '../resources/secret.ts'
import { compareText } from '../snapshot/canonical.ts'
import type { Compiled, Item } from '../snapshot/items.ts'
import { chooseGateway, type GatewayChoice } from './ai-gateway.ts'
import { compileProviders, type ServedProvider } from './ai-provider.ts'
import { assignNamespaces, type Tenancy } from './ai-tenant.ts'
import { byAge } from './conflicts.ts'
import { compileChains } from './fallback-chain.ts'
import { Namespaces } from './namespaces.ts'
import { compilePolicies } from './policy.ts'
import { ProviderCatalogue } from './provider-catalogue.ts'
import type { Scope } from './scope.ts'
import { secretsOf } from './secrets.ts'
import { type Status, StatusBook } from './status.ts'
import { grantHosts } from './tenant-hosts.ts'
import { distinguishable, draftKeys, type KeyDraft } from './virtual-key.ts'
import type { World } from './world.ts'

/** Objects that live in a tenant's namespaces. */
type Owned = Exclude<Resource, AITenant | AIGateway | Secret>

/** A compile's result: what is served, and what each object is told. */
export interface CompileResult {
  readonly compiled: Compiled
  /** One an object, by kind, namespace and name; Secrets have none. */
  readonly statuses: readonly Status[]
  /** By accepted AITenant: those of its hostnames that may be exposed. */
  readonly hosts: ReadonlyMap<string, readonly string[]>
}

/** What every tenant's compile goes by. */
interface Ground {
  readonly world: World
  readonly book: StatusBook
  readonly gateway: GatewayChoice
  readonly tenancy: Tenancy
  readonly namespaces: Namespaces
}

/**
 * Compiles the world. Never throws for what a parsed resource can hold; what cannot be served is left out and told why.
 * An object that is being deleted is not served any more, so that readers let go of it; an AIGateway or AITenant holds
 * until it is gone, or its tenants' keys would fall under other limits.
 */
export function compile(world: World): CompileResult {
  const book = new StatusBook()
  const single = { ...world, resources: distinctOf(world.resources) }
  const namespaces = new Namespaces(single)
  const gateway = chooseGateway(single, book)
  const declared = single.resources.filter(resource => resource.kind === 'AITenant')
  const tenancy = assignNamespaces({ tenants: declared, gateway, namespaces }, book)
  const hosts = grantHosts(tenancy.accepted, gateway, book)
  for (const tenant of tenancy.accepted) {
    const { name } = tenant.metadata
    book.carried(tenant, { tenant: name, kind: 'AITenant', name })
  }
  const tenants = compileTenants({ world: single, book, gateway, tenancy, namespaces })
  return { compiled: { settings: gateway.settings, tenants }, statuses: book.statuses(single.resources), hosts }
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

function compileTenants(ground: Ground): Map<string, Item[]> {
  const owned = objectsByTenant(ground)
  const scopes = scopesOf(ground)
  const providers = new Map<string, ServedProvider>()
  for (const scope of scopes) {
    const own = compileProviders(scope, ofKind(owned.get(scope.tenant) ?? [], 'AIProvider'))
    for (const [name, provider] of own) providers.set(name, provider)
  }
  const catalogue = new ProviderCatalogue(providers, ground.namespaces)
  const tenants = new Map<string, Item[]>()
  const drafts: KeyDraft[] = []
  for (const scope of scopes) {
    const own = [...providers.values()].filter(provider => provider.tenant === scope.tenant).map(({ item }) => item)
    const content = compileTenant(scope, owned.get(scope.tenant) ?? [], { own, catalogue })
    const item = ground.tenancy.items.get(scope.tenant)
    tenants.set(scope.tenant, item === undefined ? content.items : [item, ...content.items])
    drafts.push(...content.drafts)
  }
  for (const [name, keys] of distinguishable(drafts, ground.book, ground.world.heldTokens))
    tenants.get(name)?.push(...keys)
  for (const items of tenants.values()) items.sort(byKindAndName)
  return tenants
}

function byKindAndName(a: Item, b: Item): number {
  return compareText(a.kind, b.kind) || compareText(a.name, b.name)
}

function scopesOf({ world, book, gateway, tenancy }: Ground): Scope[] {
  const secrets = secretsOf(world)
  return [...tenancy.items.keys()].sort(compareText).map(tenant => ({
    world,
    secrets,
    settings: gateway.settings,
    book,
    tenant,
    maxVirtualKeys: tenancy.maxVirtualKeys(tenant),
    ...roles(gateway, tenancy, tenant),
  }))
}

function objectsByTenant(ground: Ground): Map<string, Owned[]> {
  const owned = new Map<string, Owned[]>()
  for (const resource of ground.world.resources) {
    if (resource.kind === 'AITenant' || resource.kind === 'Secret' || resource.kind === 'AIGateway') continue
    if (resource.metadata.deletionTimestamp !== undefined) {
      ground.book.note(resource, 'the object is being deleted and not served any more')
      continue
    }
    const owner = ownerOf(resource.metadata.namespace, ground)
    if ('refused' in owner) {
      ground.book.reject(resource, 'NamespaceNotAllowed', owner.refused)
      continue
    }
    const known = owned.get(owner.tenant)
    if (known === undefined) owned.set(owner.tenant, [resource])
    else known.push(resource)
  }
  return owned
}

/** The tenant of a namespace that the AIGateway serves, or why its objects have none. */
function ownerOf(namespace: string, { gateway, tenancy, namespaces }: Ground): ReturnType<Tenancy['tenantOf']> {
  const { declared } = gateway
  const allowed = declared?.spec.allowedNamespaces
  if (declared === undefined || allowed === undefined) return tenancy.tenantOf(namespace)
  if (namespaces.allows(allowed, declared.metadata.namespace, namespace)) return tenancy.tenantOf(namespace)
  const how = 'ask its administrator to add it to spec.allowedNamespaces'
  return { refused: `${describeResource(declared)} does not serve namespace ${namespace}; ${how}` }
}

function ofKind<K extends Owned['kind']>(objects: readonly Owned[], kind: K): (ResourceOf<K> & Owned)[] {
  return objects.filter((object): object is ResourceOf<K> & Owned => object.kind === kind)
}

interface Providers {
  readonly own: readonly ServedProvider['item'][]
  readonly catalogue: ProviderCatalogue
}

function compileTenant(
  scope: Scope,
  objects: readonly Owned[],
  { own, catalogue }: Providers,
): { items: Item[]; drafts: KeyDraft[] } {
  const { chains, borrowed } = compileChains(scope, ofKind(objects, 'FallbackChain'), catalogue)
  const policies = compilePolicies(scope, ofKind(objects, 'Policy'))
  const providers = new Set(own.map(item => item.name))
  const drafts = draftKeys(scope, ofKind(objects, 'VirtualKey'), { chains, providers })
  return { items: [...own, ...borrowed, ...chains.values(), ...policies], drafts }
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
