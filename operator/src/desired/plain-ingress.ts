// An Ingress without annotations: for controllers whose manner of streaming is set elsewhere. The other Ingress
// dialects add theirs to it.
import type { NewObject } from '../api/resource-type.ts'
import { child, pathsOf, type Plan } from './plan.ts'

export const INGRESS = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress' } as const

/** What a dialect adds. */
interface Dialect {
  readonly annotations?: Record<string, string>
  /** The class when the gateway names none; undefined leaves it to the cluster's default class. */
  readonly className?: string
}

/** One Ingress for all of a tenant's hosts; none without hosts. */
export function ingress(plan: Plan, dialect: Dialect = {}): NewObject[] {
  if (plan.hosts.served.length === 0) return []
  const className = plan.exposure.className ?? dialect.className
  const paths = pathsOf(plan).map(({ path, backend }) => ({
    path,
    pathType: 'Prefix',
    backend: { service: { name: backend.name, port: { number: backend.port } } },
  }))
  const tls = plan.tls.groups.map(({ hosts, secretName }) =>
    secretName === undefined ? { hosts } : { hosts, secretName },
  )
  const spec = {
    ...(className === undefined ? {} : { ingressClassName: className }),
    ...(tls.length === 0 ? {} : { tls }),
    rules: plan.hosts.served.map(host => ({ host, http: { paths } })),
  }
  return [child(plan, INGRESS, spec, dialect.annotations === undefined ? {} : { annotations: dialect.annotations })]
}
