// The Certificate that cert-manager is asked for. Always ours, whatever the dialect: its status is the tenant's own
// condition, and no annotation of an Ingress has to be believed.
import type { NewObject } from '../api/resource-type.ts'
import { GATEWAY_LABEL, TENANT_LABEL } from './names.ts'
import { child, type Plan } from './plan.ts'

export const CERTIFICATE = { apiVersion: 'cert-manager.io/v1', kind: 'Certificate' } as const

/** One Certificate for all hosts that nothing else covers; none when there is no such host or no allowed issuer. */
export function certificate(plan: Plan): NewObject[] {
  const request = plan.tls.certificate
  if (request === undefined) return []
  const { dnsNames, secretName, issuer } = request
  const spec = {
    secretName,
    // The Secret is cert-manager's, not ours: it gets labels to be found by, not the one that says who made it.
    secretTemplate: { labels: pick(plan.labels, [GATEWAY_LABEL, TENANT_LABEL]) },
    dnsNames,
    issuerRef: issuer,
    privateKey: { rotationPolicy: 'Always' },
    usages: ['server auth'],
  }
  return [child(plan, CERTIFICATE, spec)]
}

function pick(labels: Readonly<Record<string, string>>, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).filter(([name]) => names.includes(name)))
}
