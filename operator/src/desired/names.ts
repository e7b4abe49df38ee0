// Names, labels and owners of what the operator makes. Nothing of a user's own labels or annotations is ever copied:
// tools that track objects by them would take the children for their own.
import { createHash } from 'node:crypto'
import { API_VERSION } from '@smartflow/core/resources/metadata'
import { MANAGED_BY, MANAGED_BY_LABEL, type OwnerReference } from '../api/resource-type.ts'
import type { Gateway, Tenant } from './inputs.ts'

export const TENANT_LABEL = 'smartflow.dev/tenant'
/** Holds the gateway's id, so that two gateways in one namespace never take each other's children for their own. */
export const GATEWAY_LABEL = 'smartflow.dev/gateway'

const LONGEST_NAME = 63
/** Room for endings like `-tls`. */
const ENDING = 6

/** `sf-<tenant>-<hash>`: a DNS label with room for a short ending; the same for ever for one tenant of one gateway. */
export function childName(tenant: string, gatewayId: string): string {
  const hash = shortHash(`${gatewayId}\0${tenant}`)
  const readable = tenant.replaceAll('.', '-').slice(0, LONGEST_NAME - ENDING - hash.length - 'sf--'.length)
  return `sf-${readable.replace(/-+$/, '')}-${hash}`
}

/** The labels of everything made for one tenant. */
export function tenantLabels(tenant: string, gatewayId: string): Record<string, string> {
  return { [MANAGED_BY_LABEL]: MANAGED_BY, [GATEWAY_LABEL]: gatewayId, [TENANT_LABEL]: labelValue(tenant) }
}

/** A name as a value of a label, which ends at 63 characters: longer names keep their beginning and get a hash. */
export function labelValue(name: string): string {
  return name.length <= LONGEST_NAME ? name : `${name.slice(0, 52).replace(/[-.]+$/, '')}-${shortHash(name)}`
}

/** The owner of what a tenant gets. Throws for a tenant that no API server gave a uid. */
export function tenantOwner({ metadata }: Tenant): OwnerReference {
  return owner('AITenant', metadata)
}

/** The owner of what a gateway gets. Throws for a gateway that no API server gave a uid. */
export function gatewayOwner({ metadata }: Gateway): OwnerReference {
  return owner('AIGateway', metadata)
}

/** The reference by which an object of one of our kinds owns another. Throws without a uid. */
export function owner(kind: string, { name, uid }: { name: string; uid?: string | undefined }): OwnerReference {
  if (uid === undefined) throw new Error(`${kind} ${name} has no uid, so it cannot own anything`)
  return { apiVersion: API_VERSION, kind, name, uid, controller: true, blockOwnerDeletion: true }
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 10)
}
