// A configuration as data: what a compile, a store or a file gives, verified and with its digests, before any lookup is
// built.
import { canonicalJSON, digestOf } from './canonical.ts'
import type { Compiled, GatewaySettings, Item } from './items.ts'

/** Version of the item and manifest schemas. A reader refuses a newer one; a writer never publishes an older one. */
export const SNAPSHOT_SCHEMA = 3

/** Which configuration this is. Ordered by epoch, then generation; `digest` covers the content alone. */
export interface Version {
  readonly epoch: number
  readonly generation: number
  readonly digest: string
}

/** One line of a tenant's manifest. Kind and name together are unique in it. */
export interface ItemEntry {
  readonly kind: Item['kind']
  readonly name: string
  readonly digest: string
}

/**
 * A tenant's items; `entries`, `texts` (canonical JSON, what the digests cover) and `items` run in step. `digest` is
 * that of `manifest`, the tenant's manifest as it is stored.
 */
export interface TenantData {
  readonly digest: string
  readonly manifest: string
  readonly entries: readonly ItemEntry[]
  readonly texts: readonly string[]
  readonly items: readonly Item[]
}

/**
 * A whole configuration. `signedRoot` is the signed root manifest it was verified against; absent when compiled
 * in-process.
 */
export interface SnapshotData {
  readonly version: Version
  readonly settings: GatewaySettings
  readonly tenants: ReadonlyMap<string, TenantData>
  readonly signedRoot: string | undefined
}

/** Gives a compile's result its digests: what is published, or built into a view directly when no store is between. */
export function snapshotData(compiled: Compiled, epoch: number, generation: number): SnapshotData {
  const { digest, tenants } = contentOf(compiled)
  return { version: { epoch, generation, digest }, settings: compiled.settings, tenants, signedRoot: undefined }
}

interface Content {
  readonly digest: string
  readonly tenants: ReadonlyMap<string, TenantData>
}

/** What is compiled does not change, and a compile that found nothing new gives the very same again. */
const contents = new WeakMap<Compiled, Content>()

function contentOf(compiled: Compiled): Content {
  const known = contents.get(compiled)
  if (known !== undefined) return known
  const tenants = new Map<string, TenantData>()
  for (const [tenant, items] of compiled.tenants) tenants.set(tenant, tenantData(tenant, items))
  const made = { digest: contentDigest(compiled.settings, tenants), tenants }
  contents.set(compiled, made)
  return made
}

/** An item in its written forms: its own text, its line of the manifest, and that line's text. */
interface Written {
  readonly text: string
  readonly entry: ItemEntry
  readonly line: string
}

/** Items do not change, and a compile gives the same one for an object that did not: most are written once. */
const written = new WeakMap<Item, Written>()

function writtenOf(item: Item): Written {
  const known = written.get(item)
  if (known !== undefined) return known
  const text = canonicalJSON(item)
  const entry = { kind: item.kind, name: item.name, digest: digestOf(text) }
  const made = { text, entry, line: canonicalJSON(entry) }
  written.set(item, made)
  return made
}

function tenantData(tenant: string, items: readonly Item[]): TenantData {
  const all = items.map(writtenOf)
  const lines = all.map(each => each.line).join(',')
  // What canonicalJSON gives for { items, schema, tenant }.
  const manifest = `{"items":[${lines}],"schema":${SNAPSHOT_SCHEMA},"tenant":${canonicalJSON(tenant)}}`
  const [entries, texts] = [all.map(each => each.entry), all.map(each => each.text)]
  return { digest: digestOf(manifest), manifest, entries, texts, items }
}

/**
 * The digest of the whole content: settings and every tenant's digest; the same content has the same digest in any
 * epoch.
 */
export function contentDigest(
  settings: GatewaySettings,
  tenants: ReadonlyMap<string, { readonly digest: string }>,
): string {
  const digests = Object.fromEntries([...tenants].map(([name, tenant]) => [name, tenant.digest]))
  return digestOf(canonicalJSON({ schema: SNAPSHOT_SCHEMA, settings, tenants: digests }))
}
