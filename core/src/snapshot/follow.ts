// Takes a newer published configuration, piece by piece verified. Fetches only what changed; never goes back.
import { digestOf } from './canonical.ts'
import type { ConfigReader, Head } from './config-store.ts'
import { Item } from './items.ts'
import { readRootManifest, readTenantEntries, type RootManifest } from './manifest.ts'
import { Pacer, type PacerClock } from './pacer.ts'
import type { Verifier } from './signing.ts'
import type { ItemEntry, SnapshotData, TenantData, Version } from './snapshot-data.ts'
import { SnapshotError } from './snapshot-error.ts'

const ITEMS_AT_ONCE = 500

/** Where to read, whom to trust, and what is in force already. */
export interface FollowOptions {
  readonly reader: ConfigReader
  readonly verifier: Verifier
  readonly current: SnapshotData | undefined
  readonly clock?: PacerClock
}

/**
 * What the head said: a newer configuration (`data`), the one in force, an older one (the store was rolled back: report
 * it, the writer will publish above it), or nothing at all (the store is empty: keep what is in force).
 */
export type Followed =
  | { readonly outcome: 'newer'; readonly data: SnapshotData }
  | { readonly outcome: 'same' | 'older'; readonly head: Head }
  | { readonly outcome: 'empty' }

/**
 * Asks for the head and takes what is newer. Throws a SnapshotError for anything missing or wrong; then keep what is in
 * force.
 */
export async function follow(options: FollowOptions): Promise<Followed> {
  const head = await options.reader.head()
  if (head === undefined) return { outcome: 'empty' }
  const order = options.current === undefined ? 1 : compareVersions(head, options.current.version)
  if (order < 0) return { outcome: 'older', head }
  if (order === 0) return { outcome: 'same', head }
  const signedRoot = await options.reader.rootManifest(head.manifest)
  if (signedRoot === undefined) throw missing('MANIFEST_MISSING', `root manifest ${head.manifest}`)
  const root = readRootManifest(signedRoot, options.verifier)
  assertHead(root, head)
  return { outcome: 'newer', data: await assemble(root, signedRoot, options) }
}

/** Negative when `a` is older than `b`, 0 when they are of the same epoch and generation. */
export function compareVersions(
  a: Pick<Version, 'epoch' | 'generation'>,
  b: Pick<Version, 'epoch' | 'generation'>,
): number {
  return a.epoch - b.epoch || a.generation - b.generation
}

function assertHead(root: RootManifest, head: Head): void {
  if (root.epoch === head.epoch && root.generation === head.generation && root.digest === head.digest) return
  const message =
    `the head says ${head.epoch}.${head.generation}, its manifest ${root.epoch}.${root.generation}, or their digests ` +
    'differ; somebody else writes to this store, publish again'
  throw new SnapshotError('DIGEST_MISMATCH', message)
}

async function assemble(root: RootManifest, signedRoot: string, options: FollowOptions): Promise<SnapshotData> {
  const pacer = new Pacer(options.clock)
  const tenants = new Map<string, TenantData>()
  for (const [name, digest] of Object.entries(root.tenants)) {
    const before = options.current?.tenants.get(name)
    tenants.set(name, before?.digest === digest ? before : await fetchTenant({ name, digest, before }, options, pacer))
  }
  const { epoch, generation, digest, settings } = root
  return { version: { epoch, generation, digest }, settings, tenants, signedRoot }
}

interface Wanted {
  readonly name: string
  readonly digest: string
  readonly before: TenantData | undefined
}

interface Loaded {
  readonly text: string
  readonly item: Item
}

async function fetchTenant(wanted: Wanted, { reader }: FollowOptions, pacer: Pacer): Promise<TenantData> {
  const text = await reader.tenantManifest(wanted.name, wanted.digest)
  if (text === undefined) throw missing('MANIFEST_MISSING', `the manifest of tenant "${wanted.name}"`)
  const entries = await readTenantEntries(text, wanted, pacer)
  const known = await knownItems(wanted.before, pacer)
  const unknown = entries.filter(entry => !known.has(entry.digest))
  for (let at = 0; at < unknown.length; at += ITEMS_AT_ONCE) {
    const batch = unknown.slice(at, at + ITEMS_AT_ONCE)
    const texts = await reader.items(
      wanted.name,
      batch.map(entry => entry.digest),
    )
    for (const [index, entry] of batch.entries()) {
      known.set(entry.digest, readItem(wanted.name, entry, texts[index]))
      if (pacer.due()) await pacer.pause()
    }
  }
  return loaded({ digest: wanted.digest, manifest: text, entries }, known, pacer)
}

/** Entries, texts and items in step. */
async function loaded(
  manifest: Pick<TenantData, 'digest' | 'manifest' | 'entries'>,
  known: ReadonlyMap<string, Loaded>,
  pacer: Pacer,
): Promise<TenantData> {
  const [texts, items]: [string[], Item[]] = [[], []]
  for (const { digest } of manifest.entries) {
    const each = known.get(digest)
    if (each === undefined) continue
    texts.push(each.text)
    items.push(each.item)
    if (pacer.due()) await pacer.pause()
  }
  return { ...manifest, texts, items }
}

async function knownItems(before: TenantData | undefined, pacer: Pacer): Promise<Map<string, Loaded>> {
  const known = new Map<string, Loaded>()
  for (const [at, entry] of before?.entries.entries() ?? []) {
    const [text, item] = [before?.texts[at], before?.items[at]]
    if (text !== undefined && item !== undefined) known.set(entry.digest, { text, item })
    if (pacer.due()) await pacer.pause()
  }
  return known
}

function readItem(tenant: string, entry: ItemEntry, text: string | undefined): Loaded {
  const what = `${entry.kind} "${entry.name}" of tenant "${tenant}"`
  if (text === undefined) throw missing('ITEM_MISSING', what)
  if (digestOf(text) !== entry.digest) {
    throw new SnapshotError(
      'DIGEST_MISMATCH',
      `${what} is not what its digest says; it was changed or cut off, publish again`,
    )
  }
  const item = Item.safeParse(jsonOf(text))
  if (!item.success || item.data.kind !== entry.kind || item.data.name !== entry.name) {
    const message = `${what} does not have the shape that this program reads; bring writer and readers to one release`
    throw new SnapshotError('ITEM_INVALID', message, item.error)
  }
  return { text, item: item.data }
}

/** Undefined for what is not JSON. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function missing(fault: 'MANIFEST_MISSING' | 'ITEM_MISSING', what: string): SnapshotError {
  return new SnapshotError(fault, `${what} is not in the store, which may have evicted or lost it; publish again`)
}
