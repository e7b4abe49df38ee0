// The dialect of F5's NGINX Ingress Controller. Annotations only, never snippets: those are switched off there for
// good reasons.
import type { NewObject } from '../api/resource-type.ts'
import { ingress } from './plain-ingress.ts'
import type { Plan } from './plan.ts'

/** An Ingress that passes streams at once, bears long silence and never sends a call twice. */
export function nginxIngress(plan: Plan): NewObject[] {
  const annotations = {
    'nginx.org/client-max-body-size': `${plan.bodyMebibytes}m`,
    'nginx.org/proxy-buffering': 'False',
    'nginx.org/proxy-next-upstream': 'off',
    'nginx.org/proxy-read-timeout': `${plan.silenceSeconds}s`,
    'nginx.org/proxy-send-timeout': `${plan.silenceSeconds}s`,
  }
  return ingress(plan, { annotations, className: 'nginx' })
}
