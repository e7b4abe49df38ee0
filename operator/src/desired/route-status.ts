// The condition RouteReady: whether controllers have taken the tenant's routes, and what is missing when not.
import type { KubeObject } from '../api/resource-type.ts'
import type { ChildCondition } from './child-condition.ts'
import { gatewayRoutes, HTTP_ROUTE, LISTENER_SET, isNginxGateway } from './gateway-api.ts'
import { find, hasAddress, isCurrent, type LiveCondition, listenerSetConditions, routeParents } from './live.ts'
import { INGRESS } from './plain-ingress.ts'
import type { Plan } from './plan.ts'

type Problem = readonly [reason: string, message: string]

/** Absent for a tenant without host names, and for a gateway whose routes are made by somebody else. */
export function routeReady(plan: Plan, live: readonly KubeObject[], gatewayAPI: boolean): ChildCondition | undefined {
  const { served, refused } = plan.hosts
  if (served.length === 0 && refused.length === 0) return undefined
  const problem =
    refusedHosts(plan) ??
    (plan.type === 'GatewayAPI' ? gatewayProblem(plan, live, gatewayAPI) : ingressProblem(plan, live))
  if (problem === undefined) {
    const message = `${served.join(', ')} ${served.length === 1 ? 'leads' : 'lead'} to the gateway`
    return { type: 'RouteReady', status: 'True', reason: 'Routed', message }
  }
  return { type: 'RouteReady', status: 'False', reason: problem[0], message: problem[1] }
}

function refusedHosts({ hosts }: Plan): Problem | undefined {
  if (hosts.refused.length === 0) return undefined
  return [
    'HostNotAllowed',
    `${hosts.refused.join(', ')} may not be had by this tenant; the condition Accepted says why`,
  ]
}

function ingressProblem(plan: Plan, live: readonly KubeObject[]): Problem | undefined {
  const name = `Ingress ${plan.namespace}/${plan.name}`
  const object = find(live, INGRESS.kind, plan.name)
  if (object === undefined) return ['Pending', `${name} is being made`]
  if (hasAddress(object)) return undefined
  const asked = plan.exposure.className
  return [
    'Pending',
    `${name} has no address yet: check that an ingress controller${asked === undefined ? '' : ` of class ${asked}`} ` +
      'runs and that it reports the status of Ingresses',
  ]
}

function gatewayProblem(plan: Plan, live: readonly KubeObject[], installed: boolean): Problem | undefined {
  if (!installed) {
    const message =
      'the cluster has no Gateway API with HTTPRoute and ListenerSet of version v1 (release 1.6 or newer): install it ' +
      '(https://gateway-api.sigs.k8s.io/guides), or choose another spec.exposure.type'
    return ['GatewayAPIMissing', message]
  }
  if (plan.exposure.gatewayRef === undefined) {
    return ['NoGatewayRef', "name the shared Gateway in the gateway's spec.exposure.gatewayRef"]
  }
  for (const { kind, metadata } of gatewayRoutes(plan)) {
    const object = find(live, kind, metadata.name)
    const name = `${kind} ${plan.namespace}/${metadata.name}`
    const problem =
      object === undefined ? (['Pending', `${name} is being made`] as const) : problemOf(plan, { kind, name, object })
    if (problem !== undefined) return problem
  }
  return undefined
}

function problemOf(plan: Plan, route: { kind: string; name: string; object: KubeObject }): Problem | undefined {
  const { kind, name, object } = route
  if (kind === LISTENER_SET.kind) {
    const conditions = listenerSetConditions(object)
    return withListenerHint(unmet(name, object, { conditions, types: ['Accepted', 'Programmed'] }))
  }
  if (kind !== HTTP_ROUTE.kind) return undefined
  const parents = routeParents(object)
  if (parents.length === 0) {
    return ['Pending', `no Gateway has answered for ${name}: check that spec.exposure.gatewayRef names a running one`]
  }
  for (const { conditions } of parents) {
    const problem = unmet(name, object, { conditions, types: ['Accepted', 'ResolvedRefs'] })
    if (problem !== undefined) return withClassHint(plan, problem)
  }
  return undefined
}

/** The first condition that is not true of the object as it is now. */
function unmet(
  name: string,
  object: KubeObject,
  { conditions, types }: { conditions: readonly LiveCondition[]; types: readonly string[] },
): Problem | undefined {
  for (const type of types) {
    const condition = conditions.find(each => each.type === type)
    if (condition === undefined || !isCurrent(condition, object) || condition.status === 'Unknown') {
      return ['Pending', `${name} waits for its controller to say whether it is ${type}`]
    }
    if (condition.status !== 'True') return [condition.reason || 'Pending', `${name}: ${condition.message}`]
  }
  return undefined
}

function withListenerHint(problem: Problem | undefined): Problem | undefined {
  if (problem?.[0] !== 'NotAllowed') return problem
  return [problem[0], `${problem[1]}. The Gateway has to admit it: see allowedListeners in its spec`]
}

function withClassHint(plan: Plan, problem: Problem): Problem {
  if (problem[0] !== 'UnsupportedValue' || isNginxGateway(plan)) return problem
  return [problem[0], `${problem[1]}. If this is NGINX Gateway Fabric, set spec.exposure.className: nginx`]
}
