// Writes a compiled configuration to the store: items, tenant manifests, signed root, then one fenced commit. One
// writer at a time.
import type { ConfigStore, Head, Place } from './config-store.ts'
import { compareVersions } from './follow.ts'
import { inForce, type InForce, lookAt, removals, type TenantInForce } from './in-force.ts'
import { manifestId, type Piece } from './keys.ts'
import { writeRootManifest } from './manifest.ts'
import type { Compiled } from './items.ts'
import type { Signer, Verifier } from './signing.ts'
import { snapshotData, type SnapshotData, type TenantData, type Version } from './snapshot-data.ts'
import { TenantHeads } from './tenant-heads.ts'

/** A removal is held back when it takes at least this many objects … */
const HELD_OBJECTS = 10
/** … and more than this share of what was there. */
const HELD_SHARE = 0.5
/** Tenants written at a time. */
const TENANTS_AT_ONCE = 8

/** Who publishes what for which gateway. */
export interface PublisherOptions {
  readonly store: ConfigStore
  readonly signer: Signer
  /** Trusts the signer's key: to read what is in force after a restart. */
  readonly verifier: Verifier
  /** What the writer remembers of earlier runs (a status, a file); epochs and generations go on above it. */
  readonly remembered?: Place
  /** The first publication of this writer removes nothing without a second look: it has only just looked at the sources. */
  readonly looksTwiceAtFirst?: boolean
}

/**
 * What came of it. `unchanged`: the store has this content already. `held`: it would remove more than half of the
 * objects at once, or (`few`) fewer with a writer's first; publish the same again (after a second look at the sources) and
 * it goes through. `stale`: another writer took over; stop publishing. `data` is the configuration in force. `version`
 * and `inForce` of one that is held are what the store has, the digest empty where it has nothing.
 */
export type Published =
  | { readonly outcome: 'published' | 'unchanged'; readonly version: Version; readonly data: SnapshotData }
  | {
      readonly outcome: 'held'
      readonly few: boolean
      readonly removed: number
      readonly of: number
      readonly message: string
      readonly version: Version
      readonly inForce: InForce
    }
  | { readonly outcome: 'stale'; readonly message: string }

/** The head of a store that has none. */
const NOTHING: Head = { epoch: 0, generation: 0, digest: '', manifest: '' }

/** The one writer. Calls must not overlap. */
export class Publisher {
  readonly #options: PublisherOptions
  readonly #heads: TenantHeads
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
  /** Something was published or found in the store as it should be. */
  #hasBegun = false

  constructor(options: PublisherOptions) {
    this.#options = options
    this.#heads = new TenantHeads(options.store, options.signer)
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
    this.#known ??= await lookAt(this.#options.store, head, this.#options.verifier)
    // Pieces may be lost with the head: all of them are looked for, also by what was in force before.
    if (lost) this.#known = { ...this.#known, whole: false }
    if (head.digest === data.version.digest && !lost && this.#known.whole) {
      await this.#heads.look(data)
      if (await this.#heads.settle(data, head, { epoch, generation: head.generation })) {
        this.#committed = { epoch: head.epoch, generation: head.generation }
        this.#hasBegun = true
        return unchanged(head, data)
      }
      this.#heads.forget()
    }
    return this.#heldBack(data, this.#known, head) ?? this.#write(data, this.#known)
  }

  /** By what this writer judges what may be removed from the store: its epoch, and the generation that it last saw. */
  place(): Place {
    return { epoch: this.#epoch ?? this.#committed.epoch, generation: this.#committed.generation }
  }

  /**
   * Looks at the store afresh with the next `publish` and writes again what it lost: for when readers report missing
   * pieces.
   */
  distrust(): void {
    this.#known = undefined
    this.#heads.forget()
  }

  /** A second look at the sources gave something else, or failed: what was held back is held back again. */
  unconfirmed(): void {
    this.#heldDigest = undefined
  }

  /**
   * Readers have something newer than the store says: it was rolled back. The next `publish` goes above it, with a new
   * epoch.
   */
  outrun(place: Place): void {
    if (compareVersions(place, this.#committed) > 0) this.#committed = place
    this.distrust()
  }

  async #takeEpoch(again: boolean): Promise<number> {
    if (this.#epoch !== undefined && !again) return this.#epoch
    const floor = Math.max(this.#epoch ?? 0, this.#committed.epoch)
    this.#epoch = await this.#options.store.claimEpoch(floor)
    this.#heads.forget()
    return this.#epoch
  }

  #heldBack(data: SnapshotData, known: InForce, { epoch, generation, digest }: Head): Published | undefined {
    const { removed, of } = removals(known, data)
    const many = removed >= HELD_OBJECTS && removed > of * HELD_SHARE
    const few = !many && removed > 0 && !this.#hasBegun && this.#options.looksTwiceAtFirst === true
    if (!(many || few) || this.#heldDigest === data.version.digest) {
      this.#heldDigest = undefined
      return undefined
    }
    this.#heldDigest = data.version.digest
    const message =
      `held back: ${removed} of ${of} objects would go at once; ` +
      'the configuration in force stays until a second look at the sources gives the same'
    return { outcome: 'held', few, removed, of, message, version: { epoch, generation, digest }, inForce: known }
  }

  async #write(data: SnapshotData, known: InForce): Promise<Published> {
    const { store, signer } = this.#options
    const { version } = data
    const names = [...new Set([...data.tenants.keys(), ...known.tenants.keys()])]
    const changed = names.filter(
      tenant => !known.whole || known.tenants.get(tenant)?.digest !== data.tenants.get(tenant)?.digest,
    )
    for (let at = 0; at < changed.length; at += TENANTS_AT_ONCE) {
      const some = changed.slice(at, at + TENANTS_AT_ONCE)
      const written = await Promise.all(
        some.map(tenant =>
          this.#writeTenant(tenant, version, known.whole ? known.tenants.get(tenant) : undefined, data),
        ),
      )
      if (written.includes(false)) return this.#stale()
    }
    const manifest = manifestId(version.epoch, version.generation)
    await store.putRootManifest(manifest, writeRootManifest(data, signer))
    const result = await store.commit({ ...version, manifest })
    if (result !== 'OK') return this.#stale()
    this.#committed = version
    this.#hasBegun = true
    this.#known = inForce(data)
    if (!(await this.#heads.settle(data, version, version))) return this.#stale()
    return { outcome: 'published', version, data }
  }

  /** False: a newer writer was here. `before`: what is in the store for certain. */
  async #writeTenant(
    tenant: string,
    place: Place,
    before: TenantInForce | undefined,
    { tenants }: SnapshotData,
  ): Promise<boolean> {
    const { store } = this.#options
    const content = tenants.get(tenant)
    const texts = textsOf(content)
    const had = new Set(before?.entries.map(entry => entry.digest))
    const added = [...texts.keys()].filter(digest => !had.has(digest))
    const dropped = [...had].filter(digest => !texts.has(digest))
    const manifests = [content?.digest, before?.digest].filter(digest => digest !== undefined)
    const pieces: Piece[] = [
      ...[...added, ...dropped].map((digest): Piece => `item:${digest}`),
      ...manifests.map((digest): Piece => `manifest:${digest}`),
    ]
    if (!(await store.touch(tenant, place, pieces))) return false
    if (content === undefined) return true
    const missing = await store.missing(tenant, added)
    if (missing.length > 0) {
      await store.putItems(tenant, new Map(missing.map(digest => [digest, texts.get(digest) ?? ''])))
    }
    await store.putTenantManifest(tenant, content.digest, content.manifest)
    return true
  }

  #stale(): Published {
    const message = `another writer took this gateway over after epoch ${this.#epoch}; this one publishes no more`
    return { outcome: 'stale', message }
  }
}

function textsOf(content: TenantData | undefined): Map<string, string> {
  return new Map(content?.entries.map((entry, at) => [entry.digest, content.texts[at] ?? '']))
}

function unchanged({ epoch, generation, digest }: Head, data: SnapshotData): Published {
  return { outcome: 'unchanged', version: { epoch, generation, digest }, data }
}
