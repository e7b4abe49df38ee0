// FallbackChains of one tenant. A target whose provider is not served is left out; a chain without targets is not
// served.
import type { FallbackChain } from '../resources/fallback-chain.ts'
import { parseDuration } from '../resources/metadata.ts'
import type { ChainItem, ProviderItem } from '../snapshot/items.ts'
import { winnersOf } from './conflicts.ts'
import type { Scope } from './scope.ts'

/**
 * The tenant's chains by `namespace/name`. A chain's name is unique in its tenant; it refers to providers of its
 * namespace.
 */
export function compileChains(
  scope: Scope,
  chains: readonly FallbackChain[],
  providers: ReadonlyMap<string, ProviderItem>,
): Map<string, ChainItem> {
  const claim = {
    keyOf: (chain: FallbackChain) => chain.metadata.name,
    what: (chain: FallbackChain) => `in tenant ${scope.tenant} the chain name ${chain.metadata.name}`,
  }
  const items = new Map<string, ChainItem>()
  for (const chain of winnersOf(chains, claim, scope.book)) {
    const targets = chain.spec.targets.flatMap(target => {
      const name = `${chain.metadata.namespace}/${target.providerRef.name}`
      const provider = providers.get(name)
      if (provider !== undefined) return [targetOf(target, provider)]
      const message = `target ${target.name}: AIProvider ${name} is not there or not served; look at its status`
      scope.book.unresolved(chain, 'RefNotFound', message)
      return []
    })
    const { namespace, name } = chain.metadata
    if (targets.length > 0) items.set(`${namespace}/${name}`, { ...termsOf(chain), targets })
  }
  return items
}

function termsOf({ metadata, spec }: FallbackChain): Omit<ChainItem, 'targets'> {
  return {
    kind: 'FallbackChain',
    name: metadata.name,
    models: spec.models,
    maxAttempts: spec.maxAttempts,
    maxTotalDuration: millisecondsOf(spec.maxTotalDuration),
    breaker: { failures: spec.breaker.failures, openFor: parseDuration(spec.breaker.openFor) },
  }
}

function targetOf(
  { name, model, timeout, retry }: FallbackChain['spec']['targets'][number],
  provider: ProviderItem,
): ChainItem['targets'][number] {
  return {
    name,
    provider: provider.name,
    model,
    timeout: millisecondsOf(timeout),
    retry: { ...retry, baseDelay: parseDuration(retry.baseDelay), maxDelay: parseDuration(retry.maxDelay) },
  }
}

function millisecondsOf(duration: string | undefined): number | undefined {
  return duration === undefined ? undefined : parseDuration(duration)
}
