// The last good configuration for the disk, so that a restart without the store still serves. Credentials stay sealed.
// One line a piece: the version, the signed root, then each tenant's manifest followed by its items, all as the store has them.
import { z } from 'zod'
import { digestOf } from './canonical.ts'
import type { ConfigReader } from './config-store.ts'
import { follow } from './follow.ts'
import { manifestId } from './keys.ts'
import type { Verifier } from './signing.ts'
import type { SnapshotData } from './snapshot-data.ts'
import { SnapshotError } from './snapshot-error.ts'

const FORMAT = 2
/** Length of a piece: long enough to be worth a write, short enough not to hold up the event loop. */
const PIECE_LENGTH = 64 * 1024

const Version = z.object({
  format: z.literal(FORMAT),
  epoch: z.int(),
  generation: z.int(),
  digest: z.string(),
  tenants: z.array(z.object({ name: z.string(), items: z.int().nonnegative() })),
})

interface Saved {
  readonly version: Omit<z.infer<typeof Version>, 'format'>
  readonly root: string
  readonly tenants: ReadonlyMap<string, { readonly manifest: string; readonly items: readonly string[] }>
}

/**
 * The text to write to disk (atomically: to a file beside, then rename), in pieces of some 64 K characters, so that the
 * writer can step aside between them. Throws for data that was never signed.
 */
export function* saveLastGood(data: SnapshotData): Generator<string> {
  if (data.signedRoot === undefined)
    throw new Error('only a configuration that was published and verified can be saved')
  let piece = ''
  for (const line of linesOf(data, data.signedRoot)) {
    piece += `${line}\n`
    if (piece.length < PIECE_LENGTH) continue
    yield piece
    piece = ''
  }
  yield piece
}

/** Canonical JSON has no line breaks: each text is one line as it is. */
function* linesOf(data: SnapshotData, root: string): Generator<string> {
  const tenants = [...data.tenants].map(([name, { texts }]) => ({ name, items: texts.length }))
  yield JSON.stringify({ format: FORMAT, ...data.version, tenants })
  yield root
  for (const { manifest, texts } of data.tenants.values()) {
    yield manifest
    yield* texts
  }
}

/** Verifies the text of a last good configuration like one from the store. Throws a SnapshotError. */
export async function loadLastGood(text: string, verifier: Verifier): Promise<SnapshotData> {
  const followed = await follow({ reader: readerOf(parse(text)), verifier, current: undefined })
  if (followed.outcome === 'newer') return followed.data
  throw new SnapshotError('MANIFEST_MISSING', 'the saved configuration names no version; delete the file')
}

function parse(text: string): Saved {
  const [first = '', root = '', ...lines] = text.split('\n')
  const version = versionOf(first)
  const tenants = new Map<string, { manifest: string; items: string[] }>()
  let at = 0
  for (const { name, items } of version.tenants) {
    tenants.set(name, { manifest: lines[at] ?? '', items: lines.slice(at + 1, at + 1 + items) })
    at += 1 + items
  }
  return { version, root, tenants }
}

function versionOf(line: string): z.infer<typeof Version> {
  try {
    return Version.parse(JSON.parse(line))
  } catch (error) {
    throw new SnapshotError('MANIFEST_INVALID', 'the saved configuration is not readable; delete the file', error)
  }
}

/** The saved pieces as a store: whatever is asked for by a digest has that digest. */
function readerOf({ version, root, tenants }: Saved): ConfigReader {
  const { epoch, generation, digest } = version
  const texts = new Map<string, Map<string, string>>()
  const textsOf = (tenant: string): Map<string, string> => {
    const known = texts.get(tenant)
    if (known !== undefined) return known
    const made = new Map(tenants.get(tenant)?.items.map(text => [digestOf(text), text]))
    texts.set(tenant, made)
    return made
  }
  return {
    head: async () => ({ epoch, generation, digest, manifest: manifestId(epoch, generation) }),
    rootManifest: async () => root,
    tenantManifest: async tenant => tenants.get(tenant)?.manifest,
    items: async (tenant, digests) => digests.map(digest => textsOf(tenant).get(digest)),
  }
}
