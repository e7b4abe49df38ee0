// What a tenant's status says of its children: is the certificate there, do the host names lead to the gateway, and
// what is missing.
import type { KubeObject } from '../api/resource-type.ts'
import { CERTIFICATE } from './certificate.ts'
import type { ChildCondition } from './child-condition.ts'
import { DEPRECATED_CONTROLLER } from './ingress-nginx.ts'
import { certificateStatus, find, isCurrent } from './live.ts'
import { type ChildrenInput, type Plan, planOf } from './plan.ts'
import { routeReady } from './route-status.ts'

export interface ChildStatus {
  /** Only those that apply: a tenant without host names has none. */
  readonly conditions: readonly ChildCondition[]
  /** The addresses that the served host names make, in alphabetical order. */
  readonly endpoints: readonly string[]
  /** Set while a Certificate of the tenant's own exists. */
  readonly certificate: { readonly ready: boolean; readonly notAfter: string | undefined } | undefined
}

/** `live`: the tenant's children as the API server has them. Throws for a tenant without a uid. */
export function childStatus(input: Omit<ChildrenInput, 'namespaces'>, live: readonly KubeObject[]): ChildStatus {
  const plan = planOf(input)
  const scheme = plan.exposure.tls?.mode === 'Disabled' ? 'http' : 'https'
  const certificateReady = certificateCondition(plan, live, input.available.certManager)
  const conditions = [
    certificateReady,
    routeReady(plan, live, input.available.gatewayAPI),
    plan.type === 'IngressNginx' && plan.hosts.served.length > 0 ? DEPRECATED_CONTROLLER : undefined,
  ].filter(condition => condition !== undefined)
  const made = plan.tls.certificate && find(live, CERTIFICATE.kind, plan.name)
  return {
    conditions,
    endpoints: plan.hosts.served.map(host => `${scheme}://${host}`),
    certificate: made && { ready: certificateReady?.status === 'True', notAfter: certificateStatus(made).notAfter },
  }
}

/** Absent when no certificate of the tenant's own is needed. */
function certificateCondition(plan: Plan, live: readonly KubeObject[], installed: boolean): ChildCondition | undefined {
  const { certificate, problem } = plan.tls
  if (problem !== undefined) return notReady(problem.reason, problem.message)
  if (certificate === undefined) return undefined
  if (!installed) {
    return notReady(
      'CertManagerMissing',
      `a certificate for ${certificate.dnsNames.join(', ')} is needed and the cluster has no cert-manager: install it ` +
        "(https://cert-manager.io/docs/installation), or set the gateway's spec.exposure.tls.mode: Existing and name a Secret",
    )
  }
  const object = find(live, CERTIFICATE.kind, plan.name)
  if (object === undefined) return notReady('Pending', `Certificate ${plan.namespace}/${plan.name} is being made`)
  const { conditions, notAfter } = certificateStatus(object)
  const ready = conditions.find(({ type }) => type === 'Ready')
  if (ready === undefined || !isCurrent(ready, object)) {
    return notReady('Pending', `cert-manager has not answered for Certificate ${plan.namespace}/${plan.name} yet`)
  }
  if (ready.status !== 'True') {
    const message = `Certificate ${plan.namespace}/${plan.name}: ${ready.message || 'cert-manager says it is not ready'}`
    return notReady(ready.reason || 'Pending', message)
  }
  const message = notAfter === undefined ? 'the certificate is issued' : `the certificate is valid until ${notAfter}`
  return { type: 'CertificateReady', status: 'True', reason: 'Issued', message }
}

function notReady(reason: string, message: string): ChildCondition {
  return { type: 'CertificateReady', status: 'False', reason, message }
}
