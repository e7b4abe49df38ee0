// What tenants and the gateway get in the cluster: certificates, routes, network policies, a ServiceMonitor.
import { placeName } from '@smartflow/core/compile/status'
import type { AIGateway } from '@smartflow/core/resources/ai-gateway'
import type { AITenant } from '@smartflow/core/resources/ai-tenant'
import { keyOf, type KubeObject, type NewObject } from '../api/resource-type.ts'
import type { Writer } from '../apply/writer.ts'
import { childrenOf, gatewayChildrenOf, prunable } from '../desired/children.ts'
import { type Available, servicesOf } from '../desired/inputs.ts'
import type { ChildrenInput } from '../desired/plan.ts'
import { idOf, objectId, partsOf } from '../watch/object-id.ts'
import type { Observed } from '../watch/observed.ts'
import type { Parsed } from '../watch/parsed.ts'
import type { Plan } from './loop.ts'

/** What children need. */
export interface TenantReconcilerOptions {
  readonly writer: Writer
  readonly observed: Observed
  readonly gatewayId: string
  /** Whether to make a ServiceMonitor where the cluster knows them. */
  readonly serviceMonitor: boolean
}

/** Reconciles children. Only what carries the operator's label and the owner's uid is ever removed. */
export class TenantReconciler {
  readonly #options: TenantReconcilerOptions

  constructor(options: TenantReconcilerOptions) {
    this.#options = options
  }

  async reconcile({ live, resource }: Parsed, plan: Plan): Promise<void> {
    const id = idOf(live)
    // Being deleted: the garbage collector takes what it owns. Broken for now: what serves stays as it is.
    if (live.metadata.deletionTimestamp !== undefined || plan.invalid.has(id)) return
    const { gateway } = plan
    // Without a gateway tenants get nothing; one that cannot be read is no reason to take away what they have.
    if (gateway === undefined && [...plan.invalid.keys()].some(other => partsOf(other).kind === 'AIGateway')) return
    // A tenant that asks for too much is not accepted, and goes on being served with what it may have.
    const carried = plan.statuses.get(id)?.item !== undefined
    const serves = resource?.kind === 'AITenant' && gateway !== undefined && carried
    await this.#keep(live, serves ? childrenOf(this.inputFor(resource, gateway, plan)) : [])
  }

  async reconcileGateway({ live, resource }: Parsed, plan: Plan): Promise<void> {
    if (live.metadata.deletionTimestamp !== undefined || plan.invalid.has(idOf(live))) return
    const { gatewayId } = this.#options
    const serves = resource?.kind === 'AIGateway' && plan.gateway?.metadata.uid === live.metadata.uid
    const services = serves ? servicesOf(resource, gatewayId) : undefined
    const desired =
      serves && services
        ? gatewayChildrenOf({ gateway: resource, gatewayId, services, available: this.#available() })
        : []
    await this.#keep(live, desired)
  }

  /** What a tenant's children are made from. */
  inputFor(tenant: AITenant, gateway: AIGateway, plan: Plan): ChildrenInput {
    const { gatewayId } = this.#options
    const { name } = tenant.metadata
    const item = plan.items.get(placeName({ tenant: name, kind: 'AITenant', name }))
    return {
      tenant,
      gateway,
      gatewayId,
      services: servicesOf(gateway, gatewayId),
      available: this.#available(),
      namespaces: item?.kind === 'AITenant' ? item.namespaces : [],
      hosts: plan.hosts.get(name) ?? [],
    }
  }

  /** The live objects that an object owns. */
  childrenOf(owner: KubeObject): KubeObject[] {
    return [...this.#options.observed.children()].filter(child => isOwned(child, owner))
  }

  #available(): Available {
    const { observed, serviceMonitor } = this.#options
    return {
      certManager: observed.serves('Certificate'),
      gatewayAPI: observed.serves('HTTPRoute'),
      serviceMonitor: serviceMonitor && observed.serves('ServiceMonitor'),
      nginxGateway: observed.serves('ProxySettingsPolicy'),
    }
  }

  async #keep(owner: KubeObject, desired: readonly NewObject[]): Promise<void> {
    const { writer } = this.#options
    const owned = this.childrenOf(owner)
    const byId = new Map(owned.map(child => [idOf(child), child]))
    for (const child of desired) {
      const { kind, metadata } = child
      await writer.apply(child, byId.get(objectId(kind, metadata.namespace, metadata.name)))
    }
    for (const child of prunable(owned, desired, owner.metadata.uid))
      await writer.remove(keyOf(child), child.metadata.uid)
  }
}

function isOwned(child: KubeObject, owner: KubeObject): boolean {
  return child.metadata.ownerReferences?.some(({ uid }) => uid === owner.metadata.uid) ?? false
}
