// What is decided about a tenant's way in before any dialect writes it down: the hosts, their certificates, the limits
// that a proxy in front has to leave to the gateway.
import { parseDuration } from '@smartflow/core/resources/metadata'
import type { NewObject, OwnerReference } from '../api/resource-type.ts'
import { type Hosts, hostsOf } from './hosts.ts'
import type { Available, Exposure, ExposureType, Gateway, Services, Tenant } from './inputs.ts'
import { childName, tenantLabels, tenantOwner } from './names.ts'
import { tlsPlan, type TlsPlan } from './tls.ts'

/** What children are made from. */
export interface ChildrenInput {
  readonly tenant: Tenant
  readonly gateway: Gateway
  readonly gatewayId: string
  readonly services: Services
  readonly available: Available
  /** The tenant's namespaces, as compiled; for the NetworkPolicy. */
  readonly namespaces: readonly string[]
  /** Those of the tenant's host names that it may have, as compiled. */
  readonly hosts: readonly string[]
}

/** The decisions that every dialect shares. */
export interface Plan {
  readonly name: string
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
  readonly owner: OwnerReference
  readonly type: ExposureType
  readonly exposure: Exposure
  readonly hosts: Hosts
  readonly tls: TlsPlan
  readonly services: Services
  readonly exposeManagement: boolean
  /** Seconds without a byte that a proxy in front has to bear. */
  readonly silenceSeconds: number
  /** Mebibytes of a request that a proxy in front has to let through. */
  readonly bodyMebibytes: number
}

/** Shortest patience of a proxy in front: providers may be given more time than the gateway's defaults. */
const LEAST_SILENCE_SECONDS = 900
/** So that the gateway's own answer, which says what happened, comes before the proxy's. */
const MARGIN_SECONDS = 30
const MEBIBYTE = 1_048_576

/** Decides. Throws for a tenant without a uid: it does not come from an API server. */
export function planOf(input: Omit<ChildrenInput, 'available' | 'namespaces'>): Plan {
  const { tenant, gateway, gatewayId, services, hosts: granted } = input
  const { exposure = {}, defaults } = gateway.spec
  const type = exposure.type ?? 'None'
  const name = childName(tenant.metadata.name, gatewayId)
  const hosts: Hosts = type === 'None' ? { served: [], refused: [] } : hostsOf(tenant, granted)
  const silence = Math.max(parseDuration(defaults.requestTimeout), parseDuration(defaults.streamIdleTimeout))
  return {
    name,
    namespace: gateway.metadata.namespace,
    labels: tenantLabels(tenant.metadata.name, gatewayId),
    owner: tenantOwner(tenant),
    type,
    exposure,
    hosts,
    tls: tlsPlan(tenant, exposure, hosts.served, name),
    services,
    exposeManagement: tenant.spec.exposeManagement ?? false,
    silenceSeconds: Math.max(LEAST_SILENCE_SECONDS, Math.ceil(silence / 1_000) + MARGIN_SECONDS),
    // One more, so that a body just beyond the limit is refused by the gateway, in the caller's own format.
    bodyMebibytes: Math.ceil(defaults.maxBodyBytes / MEBIBYTE) + 1,
  }
}

/** A child with the plan's name and owner. `ending` tells children of one kind apart. */
export function child(
  plan: Plan,
  type: { apiVersion: string; kind: string },
  spec: object,
  more: { ending?: string; annotations?: Record<string, string> } = {},
): NewObject {
  const { name, namespace, labels, owner } = plan
  const annotations = more.annotations === undefined ? {} : { annotations: more.annotations }
  return {
    ...type,
    metadata: {
      name: `${name}${more.ending ?? ''}`,
      namespace,
      labels,
      ...annotations,
      ownerReferences: [owner],
    },
    spec,
  }
}

/** Paths and where they lead, the longest first. */
export function pathsOf(plan: Plan): readonly { path: string; backend: { name: string; port: number } }[] {
  const root = { path: '/', backend: plan.services.gateway }
  return plan.exposeManagement ? [{ path: '/api/', backend: plan.services.management }, root] : [root]
}
