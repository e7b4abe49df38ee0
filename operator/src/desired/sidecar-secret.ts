// The Secret that sidecars in a tenant's namespace start from: what is to be written now. It is the tenant's, and emptied,
// not deleted, when the namespace is the tenant's no more: the operator may delete no Secrets.
import { type KubeObject, MANAGED_BY, MANAGED_BY_LABEL, type NewObject } from '../api/resource-type.ts'
import { dataOf, type Patch } from './key-secret-object.ts'
import { labelValue, owner, TENANT_LABEL } from './names.ts'

export const SIDECAR_SECRET = 'smartflow-sidecar'
/** On namespaces whose pods may have sidecars. */
export const INJECTION = { label: 'smartflow.dev/sidecar-injection', value: 'enabled' } as const

const PART_LABEL = 'app.kubernetes.io/component'
const PART = 'sidecar'

/** The entries that are ours; others are left alone. */
export interface SidecarEntries {
  readonly REDIS_URL: string
  readonly 'tenant.keys': string
  readonly 'signing.pub': string
}
const ENTRIES = ['REDIS_URL', 'tenant.keys', 'signing.pub'] as const

/** A tenant as far as its Secret is concerned. */
interface Tenant {
  readonly metadata: { readonly name: string; readonly uid?: string | undefined }
}

/** Whose Secret it is. */
export type SidecarWrite =
  | { readonly kind: 'none' }
  /** Somebody brought one of their own: it is used as it is. */
  | { readonly kind: 'foreign' }
  | { readonly kind: 'create'; readonly object: NewObject }
  | { readonly kind: 'patch'; readonly operations: Patch }

/** Keeps the Secret of one namespace. Throws for a tenant without a uid. */
export function keptSidecarSecret(
  tenant: Tenant,
  place: { readonly namespace: string; readonly entries: SidecarEntries },
  live: KubeObject | undefined,
): SidecarWrite {
  const { namespace, entries } = place
  const labels = labelsOf(tenant)
  const ownerReferences = [{ ...owner('AITenant', tenant.metadata), blockOwnerDeletion: false }]
  const data = Object.fromEntries(ENTRIES.map(name => [name, Buffer.from(entries[name]).toString('base64')]))
  if (live === undefined) {
    const metadata = { name: SIDECAR_SECRET, namespace, labels, ownerReferences }
    return { kind: 'create', object: { apiVersion: 'v1', kind: 'Secret', metadata, type: 'Opaque', data } }
  }
  if (!isOurs(live)) return { kind: 'foreign' }
  const there = dataOf(live) ?? {}
  const owned =
    live.metadata.ownerReferences?.length === 1 && live.metadata.ownerReferences[0]?.uid === tenant.metadata.uid
  const same = ENTRIES.every(name => there[name] === data[name]) && owned && isOf(live, tenant)
  if (same) return { kind: 'none' }
  return patched(live, [
    { op: 'add', path: '/data', value: { ...there, ...data } },
    { op: 'add', path: '/metadata/labels', value: { ...live.metadata.labels, ...labels } },
    { op: 'add', path: '/metadata/ownerReferences', value: ownerReferences },
  ])
}

/** Takes the tenant's things out of a Secret that is still this tenant's. */
export function emptiedSidecarSecret(tenant: Tenant, live: KubeObject | undefined): SidecarWrite {
  if (live === undefined || !isOurs(live) || !isOf(live, tenant)) return { kind: 'none' }
  const there = dataOf(live) ?? {}
  const operations = ENTRIES.filter(name => there[name] !== undefined).map(
    name => ({ op: 'remove', path: `/data/${name}` }) as const,
  )
  return operations.length === 0 ? { kind: 'none' } : patched(live, operations)
}

function patched(live: KubeObject, operations: Patch): SidecarWrite {
  const guard = { op: 'test', path: '/metadata/resourceVersion', value: live.metadata.resourceVersion } as const
  return { kind: 'patch', operations: [guard, ...operations] }
}

function labelsOf({ metadata }: Tenant): Record<string, string> {
  return { [MANAGED_BY_LABEL]: MANAGED_BY, [PART_LABEL]: PART, [TENANT_LABEL]: labelValue(metadata.name) }
}

function isOurs({ metadata: { labels = {} } }: KubeObject): boolean {
  return labels[MANAGED_BY_LABEL] === MANAGED_BY && labels[PART_LABEL] === PART
}

function isOf({ metadata }: KubeObject, tenant: Tenant): boolean {
  return metadata.labels?.[TENANT_LABEL] === labelValue(tenant.metadata.name)
}
