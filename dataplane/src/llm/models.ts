// The list behind GET /v1/models: what a key can ask for by name, over all its providers (L07).
import { pricedModels } from '@smartflow/core/prices'
import { providerRow } from '@smartflow/core/providers'
import type { ProviderItem } from '@smartflow/core/snapshot/items'
import { matches } from '../exchange/pattern.ts'
import type { Presented } from '../exchange/stage.ts'
import { ownProviders, serves } from './resolver.ts'

/** One entry: OpenAI's members and Anthropic's, so that either's clients find what they look for. */
export interface Model {
  readonly id: string
  readonly object: 'model'
  readonly created: number
  readonly owned_by: string
  readonly type: 'model'
  readonly display_name: string
  readonly created_at: string
}

/** OpenAI clients want a creation time; model lists of providers differ, so it is a fixed one. */
const CREATED = 1_735_689_600
const CREATED_AT = new Date(CREATED * 1_000).toISOString()

/** Chat models first by provider, each id once, in an order that stays the same. Patterns list no names. */
export function listModels({ tenant, key }: Presented): Model[] {
  const models = new Map<string, Model>()
  const add = (id: string, owner: string): void => {
    if (id.endsWith('*') || models.has(id)) return
    if (key.models.length > 0 && !key.models.some(pattern => matches(pattern, id))) return
    const openai = { id, object: 'model', created: CREATED, owned_by: owner } as const
    models.set(id, { ...openai, type: 'model', display_name: id, created_at: CREATED_AT })
  }
  for (const chain of tenant.chains) for (const id of chain.models) add(id, 'chain')
  for (const provider of ownProviders(tenant)) for (const id of namesOf(provider)) add(id, provider.preset)
  return [...models.values()]
}

function namesOf(provider: ProviderItem): string[] {
  const own = [...Object.keys(provider.models.aliases), ...provider.models.allow, ...Object.keys(provider.pricing)]
  const listed = pricedModels(provider.preset).filter(model => serves(provider, model))
  return [
    ...own.filter(model => !provider.models.deny.includes(model)),
    ...listed.map(model => callable(provider, model)),
  ]
}

/** A listed name has to work when it is sent back: one that no pattern leads to this provider carries its prefix. */
function callable(provider: ProviderItem, model: string): string {
  const row = providerRow(provider.preset)
  if (!row || row.models.some(pattern => matches(pattern, model))) return model
  return `${row.prefixes[0] ?? ''}${model}`
}
