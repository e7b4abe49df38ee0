// Manifests: what belongs together. A tenant's manifest lists its items by digest; the signed root lists the tenants'
// manifests.
import { z } from 'zod'
import { canonicalJSON, digestOf } from './canonical.ts'
import { GatewaySettings, Item } from './items.ts'
import type { Pacer } from './pacer.ts'
import type { Signer, Verifier } from './signing.ts'
import { contentDigest, type ItemEntry, SNAPSHOT_SCHEMA, type SnapshotData } from './snapshot-data.ts'
import { SnapshotError } from './snapshot-error.ts'

const Digest = z.string().regex(/^[0-9a-f]{64}$/)
const Kind = z.enum(Item.options.map(option => option.shape.kind.value))

const Entry = z.object({ kind: Kind, name: z.string(), digest: Digest })
const TenantManifest = z.object({ tenant: z.string(), items: z.array(Entry) })
const Entries = z.object({ tenant: z.string(), items: z.array(z.unknown()) })
/** A tenant's items. The digest of the manifest's text is its address. */
export type TenantManifest = z.infer<typeof TenantManifest>

const RootManifest = z.object({
  epoch: z.int().nonnegative(),
  generation: z.int().nonnegative(),
  settings: GatewaySettings,
  tenants: z.record(z.string(), Digest),
  digest: Digest,
})
/** The whole: settings and each tenant's digest. `digest` covers these two, not epoch and generation. */
export type RootManifest = z.infer<typeof RootManifest>

const Schema = z.object({ schema: z.int() })
const Signed = z.object({ manifest: z.unknown(), signature: z.object({ key: z.string(), value: z.string() }) })

/** The root manifest as it is stored, signed over its canonical JSON; through the digests that signs every item. */
export function writeRootManifest(data: SnapshotData, signer: Signer): string {
  const tenants = Object.fromEntries([...data.tenants].map(([name, tenant]) => [name, tenant.digest]))
  const { epoch, generation, digest } = data.version
  const manifest = { schema: SNAPSHOT_SCHEMA, epoch, generation, settings: data.settings, tenants, digest }
  const value = signer.sign(canonicalJSON(manifest))
  return canonicalJSON({ manifest, signature: { key: signer.key, value } })
}

/** Reads a root manifest whose signature and digest are right. Throws a SnapshotError. */
export function readRootManifest(text: string, verifier: Verifier): RootManifest {
  const what = 'the root manifest'
  const { manifest, signature } = parsed(Signed, parseJSON(text, what), what)
  if (!verifier.verify(signature.key, canonicalJSON(manifest), signature.value)) {
    const message =
      `${what} is not signed by a key that this program trusts; ` +
      "give it the writer's public key, or find out who wrote it"
    throw new SnapshotError('SIGNATURE_INVALID', message)
  }
  assertSchema(manifest, what)
  const root = parsed(RootManifest, manifest, what)
  const tenants = new Map(Object.entries(root.tenants).map(([name, digest]) => [name, { digest }]))
  if (contentDigest(rawSettings(manifest), tenants) !== root.digest) throw mismatch(what)
  return root
}

/** Reads the tenant manifest that a root names by digest. Throws a SnapshotError. */
export function readTenantManifest(text: string, tenant: string, digest: string): TenantManifest {
  const what = `the manifest of tenant "${tenant}"`
  if (digestOf(text) !== digest) throw mismatch(what)
  const value = parseJSON(text, what)
  assertSchema(value, what)
  const manifest = parsed(TenantManifest, value, what)
  if (manifest.tenant !== tenant) throw mismatch(what)
  return manifest
}

/** The items of `readTenantManifest`, without holding up the event loop: 5,000 of them take some 10 ms. */
export async function readTenantEntries(
  text: string,
  { name, digest }: { readonly name: string; readonly digest: string },
  pacer: Pacer,
): Promise<readonly ItemEntry[]> {
  const what = `the manifest of tenant "${name}"`
  if (digestOf(text) !== digest) throw mismatch(what)
  await pacer.pause()
  const value = parseJSON(text, what)
  await pacer.pause()
  assertSchema(value, what)
  const { tenant, items } = parsed(Entries, value, what)
  if (tenant !== name) throw mismatch(what)
  const entries: ItemEntry[] = []
  for (const item of items) {
    entries.push(parsed(Entry, item, what))
    if (pacer.due()) await pacer.pause()
  }
  return entries
}

/** Settings as they were signed: a newer writer's fields, which the schema drops, are part of the digest. */
function rawSettings(manifest: unknown): GatewaySettings {
  return z.looseObject({ settings: z.custom<GatewaySettings>() }).parse(manifest).settings
}

function parseJSON(text: string, what: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new SnapshotError('MANIFEST_INVALID', `${what} is not JSON; publish again`, error)
  }
}

function parsed<T extends z.ZodType>(schema: T, value: unknown, what: string): z.infer<T> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const where = issue === undefined || issue.path.length === 0 ? '' : ` at ${issue.path.join('.')}`
  throw new SnapshotError('MANIFEST_INVALID', `${what} is not one${where}; publish again`, result.error)
}

function assertSchema(value: unknown, what: string): void {
  const { schema } = parsed(Schema, value, what)
  if (schema === SNAPSHOT_SCHEMA) return
  const message =
    `${what} has schema ${schema}, this program reads ${SNAPSHOT_SCHEMA}; ` + 'bring writer and readers to one release'
  throw new SnapshotError('SCHEMA_UNSUPPORTED', message)
}

function mismatch(what: string): SnapshotError {
  const message = `${what} is not what its digest says; it was changed or cut off, publish again`
  return new SnapshotError('DIGEST_MISMATCH', message)
}
