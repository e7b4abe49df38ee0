// FallbackChains of one tenant. A target whose provider is not served is left out; a chain without targets is not
// served.
import type { FallbackChain } from '../resources/fallback-chain.ts'
import { parseDuration } from '../resources/metadata.ts'
import type { ChainItem, ProviderItem } from '../snapshot/items.ts'
import { winnersOf } from './conflicts.ts'
import { Memo } from './memo.ts'
import type { ProviderCatalogue } from './provider-catalogue.ts'
import type { Scope } from './scope.ts'

/** The chains by `namespace/name`, and the copies of other tenants' providers that they lead to. */
export interface CompiledChains {
  readonly chains: ReadonlyMap<string, ChainItem>
  readonly borrowed: ReadonlySet<ProviderItem>
}

const items = new Memo<FallbackChain, ChainItem>()

/** The tenant's chains. A chain's name is unique in its tenant. */
export function compileChains(
  scope: Scope,
  chains: readonly FallbackChain[],
  catalogue: ProviderCatalogue,
): CompiledChains {
  const claim = {
    keyOf: (chain: FallbackChain) => chain.metadata.name,
    what: (chain: FallbackChain) => `in tenant ${scope.tenant} the chain name ${chain.metadata.name}`,
  }
  const served = new Map<string, ChainItem>()
  const borrowed = new Set<ProviderItem>()
  for (const chain of winnersOf(chains, claim, scope.book)) {
    const providers = providersOf(chain, catalogue, scope)
    const found = providers.flatMap(each => each?.item ?? [])
    if (found.length === 0 || scope.book.isHeldBack(chain)) continue
    for (const each of providers) if (each?.borrowed === true) borrowed.add(each.item)
    const names = providers.map(each => each?.item.name)
    const item = items.get(chain, names, () => itemOf(chain, names))
    scope.book.carried(chain, { tenant: scope.tenant, kind: 'FallbackChain', name: item.name })
    served.set(`${chain.metadata.namespace}/${chain.metadata.name}`, item)
  }
  return { chains: served, borrowed }
}

interface Used {
  readonly item: ProviderItem
  readonly borrowed: boolean
}

/** The providers of the targets, in step; undefined for those that are left out. */
function providersOf(chain: FallbackChain, catalogue: ProviderCatalogue, scope: Scope): (Used | undefined)[] {
  return chain.spec.targets.map(target => {
    const resolved = catalogue.resolve(chain, target, scope)
    if ('item' in resolved) return resolved
    scope.book.unresolved(chain, resolved.reason, resolved.message)
    return undefined
  })
}

function itemOf({ metadata, spec }: FallbackChain, providers: readonly (string | undefined)[]): ChainItem {
  return {
    kind: 'FallbackChain',
    name: metadata.name,
    models: spec.models,
    maxAttempts: spec.maxAttempts,
    maxTotalDuration: millisecondsOf(spec.maxTotalDuration),
    breaker: { failures: spec.breaker.failures, openFor: parseDuration(spec.breaker.openFor) },
    targets: spec.targets.flatMap((target, at) => {
      const provider = providers[at]
      return provider === undefined ? [] : [targetOf(target, provider)]
    }),
  }
}

function targetOf(
  { name, model, timeout, retry }: FallbackChain['spec']['targets'][number],
  provider: string,
): ChainItem['targets'][number] {
  const { causes, ...pace } = retry
  return {
    name,
    provider,
    model,
    timeout: millisecondsOf(timeout),
    retry: { ...pace, baseDelay: parseDuration(retry.baseDelay), maxDelay: parseDuration(retry.maxDelay), on: causes },
  }
}

function millisecondsOf(duration: string | undefined): number | undefined {
  return duration === undefined ? undefined : parseDuration(duration)
}
