// Who may reach the gateway's pods, when the gateway asks for it: each tenant's namespaces by a policy of the tenant's
// own, everything else by one policy of the gateway's.
import type { NewObject } from '../api/resource-type.ts'
import { PORTS, type Services } from './inputs.ts'
import { child, type Plan } from './plan.ts'
import { compareText } from '@smartflow/core/snapshot/canonical'

export const NETWORK_POLICY = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' } as const

/** The label of namespaces whose pods may call the gateway for others: the ingress controller's. */
const INGRESS_NAMESPACE_LABEL = 'smartflow.dev/ingress'

const METADATA_NAME = 'kubernetes.io/metadata.name'

/** The tenant's namespaces may call. None without namespaces: an empty list would let everybody in. */
export function tenantNetworkPolicy(plan: Plan, namespaces: readonly string[]): NewObject[] {
  if (plan.exposure.networkPolicy !== true || namespaces.length === 0) return []
  return [
    child(
      plan,
      NETWORK_POLICY,
      ingressSpec(plan.services, [{ from: [namedNamespaces(namespaces)], ports: [tcp(PORTS.proxy)] }]),
    ),
  ]
}

/**
 * The gateway's own: its namespace in full, the ingress's namespace for calls, everybody for metrics and probes (a
 * node's probes cannot be named by any selector).
 */
export function gatewayNetworkPolicySpec(services: Services, ingressNamespace: string | undefined): object {
  const callers = [
    { namespaceSelector: { matchLabels: { [INGRESS_NAMESPACE_LABEL]: 'true' } } },
    ...(ingressNamespace === undefined ? [] : [namedNamespaces([ingressNamespace])]),
  ]
  return ingressSpec(services, [
    { from: [{ podSelector: {} }] },
    { from: callers, ports: [tcp(PORTS.proxy)] },
    { ports: [tcp(PORTS.metrics)] },
  ])
}

function ingressSpec(services: Services, rules: readonly object[]): object {
  return { podSelector: { matchLabels: services.gatewayPods }, policyTypes: ['Ingress'], ingress: rules }
}

function namedNamespaces(names: readonly string[]) {
  const values = [...new Set(names)].sort(compareText)
  return { namespaceSelector: { matchExpressions: [{ key: METADATA_NAME, operator: 'In', values }] } }
}

function tcp(port: number) {
  return { protocol: 'TCP', port }
}
