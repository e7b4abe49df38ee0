// The objects that a tenant and a gateway get, all in the gateway's namespace, and which live ones are no longer wanted.
import { type KubeObject, MANAGED_BY, MANAGED_BY_LABEL, type NewObject } from '../api/resource-type.ts'
import { certificate } from './certificate.ts'
import { gatewayRoutes, isNginxGateway } from './gateway-api.ts'
import { legacyIngress } from './ingress-nginx.ts'
import type { Available, ExposureType, Gateway, Services } from './inputs.ts'
import { GATEWAY_LABEL, gatewayOwner } from './names.ts'
import { gatewayNetworkPolicySpec, NETWORK_POLICY, tenantNetworkPolicy } from './network-policy.ts'
import { nginxGatewayPolicies } from './nginx-gateway.ts'
import { nginxIngress } from './nginx.ts'
import { ingress } from './plain-ingress.ts'
import { type ChildrenInput, type Plan, planOf } from './plan.ts'
import { SERVICE_MONITOR, serviceMonitorSpec } from './service-monitor.ts'

const DIALECTS: Readonly<Record<ExposureType, (plan: Plan) => NewObject[]>> = {
  Nginx: nginxIngress,
  IngressNginx: legacyIngress,
  GatewayAPI: gatewayRoutes,
  Ingress: plan => ingress(plan),
  None: () => [],
}

/**
 * What one tenant gets, in a stable order; only fields that are ours, no status. What needs an extension that the
 * cluster does not have is left out. Throws for a tenant without a uid.
 */
export function childrenOf(input: ChildrenInput): NewObject[] {
  const plan = planOf(input)
  const { available } = input
  const canRoute = plan.type !== 'GatewayAPI' || available.gatewayAPI
  const routes = canRoute ? DIALECTS[plan.type](plan) : []
  return [
    ...(available.certManager ? certificate(plan) : []),
    ...routes,
    ...(available.nginxGateway && isNginxGateway(plan) ? nginxGatewayPolicies(plan, routes) : []),
    ...tenantNetworkPolicy(plan, input.namespaces),
  ]
}

/** What the gateway itself gets, once for all tenants. Throws for a gateway without a uid. */
export function gatewayChildrenOf(input: {
  readonly gateway: Gateway
  readonly gatewayId: string
  readonly services: Services
  readonly available: Available
}): NewObject[] {
  const { gateway, gatewayId, services, available } = input
  const { exposure = {} } = gateway.spec
  const metadata = {
    name: `sf-${gatewayId}`,
    namespace: gateway.metadata.namespace,
    labels: { [MANAGED_BY_LABEL]: MANAGED_BY, [GATEWAY_LABEL]: gatewayId },
    ownerReferences: [gatewayOwner(gateway)],
  }
  const children: NewObject[] = []
  if (exposure.networkPolicy === true) {
    const namespace = exposure.type === 'GatewayAPI' ? exposure.gatewayRef?.namespace : undefined
    children.push({ ...NETWORK_POLICY, metadata, spec: gatewayNetworkPolicySpec(services, namespace) })
  }
  if (available.serviceMonitor) children.push({ ...SERVICE_MONITOR, metadata, spec: serviceMonitorSpec(services) })
  return children
}

/**
 * The live objects that nobody wants any more. `live`: all of one owner's children; whatever lacks our label or that
 * owner is left alone, and so is what is being deleted already.
 */
export function prunable(live: Iterable<KubeObject>, desired: readonly NewObject[], ownerUid: string): KubeObject[] {
  const wanted = new Set(desired.map(identity))
  return [...live].filter(
    object =>
      !wanted.has(identity(object)) &&
      object.metadata.deletionTimestamp === undefined &&
      object.metadata.labels?.[MANAGED_BY_LABEL] === MANAGED_BY &&
      object.metadata.ownerReferences?.some(({ uid, controller }) => uid === ownerUid && controller === true) === true,
  )
}

/** Kind without its version, which may change from under an object that stays the same. */
function identity({ apiVersion, kind, metadata }: NewObject): string {
  return [apiVersion.split('/').at(-2) ?? '', kind, metadata.namespace ?? '', metadata.name].join('\0')
}
