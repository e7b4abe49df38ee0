// What a model name means (L03): chains, declared aliases and allow-lists, provider prefixes, name patterns, and last the
// provider that takes bare names.
import { providerRow, providerRows } from '@smartflow/core/providers'
import type { ChainItem, ProviderItem } from '@smartflow/core/snapshot/items'
import type { TenantView } from '@smartflow/core/snapshot/view'
import { matches } from '../exchange/pattern.ts'
import type { Target, TargetTerms } from '../exchange/target.ts'
import type { Destinations, Resolver } from '../ports/gateway.ts'
import { formatsOf } from './endpoint.ts'

/** The resolver over the provider rows. Pure: the same tenant and name always give the same targets. */
export const resolver: Resolver = {
  destinations(tenant, asked, chain) {
    const chosen = chain === undefined ? chainFor(tenant, asked) : tenant.chains.find(({ name }) => name === chain)
    if (chosen) return chainDestinations(tenant, chosen, asked)
    for (const find of [byAlias, byPrefix, byAllowList, byPattern, byDefault]) {
      const targets = find(tenant, asked)
      if (targets.length > 0)
        return { targets, bounds: { chain: undefined, maxAttempts: targets.length, maxTotalDuration: undefined } }
    }
    return NOWHERE
  },

  known(tenant) {
    const prefixes = ownProviders(tenant).flatMap(({ preset }) => providerRow(preset)?.prefixes ?? [])
    if (prefixes.length === 0) return 'No provider is configured for your tenant; ask your administrator.'
    return `Ask for a model of GET /v1/models, or put a provider in front of its name: ${[...new Set(prefixes)].sort().join(', ')}.`
  },
}

function chainFor(tenant: TenantView, model: string): ChainItem | undefined {
  return (
    tenant.chains.find(({ models }) => models.includes(model)) ??
    tenant.chains.find(({ models }) => models.some(pattern => matches(pattern, model)))
  )
}

const NOWHERE: Destinations = { targets: [], bounds: { chain: undefined, maxAttempts: 0, maxTotalDuration: undefined } }
const ONCE: TargetTerms = {
  timeout: undefined,
  retry: { attempts: 0, baseDelay: 0, maxDelay: 0, jitterPercent: 0, on: [] },
  breaker: undefined,
}

/** A chain's targets whose provider exists and serves the model; a target without a model takes the one asked for. */
function chainDestinations(tenant: TenantView, chain: ChainItem, asked: string): Destinations {
  const { maxAttempts, maxTotalDuration, breaker } = chain
  const targets = chain.targets.flatMap(({ name, provider, model, timeout, retry }) => {
    const item = tenant.providers.get(provider)
    if (!item) return []
    const wanted = bare(item, model ?? asked)
    return serves(item, wanted) ? [targetOf(item, { name, model: wanted, terms: { timeout, retry, breaker } })] : []
  })
  return { targets, bounds: { chain: chain.name, maxAttempts, maxTotalDuration } }
}

function targetOf(item: ProviderItem, own: Pick<Target, 'name' | 'model' | 'terms'>): Target {
  return { ...own, provider: item.name, preset: item.preset, formats: formatsOf(item) }
}

function byAlias(tenant: TenantView, model: string): Target[] {
  return pick(tenant, item => item.models.aliases[model])
}

function byPrefix(tenant: TenantView, model: string): Target[] {
  return pick(tenant, item => {
    const wanted = bare(item, model)
    return wanted !== model && serves(item, wanted) ? wanted : undefined
  })
}

function byAllowList(tenant: TenantView, model: string): Target[] {
  return pick(tenant, item => (item.models.allow.length > 0 && serves(item, model) ? model : undefined))
}

function byPattern(tenant: TenantView, model: string): Target[] {
  return pick(tenant, item => {
    const patterns = providerRow(item.preset)?.models ?? []
    return patterns.some(pattern => matches(pattern, model)) && serves(item, model) ? model : undefined
  })
}

/** A bare name that no rule knows goes to the provider whose row takes such names, when the tenant has it. */
function byDefault(tenant: TenantView, model: string): Target[] {
  if (model.includes('/')) return []
  const defaults = new Set(
    providerRows()
      .filter(row => row.takesBareNames)
      .map(({ name }) => name),
  )
  return pick(tenant, item => (defaults.has(item.preset) && serves(item, model) ? model : undefined))
}

/** Providers that model names lead to. What another tenant lends serves only the chains that its owner allowed. */
export function ownProviders(tenant: TenantView): ProviderItem[] {
  return [...tenant.providers.values()].filter(({ lender }) => lender === undefined)
}

/** One target of each provider for which `wanted` gives a name, in the order of the providers' names. */
function pick(tenant: TenantView, wanted: (item: ProviderItem) => string | undefined): Target[] {
  const targets: Target[] = []
  for (const item of ownProviders(tenant)) {
    const model = wanted(item)
    if (model !== undefined) targets.push(targetOf(item, { name: item.name, model, terms: ONCE }))
  }
  return targets
}

/** The name without the provider's own prefix ("groq/llama-3" → "llama-3"). */
function bare(item: ProviderItem, model: string): string {
  const prefix = providerRow(item.preset)?.prefixes.find(start => model.startsWith(start))
  return prefix === undefined ? model : model.slice(prefix.length)
}

/** True when the provider's lists let the model through; deny wins, an empty allow-list allows all. */
export function serves({ models }: ProviderItem, model: string): boolean {
  if (models.deny.some(pattern => matches(pattern, model))) return false
  return models.allow.length === 0 || models.allow.some(pattern => matches(pattern, model))
}
