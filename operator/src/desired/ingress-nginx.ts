// The dialect of the retired ingress-nginx controller, for clusters that still have it. It gets no fixes any more,
// hence the condition.
import type { NewObject } from '../api/resource-type.ts'
import type { ChildCondition } from './child-condition.ts'
import { ingress } from './plain-ingress.ts'
import type { Plan } from './plan.ts'

/** The same as the NGINX dialect in this controller's words; uploads pass unbuffered too. */
export function legacyIngress(plan: Plan): NewObject[] {
  const annotations = {
    'nginx.ingress.kubernetes.io/proxy-body-size': `${plan.bodyMebibytes}m`,
    'nginx.ingress.kubernetes.io/proxy-buffering': 'off',
    'nginx.ingress.kubernetes.io/proxy-next-upstream': 'off',
    'nginx.ingress.kubernetes.io/proxy-read-timeout': String(plan.silenceSeconds),
    'nginx.ingress.kubernetes.io/proxy-request-buffering': 'off',
    'nginx.ingress.kubernetes.io/proxy-send-timeout': String(plan.silenceSeconds),
  }
  return ingress(plan, { annotations, className: 'nginx' })
}

/** Stands on the tenant and on the gateway for as long as the dialect is chosen. */
export const DEPRECATED_CONTROLLER: ChildCondition = {
  type: 'DeprecatedController',
  status: 'True',
  reason: 'Retired',
  message:
    'ingress-nginx is retired since March 2026: it gets no security fixes, must not be shared by tenants, and cuts ' +
    'streams longer than its worker-shutdown-timeout (240 s) at each reload. Move to exposure.type Nginx or GatewayAPI',
}
