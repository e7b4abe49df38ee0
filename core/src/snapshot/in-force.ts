// What a writer knows of the configuration in the store, and what another configuration changes about it.
import type { ConfigStore, Head } from './config-store.ts'
import { readRootManifest, readTenantManifest } from './manifest.ts'
import type { Verifier } from './signing.ts'
import type { ItemEntry, SnapshotData } from './snapshot-data.ts'
import { SnapshotError } from './snapshot-error.ts'

/** A tenant's manifest in force. */
export interface TenantInForce {
  readonly digest: string
  readonly entries: readonly ItemEntry[]
}

/** The configuration in force. `whole`: every piece of it is in the store. */
export interface InForce {
  readonly tenants: ReadonlyMap<string, TenantInForce>
  readonly whole: boolean
}

/**
 * What the store says is in force. What does not verify (or is signed by a key that readers no longer trust) is no
 * protection.
 */
export async function lookAt(store: ConfigStore, head: Head, verifier: Verifier): Promise<InForce> {
  const tenants = new Map<string, TenantInForce>()
  let whole = true
  try {
    const signed = await store.rootManifest(head.manifest)
    if (signed === undefined) return { tenants, whole: false }
    for (const [tenant, digest] of Object.entries(readRootManifest(signed, verifier).tenants)) {
      const text = await store.tenantManifest(tenant, digest)
      const entries = text === undefined ? [] : readTenantManifest(text, tenant, digest).items
      const digests = entries.map(entry => entry.digest)
      whole &&= text !== undefined && (await store.missing(tenant, digests)).length === 0
      tenants.set(tenant, { digest, entries })
    }
    return { tenants, whole }
  } catch (error) {
    if (error instanceof SnapshotError) return { tenants, whole: false }
    throw error
  }
}

/** The configuration as it is in force once it was committed. */
export function inForce(data: SnapshotData): InForce {
  return { tenants: data.tenants, whole: true }
}

/** How many objects there are, and how many of them a configuration takes away. */
export function removals({ tenants }: InForce, data: SnapshotData): { removed: number; of: number } {
  let [removed, of] = [0, 0]
  for (const [tenant, before] of tenants) {
    of += before.entries.length
    const after = data.tenants.get(tenant)
    if (after?.digest === before.digest) continue
    const names = new Set(after?.entries.map(nameOf))
    removed += before.entries.filter(entry => !names.has(nameOf(entry))).length
  }
  return { removed, of }
}

function nameOf({ kind, name }: ItemEntry): string {
  return `${kind} ${name}`
}
