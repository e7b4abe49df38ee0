// Which Secret each host name's certificate comes from, and which certificate is to be asked for.
import { type Exposure, type IssuerRef, type Tenant } from './inputs.ts'
import { underWildcard } from './hosts.ts'

/** Host names that share a certificate. */
export interface TlsGroup {
  readonly hosts: readonly string[]
  /** A Secret of the gateway's namespace; undefined: the certificate that the ingress or Gateway has itself. */
  readonly secretName: string | undefined
  /** True for a Secret that is this tenant's alone, so that a shared Gateway does not have it. */
  readonly own: boolean
}

/** A certificate that cert-manager is asked for. */
export interface CertificateRequest {
  readonly dnsNames: readonly string[]
  readonly secretName: string
  readonly issuer: Required<IssuerRef>
}

export interface TlsPlan {
  /** Without groups the hosts are served without TLS. */
  readonly groups: readonly TlsGroup[]
  readonly certificate: CertificateRequest | undefined
  /** Why a certificate that is needed cannot be asked for. Its hosts keep their Secret's name: never served in clear. */
  readonly problem: { readonly reason: string; readonly message: string } | undefined
}

const NOTHING: TlsPlan = { groups: [], certificate: undefined, problem: undefined }

/** The tenant's own Secret wins, then the wildcard where it is good for the host, then a certificate of its own. */
export function tlsPlan(tenant: Tenant, exposure: Exposure, hosts: readonly string[], name: string): TlsPlan {
  const { mode = 'Certificate', wildcardSecretName } = exposure.tls ?? {}
  const ownSecret = tenant.spec.tls?.secretName
  if (mode === 'Disabled' || hosts.length === 0) return NOTHING
  if (ownSecret !== undefined) return { ...NOTHING, groups: [{ hosts, secretName: ownSecret, own: true }] }
  if (mode === 'Existing') return { ...NOTHING, groups: [{ hosts, secretName: wildcardSecretName, own: false }] }

  const isCovered = (host: string): boolean => wildcardSecretName !== undefined && underWildcard(host, exposure)
  const covered = hosts.filter(isCovered)
  const dnsNames = hosts.filter(host => !isCovered(host))
  const secretName = `${name}-tls`
  const groups: TlsGroup[] = [
    { hosts: covered, secretName: wildcardSecretName, own: false },
    { hosts: dnsNames, secretName, own: true },
  ].filter(group => group.hosts.length > 0)
  if (dnsNames.length === 0) return { ...NOTHING, groups }

  const issuer = chosenIssuer(tenant, exposure)
  if ('reason' in issuer) return { groups, certificate: undefined, problem: issuer }
  return { groups, certificate: { dnsNames, secretName, issuer }, problem: undefined }
}

function chosenIssuer(tenant: Tenant, exposure: Exposure): Required<IssuerRef> | { reason: string; message: string } {
  const allowed = (exposure.tls?.issuerRefs ?? []).map(complete)
  const wanted = tenant.spec.tls?.issuerRef
  const [first] = allowed
  if (first === undefined) {
    const message =
      'the gateway names no issuer: add one to its spec.exposure.tls.issuerRefs, or set tls.mode: Existing'
    return { reason: 'NoIssuer', message }
  }
  if (wanted === undefined) return first
  const chosen = allowed.find(issuer => describeIssuer(issuer) === describeIssuer(complete(wanted)))
  if (chosen !== undefined) return chosen
  const names = allowed.map(describeIssuer).join(', ')
  const message = `${describeIssuer(complete(wanted))} is not one of the gateway's issuers; choose one of: ${names}`
  return { reason: 'IssuerNotAllowed', message }
}

/** cert-manager's own defaults, written out. */
function complete({ name, kind = 'Issuer', group = 'cert-manager.io' }: IssuerRef): Required<IssuerRef> {
  return { group, kind, name }
}

function describeIssuer({ group, kind, name }: Required<IssuerRef>): string {
  return group === 'cert-manager.io' ? `${kind} ${name}` : `${kind}.${group} ${name}`
}
