// Writes a compiled configuration to the store: items, tenant manifests, signed root, then one fenced commit. One
// writer at a time.
import type { ConfigStore, Head } from './config-store.ts'
import { compareVersions } from './follow.ts'
import { manifestId } from './keys.ts'
import { readRootManifest, readTenantManifest, writeRootManifest } from './manifest.ts'
import type { Compiled } from './items.ts'
import type { Signer, Verifier } from './signing.ts'
import { type ItemEntry, snapshotData, type SnapshotData, type Version } from './snapshot-data.ts'
import { SnapshotError } from './snapshot-error.ts'

/** A removal is held back when it takes at least this many objects … */
const HELD_OBJECTS = 10
/** … and more than this share of what was there. */
const HELD_SHARE = 0.5

/** An epoch and a generation in it. */
type Place = Pick<Version, 'epoch' | 'generation'>

/** Who publishes what for which gateway. */
export interface PublisherOptions {
  readonly store: ConfigStore
  readonly signer: Signer
  /** Trusts the signer's key: to read what is in force after a restart. */
  readonly verifier: Verifier
  /** What the writer remembers of earlier runs (a status, a file); epochs and generations go on above it. */
  readonly remembered?: Place
}

/**
 * What came of it. `unchanged`: the store has this content already. `held`: it would remove more than half of the
 * objects at once; publish the same again (after a second look at the sources) and it goes through. `stale`: another
 * writer took over; stop publishing.
 */
export type Published =
  | { readonly outcome: 'published' | 'unchanged'; readonly version: Version }
  | { readonly outcome: 'held'; readonly removed: number; readonly of: number; readonly message: string }
  | { readonly outcome: 'stale'; readonly message: string }

/**
 * Takes an epoch above every earlier one, so that no earlier writer can commit any more. `floor`: the highest one
 * remembered. A Publisher does so itself.
 */
export function claimEpoch(store: ConfigStore, floor = 0): Promise<number> {
  return store.claimEpoch(floor)
}

/** The objects in force, and whether every piece of them is in the store. */
interface InForce {
  readonly names: ReadonlySet<string>
  readonly whole: boolean
}

/** The head of a store that has none. */
const NOTHING: Head = { epoch: 0, generation: 0, digest: '', manifest: '' }

/** The one writer. Calls must not overlap. */
export class Publisher {
  readonly #options: PublisherOptions
  /** The epoch that this writer claimed. */
  #epoch: number | undefined
  /**
   * The newest commit that this writer made or remembers; readers may have it, so nothing may be published at or below
   * it.
   */
  #committed: Place
  /** By this writer's knowledge; undefined when it has to look. */
  #known: InForce | undefined
  #heldDigest: string | undefined

  constructor(options: PublisherOptions) {
    this.#options = options
    this.#committed = options.remembered ?? { epoch: 0, generation: 0 }
  }

  /**
   * Publishes what differs from the store. Rejects when the store cannot be asked; nothing is in force then that was
   * not before.
   */
  async publish(compiled: Compiled): Promise<Published> {
    const head = (await this.#options.store.head()) ?? NOTHING
    if (this.#epoch !== undefined && head.epoch > this.#epoch) return this.#stale()
    // The store lost or rolled back what readers may already have: they never go back, so it takes an epoch above
    // theirs.
    const lost = compareVersions(head, this.#committed) < 0
    const epoch = await this.#takeEpoch(lost)
    const generation = Math.max(head.generation, this.#committed.generation) + 1
    const data = snapshotData(compiled, epoch, generation)
    this.#known ??= await this.#look(head)
    if (head.digest === data.version.digest && !lost && this.#known.whole) {
      return { outcome: 'unchanged', version: { epoch: head.epoch, generation: head.generation, digest: head.digest } }
    }
    return this.#heldBack(data, this.#known.names) ?? this.#write(data)
  }

  /**
   * Looks at the store afresh with the next `publish` and writes again what it lost: for when readers report missing
   * pieces.
   */
  distrust(): void {
    this.#known = undefined
  }

  async #takeEpoch(again: boolean): Promise<number> {
    if (this.#epoch !== undefined && !again) return this.#epoch
    const floor = Math.max(this.#epoch ?? 0, this.#committed.epoch)
    this.#epoch = await claimEpoch(this.#options.store, floor)
    return this.#epoch
  }

  #heldBack(data: SnapshotData, before: ReadonlySet<string>): Published | undefined {
    const after = namesIn(data)
    const removed = [...before].filter(name => !after.has(name)).length
    const many = removed >= HELD_OBJECTS && removed > before.size * HELD_SHARE
    if (!many || this.#heldDigest === data.version.digest) {
      this.#heldDigest = undefined
      return undefined
    }
    this.#heldDigest = data.version.digest
    const message =
      `held back: ${removed} of ${before.size} objects would go at once; ` +
      'the configuration in force stays until a second look at the sources gives the same'
    return { outcome: 'held', removed, of: before.size, message }
  }

  /**
   * What the store says is in force. What does not verify (or is signed by a key that readers no longer trust) is no
   * protection.
   */
  async #look(head: Head): Promise<InForce> {
    const { store, verifier } = this.#options
    const names = new Set<string>()
    let whole = true
    try {
      const signed = await store.rootManifest(head.manifest)
      if (signed === undefined) return { names, whole: false }
      for (const [tenant, digest] of Object.entries(readRootManifest(signed, verifier).tenants)) {
        const text = await store.tenantManifest(tenant, digest)
        const items = text === undefined ? [] : readTenantManifest(text, tenant, digest).items
        const digests = items.map(entry => entry.digest)
        whole &&= text !== undefined && (await store.missing(tenant, digests)).length === 0
        for (const entry of items) names.add(nameOf(tenant, entry))
      }
      return { names, whole }
    } catch (error) {
      if (error instanceof SnapshotError) return { names, whole: false }
      throw error
    }
  }

  async #write(data: SnapshotData): Promise<Published> {
    const { store, signer } = this.#options
    for (const [tenant, content] of data.tenants) {
      const texts = new Map(content.entries.map((entry, at) => [entry.digest, content.texts[at] ?? '']))
      const missing = await store.missing(tenant, [...texts.keys()])
      if (missing.length > 0) {
        await store.putItems(tenant, new Map(missing.map(digest => [digest, texts.get(digest) ?? ''])))
      }
      await store.putTenantManifest(tenant, content.digest, content.manifest)
    }
    const { version } = data
    const manifest = manifestId(version.epoch, version.generation)
    await store.putRootManifest(manifest, writeRootManifest(data, signer))
    const result = await store.commit({ ...version, manifest })
    if (result !== 'OK') return this.#stale()
    this.#committed = version
    this.#known = { names: namesIn(data), whole: true }
    return { outcome: 'published', version }
  }

  #stale(): Published {
    const message = `another writer took this gateway over after epoch ${this.#epoch}; this one publishes no more`
    return { outcome: 'stale', message }
  }
}

function namesIn(data: SnapshotData): ReadonlySet<string> {
  const names = new Set<string>()
  for (const [tenant, { entries }] of data.tenants) for (const entry of entries) names.add(nameOf(tenant, entry))
  return names
}

function nameOf(tenant: string, entry: Pick<ItemEntry, 'kind' | 'name'>): string {
  return `${tenant} ${entry.kind} ${entry.name}`
}
