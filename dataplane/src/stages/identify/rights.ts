// What a key may do with a model: where the call may go, at what price, under which policies and limits. Worked out once
// per tenant configuration, key and model, since the same few come again and again.
import { keyScope } from '@smartflow/core/budget-window'
import type { KeyItem, PolicyItem } from '@smartflow/core/snapshot/items'
import type { TenantView } from '@smartflow/core/snapshot/view'
import { matches } from '../../exchange/pattern.ts'
import { Refusal } from '../../exchange/refusal.ts'
import type { EffectivePolicy, Guard, Presented, Rights } from '../../exchange/stage.ts'
import type { Scope } from '../../exchange/limits.ts'
import type { Target } from '../../exchange/target.ts'
import type { Price } from '../../exchange/usage.ts'
import type { Destinations, Gateway } from '../../ports/gateway.ts'

const NOTHING_KEPT: EffectivePolicy['audit'] = { content: 'Drop', maxBytes: 0 }
/** Pairs of key and model remembered per tenant configuration; a caller could ask for any number of names. */
const MAX_REMEMBERED = 10_000

/** Rights by tenant configuration: a changed tenant is another view and starts anew. */
export class RightsBook {
  readonly #gateway: Pick<Gateway, 'resolver' | 'prices'>
  readonly #tenants = new WeakMap<TenantView, Map<string, Rights>>()

  constructor(gateway: Pick<Gateway, 'resolver' | 'prices'>) {
    this.#gateway = gateway
  }

  /** Throws `model_not_allowed` (403) and `model_not_found` (404). */
  rights(presented: Presented, model: string): Rights {
    const { tenant, key } = presented
    let known = this.#tenants.get(tenant)
    if (!known) this.#tenants.set(tenant, (known = new Map()))
    const name = `${key.name}\n${model}`
    const found = known.get(name)
    if (found) return found
    const rights = rightsOf(this.#gateway, presented, model)
    if (known.size >= MAX_REMEMBERED) known.clear()
    known.set(name, rights)
    return rights
  }
}

function rightsOf(gateway: Pick<Gateway, 'resolver' | 'prices'>, presented: Presented, model: string): Rights {
  const { tenant, key } = presented
  if (key.models.length > 0 && !key.models.some(pattern => matches(pattern, model))) {
    throw new Refusal(
      'model_not_allowed',
      `The key "${key.alias}" may not use the model "${shown(model)}"; allowed are ${key.models.join(', ')}.`,
      { param: 'model' },
    )
  }
  const { targets, bounds } = destinationsOf(gateway, presented, model)
  const prices = new Map<Target, Price | undefined>()
  for (const target of targets) {
    const provider = tenant.providers.get(target.provider)
    prices.set(target, provider && gateway.prices.find(provider, target.model))
  }
  return { policy: effectivePolicy(presented, model), targets, bounds, prices, scopes: scopesOf(presented) }
}

/** The key, its team, its tenant: those of them that are limited. */
function scopesOf({ tenant, key }: Presented): Scope[] {
  const scopes: Scope[] = [{ id: keyScope(key.name), budget: key.budget, rateLimit: key.rateLimit }]
  const team = key.team === undefined ? undefined : tenant.team(key.team)
  if (team) scopes.push({ id: `team:${team.name}`, budget: team.budget, rateLimit: team.rateLimit })
  scopes.push({ id: 'tenant', budget: tenant.item.budget, rateLimit: tenant.item.rateLimit })
  return scopes.filter(({ budget, rateLimit }) => budget !== undefined || rateLimit !== undefined)
}

function destinationsOf(
  { resolver }: Pick<Gateway, 'resolver'>,
  { tenant, key }: Presented,
  model: string,
): Destinations {
  const { targets: all, bounds } = resolver.destinations(tenant, model, key.chain)
  if (all.length === 0) {
    throw new Refusal(
      'model_not_found',
      `Nothing configured here serves the model "${shown(model)}". ${resolver.known(tenant)}`,
      { param: 'model' },
    )
  }
  const allowed = key.providers.length === 0 ? all : all.filter(target => mayUse(key, target))
  if (allowed.length === 0) {
    throw new Refusal(
      'model_not_allowed',
      `The key "${key.alias}" may use only the providers ${key.providers.join(', ')}, and none of them serves "${shown(model)}".`,
      { param: 'model' },
    )
  }
  return { targets: allowed, bounds }
}

/** A provider is named as `namespace/name`, or by its name alone. */
function mayUse({ providers }: KeyItem, { provider }: Target): boolean {
  return providers.some(name => name === provider || provider.endsWith(`/${name}`))
}

/** Policies that concern this caller, merged: for each part the one with the highest priority wins. */
function effectivePolicy({ tenant, key }: Presented, model: string): EffectivePolicy {
  const policies = tenant.policies.filter(({ scope }) => concerns(scope, key, model))
  return {
    names: policies.map(({ name }) => name),
    cache: policies.find(({ cache }) => cache !== undefined)?.cache,
    audit: policies.find(({ audit }) => audit !== undefined)?.audit ?? NOTHING_KEPT,
    ...guardsOf(policies),
    holdBack: Math.min(...policies.map(({ holdBack }) => holdBack)),
  }
}

/** By name, so that a policy overrides, or switches off, what one of a lower priority says (P01). */
function guardsOf(policies: readonly PolicyItem[]): Pick<EffectivePolicy, 'guards' | 'allowRewriteNative'> {
  const winners = new Map<string, { guard: Guard; policy: PolicyItem }>()
  for (const policy of policies) {
    for (const item of policy.guardrails) {
      if (!winners.has(item.name)) winners.set(item.name, { guard: { policy: policy.name, item }, policy })
    }
  }
  const inForce = [...winners.values()].filter(({ guard }) => guard.item.mode !== 'Disabled')
  return {
    guards: inForce.map(({ guard }) => guard),
    allowRewriteNative: inForce.every(({ policy }) => policy.allowRewriteNative),
  }
}

function concerns(scope: PolicyItem['scope'], key: KeyItem, model: string): boolean {
  return (
    among(scope.teams, key.team) &&
    among(scope.keyAliases, key.alias) &&
    among(scope.models, model) &&
    (scope.tags.length === 0 || key.tags.some(tag => among(scope.tags, tag)))
  )
}

function among(patterns: readonly string[], value: string | undefined): boolean {
  return patterns.length === 0 || (value !== undefined && patterns.some(pattern => matches(pattern, value)))
}

function shown(model: string): string {
  return model.slice(0, 100)
}
