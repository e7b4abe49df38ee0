// What the status of an AITenant says of its host names, certificate and keys.
import { partsOfPlace } from '@smartflow/core/compile/status'
import type { AIGateway } from '@smartflow/core/resources/ai-gateway'
import type { AITenant } from '@smartflow/core/resources/ai-tenant'
import type { Resource } from '@smartflow/core/resources/resource'
import { isRecord, type KubeObject } from '../api/resource-type.ts'
import { childStatus } from '../desired/child-status.ts'
import type { ChildrenInput } from '../desired/plan.ts'
import { type KindFacts, NO_FACTS } from './kind-facts.ts'
import type { Plan } from './loop.ts'

/** What they read. */
export interface TenantFactsOptions {
  readonly childrenOf: (owner: KubeObject) => readonly KubeObject[]
  readonly sidecars: (live: KubeObject, plan: Plan) => Pick<KindFacts, 'fields' | 'conditions'>
  readonly inputFor: (tenant: AITenant, gateway: AIGateway, plan: Plan) => ChildrenInput
}

/** Facts of tenants. */
export class TenantFacts {
  readonly #options: TenantFactsOptions
  #counted: { readonly inForce: Plan['outcome']['inForce']; readonly keys: ReadonlyMap<string, number> } | undefined

  constructor(options: TenantFactsOptions) {
    this.#options = options
  }

  facts(live: KubeObject, resource: Resource | undefined, plan: Plan): KindFacts {
    const { gateway } = plan
    if (resource?.kind !== 'AITenant') return NO_FACTS
    const keys =
      plan.outcome.version === undefined ? keysBefore(live) : (this.#keys(plan).get(resource.metadata.name) ?? 0)
    const sidecars = this.#options.sidecars(live, plan)
    if (gateway === undefined) return { ...sidecars, fields: { keys, ...sidecars.fields } }
    const { childrenOf, inputFor } = this.#options
    const { conditions, endpoints, certificate } = childStatus(inputFor(resource, gateway, plan), childrenOf(live))
    return {
      fields: { keys, ...sidecars.fields, certificate, ...(endpoints.length > 0 && { endpoints }) },
      conditions: [
        ...conditions.map(condition => ({ ...condition, gatesReady: condition.type !== 'DeprecatedController' })),
        ...(sidecars.conditions ?? []),
      ],
    }
  }

  /** Keys that are served, by tenant; counted once for what is in force. */
  #keys({ outcome: { inForce } }: Plan): ReadonlyMap<string, number> {
    if (this.#counted?.inForce === inForce) return this.#counted.keys
    const keys = new Map<string, number>()
    for (const name of inForce.keys()) {
      const { tenant, kind } = partsOfPlace(name)
      if (kind === 'VirtualKey') keys.set(tenant, (keys.get(tenant) ?? 0) + 1)
    }
    this.#counted = { inForce, keys }
    return keys
  }
}

/** While nobody knows what is in force (the store was away since the start), what was said stays. */
function keysBefore({ status }: KubeObject): unknown {
  return isRecord(status) ? status['keys'] : undefined
}
