// The dialect of the Gateway API. Hosts with the shared Gateway's certificate hang on the Gateway; hosts with a
// certificate of their own get a ListenerSet, so that the Gateway stays as its administrators wrote it.
import type { NewObject } from '../api/resource-type.ts'
import { child, pathsOf, type Plan } from './plan.ts'

const GROUP = 'gateway.networking.k8s.io'
export const HTTP_ROUTE = { apiVersion: `${GROUP}/v1`, kind: 'HTTPRoute' } as const
export const LISTENER_SET = { apiVersion: `${GROUP}/v1`, kind: 'ListenerSet' } as const
const HTTPS_PORT = 443

/** One HTTPRoute for each parent that has hosts; none without a Gateway to hang on. */
export function gatewayRoutes(plan: Plan): NewObject[] {
  const { gatewayRef } = plan.exposure
  if (gatewayRef === undefined || plan.hosts.served.length === 0) return []
  const gateway = {
    group: GROUP,
    kind: 'Gateway',
    namespace: gatewayRef.namespace ?? plan.namespace,
    name: gatewayRef.name,
  }
  const own = plan.tls.groups.filter(group => group.own)
  const ownHosts = own.flatMap(group => group.hosts)
  const sharedHosts = plan.hosts.served.filter(host => !ownHosts.includes(host))
  const children: NewObject[] = []
  if (ownHosts.length > 0) {
    const listeners = own.flatMap(({ hosts, secretName }) => hosts.map(host => listener(host, secretName ?? '')))
    const parent = { group: GROUP, kind: 'ListenerSet', name: plan.name }
    children.push(child(plan, LISTENER_SET, { parentRef: gateway, listeners }), route(plan, ownHosts, parent, '-own'))
  }
  if (sharedHosts.length > 0) {
    const { sectionName } = gatewayRef
    children.push(route(plan, sharedHosts, sectionName === undefined ? gateway : { ...gateway, sectionName }))
  }
  return children
}

/** Defaults are written out, so that what the API server gives back is what was sent. */
function route(plan: Plan, hostnames: readonly string[], parent: object, ending = ''): NewObject {
  const rules = pathsOf(plan).map(({ path, backend }) => ({
    matches: [{ path: { type: 'PathPrefix', value: path === '/' ? path : path.replace(/\/$/, '') } }],
    backendRefs: [{ group: '', kind: 'Service', ...backend, weight: 1 }],
    ...(isNginxGateway(plan) ? {} : { timeouts: { request: '0s' } }),
  }))
  return child(plan, HTTP_ROUTE, { parentRefs: [parent], hostnames, rules }, { ending })
}

function listener(host: string, secretName: string) {
  return {
    name: host.replace('*', 'wildcard'),
    hostname: host,
    port: HTTPS_PORT,
    protocol: 'HTTPS',
    tls: { mode: 'Terminate', certificateRefs: [{ group: '', kind: 'Secret', name: secretName }] },
    allowedRoutes: { namespaces: { from: 'Same' } },
  }
}

/**
 * `timeouts.request` covers the whole of a stream, and some implementations cut at 15 s when it is absent: so it is
 * switched off. NGINX Gateway Fabric does not have the field: it warns, or refuses the route, and has policies of its
 * own instead. Its class is `nginx` or begins with `nginx-`.
 */
export function isNginxGateway({ exposure }: Pick<Plan, 'exposure'>): boolean {
  return /^nginx(-|$)/.test(exposure.className ?? '')
}
