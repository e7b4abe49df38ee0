// Every provider that is served, of all tenants: what a chain's target means, and whether the chain may use it.
import type { FallbackChain } from '../resources/fallback-chain.ts'
import type { ProviderItem } from '../snapshot/items.ts'
import { lentTo, type ServedProvider } from './ai-provider.ts'
import type { Namespaces } from './namespaces.ts'
import type { Scope } from './scope.ts'

type Target = FallbackChain['spec']['targets'][number]

/** What a target came to: the item of the chain's tenant that serves it, or what its chain is told. */
export type Resolved =
  | { readonly item: ProviderItem; readonly borrowed: boolean }
  | { readonly reason: 'RefNotFound' | 'RefNotPermitted'; readonly message: string }

/** Providers by `namespace/name` over all tenants; a namespace has one tenant, so names never meet. */
export class ProviderCatalogue {
  readonly #served: ReadonlyMap<string, ServedProvider>
  readonly #namespaces: Namespaces

  constructor(served: ReadonlyMap<string, ServedProvider>, namespaces: Namespaces) {
    this.#served = served
    this.#namespaces = namespaces
  }

  /**
   * Finds a target's provider. Across namespaces it must allow the chain's; then "not there" and "not allowed" sound the
   * same, so that nobody can ask which providers other namespaces have.
   */
  resolve(chain: FallbackChain, target: Target, scope: Scope): Resolved {
    const own = chain.metadata.namespace
    const namespace = target.providerRef.namespace ?? own
    const name = `${namespace}/${target.providerRef.name}`
    const served = this.#served.get(name)
    if (namespace !== own) {
      const allowed = served?.object.spec.allowedNamespaces
      if (served === undefined || !this.#namespaces.allows(allowed, namespace, own)) {
        const how = `is not served or does not allow namespace ${own}; its owner sets spec.allowedNamespaces`
        return { reason: 'RefNotPermitted', message: `target ${target.name}: AIProvider ${name} ${how}` }
      }
    }
    if (served === undefined) {
      const message = `target ${target.name}: AIProvider ${name} is not there or not served; look at its status`
      return { reason: 'RefNotFound', message }
    }
    if (served.tenant === scope.tenant) return { item: served.item, borrowed: false }
    return { item: lentTo(scope.tenant, served, scope.world.keyring), borrowed: true }
  }
}
