// Which hosts each tenant may be reached at: under the gateway's domains, and each host one tenant's.
import type { AITenant } from '../resources/ai-tenant.ts'
import { describeResource } from '../resources/resource.ts'
import type { GatewayChoice } from './ai-gateway.ts'
import type { StatusBook } from './status.ts'

/**
 * The hosts by tenant. A tenant that asks for a host or an issuer it may not have is not accepted, but goes on being
 * served: only that host is not exposed, and no certificate is asked of that issuer. `tenants`: oldest first.
 */
export function grantHosts(
  tenants: readonly AITenant[],
  gateway: GatewayChoice,
  book: StatusBook,
): Map<string, readonly string[]> {
  const owners = new Map<string, AITenant>()
  const granted = new Map<string, readonly string[]>()
  for (const tenant of tenants) {
    const hosts = tenant.spec.hostnames.filter(host => {
      const outside = !gateway.spec.exposure.domains.some(domain => isUnder(host, domain))
      if (outside) book.reject(tenant, 'UnsupportedValue', outsideMessage(host, gateway))
      return !outside && isFree(host, tenant, owners, book)
    })
    granted.set(tenant.metadata.name, hosts)
    judgeIssuer(tenant, gateway, book)
  }
  return granted
}

/**
 * `example.com` covers that name and every name below it; `*.example.com` covers the names exactly one label below, as a
 * wildcard certificate does, and not `example.com` itself.
 */
export function isUnder(host: string, domain: string): boolean {
  if (!domain.startsWith('*.')) return host === domain || host.endsWith(`.${domain}`)
  const dot = host.indexOf('.')
  return dot > 0 && host.slice(dot) === domain.slice(1) && !host.startsWith('*')
}

function isFree(host: string, tenant: AITenant, owners: Map<string, AITenant>, book: StatusBook): boolean {
  const owner = owners.get(host)
  if (owner === undefined) owners.set(host, tenant)
  if (owner === undefined || owner === tenant) return owner === undefined
  const message = `spec.hostnames: the host ${host} belongs to ${describeResource(owner)}, which came first; choose another`
  book.reject(tenant, 'Conflicted', message)
  return false
}

function outsideMessage(host: string, { spec, declared }: GatewayChoice): string {
  const { domains } = spec.exposure
  const which = domains.length === 0 ? 'there are none' : `they are ${domains.join(', ')}`
  const where = declared === undefined ? 'the AIGateway' : describeResource(declared)
  return `spec.hostnames: ${host} is not under a domain of ${where} (spec.exposure.domains: ${which})`
}

function judgeIssuer(tenant: AITenant, { spec }: GatewayChoice, book: StatusBook): void {
  const wanted = tenant.spec.tls?.issuerRef
  if (wanted === undefined) return
  const allowed = spec.exposure.tls.issuerRefs
  const same = (one: typeof wanted): boolean =>
    one.name === wanted.name && one.kind === wanted.kind && one.group === wanted.group
  if (allowed.some(same)) return
  const names = allowed.map(({ kind, name }) => `${kind} ${name}`).join(', ')
  const which = names === '' ? 'it allows none' : `it allows ${names}`
  const message = `spec.tls.issuerRef: the AIGateway does not allow ${wanted.kind} ${wanted.name}; ${which}`
  book.reject(tenant, 'UnsupportedValue', message)
}
