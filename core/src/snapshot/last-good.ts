// The last good configuration as one text for the disk, so that a restart without the store still serves. Credentials
// stay sealed.
import { z } from 'zod'
import { digestOf } from './canonical.ts'
import type { ConfigReader } from './config-store.ts'
import { follow } from './follow.ts'
import { manifestId } from './keys.ts'
import type { Verifier } from './signing.ts'
import type { SnapshotData } from './snapshot-data.ts'
import { SnapshotError } from './snapshot-error.ts'

const FORMAT = 1

const Saved = z.object({
  format: z.literal(FORMAT),
  version: z.object({ epoch: z.int(), generation: z.int(), digest: z.string() }),
  root: z.string(),
  tenants: z.record(z.string(), z.object({ manifest: z.string(), items: z.array(z.string()) })),
})
type Saved = z.infer<typeof Saved>

/** The text to write to disk (atomically: to a file beside, then rename). Throws for data that was never signed. */
export function saveLastGood(data: SnapshotData): string {
  if (data.signedRoot === undefined)
    throw new Error('only a configuration that was published and verified can be saved')
  const tenants = Object.fromEntries(
    [...data.tenants].map(([name, tenant]) => [name, { manifest: tenant.manifest, items: [...tenant.texts] }]),
  )
  const saved: Saved = { format: FORMAT, version: data.version, root: data.signedRoot, tenants }
  return JSON.stringify(saved)
}

/** Verifies the text of a last good configuration like one from the store. Throws a SnapshotError. */
export async function loadLastGood(text: string, verifier: Verifier): Promise<SnapshotData> {
  const followed = await follow({ reader: readerOf(parse(text)), verifier, current: undefined })
  if (followed.outcome === 'newer') return followed.data
  throw new SnapshotError('MANIFEST_MISSING', 'the saved configuration names no version; delete the file')
}

function parse(text: string): Saved {
  try {
    return Saved.parse(JSON.parse(text))
  } catch (error) {
    throw new SnapshotError('MANIFEST_INVALID', 'the saved configuration is not readable; delete the file', error)
  }
}

/** The saved pieces as a store: whatever is asked for by a digest has that digest. */
function readerOf(saved: Saved): ConfigReader {
  const manifest = manifestId(saved.version.epoch, saved.version.generation)
  return {
    head: async () => ({ ...saved.version, manifest }),
    rootManifest: async () => saved.root,
    tenantManifest: async tenant => saved.tenants[tenant]?.manifest,
    async items(tenant, digests) {
      const texts = new Map(saved.tenants[tenant]?.items.map(text => [digestOf(text), text]))
      return digests.map(digest => texts.get(digest))
    },
  }
}
