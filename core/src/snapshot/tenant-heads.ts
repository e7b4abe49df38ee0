// The heads of single tenants, for readers that may see no other: a sidecar beside an application. Each follows the
// gateway's head, which alone decides.
import type { ConfigStore, Place } from './config-store.ts'
import { manifestId } from './keys.ts'
import { writeRootManifest } from './manifest.ts'
import type { Signer } from './signing.ts'
import { contentDigest, type SnapshotData, type TenantData } from './snapshot-data.ts'

/** Heads written at a time. */
const AT_ONCE = 16

/**
 * One writer's knowledge of the tenants' heads. A writer with a fresh epoch writes them all, so that an earlier one that
 * was held up cannot put an old one in force behind it.
 */
export class TenantHeads {
  readonly #store: ConfigStore
  readonly #signer: Signer
  /** Content digests by tenant; undefined: this writer has not looked. */
  #known: Map<string, string> | undefined

  constructor(store: ConfigStore, signer: Signer) {
    this.#store = store
    this.#signer = signer
  }

  /** Reads what is there instead of writing it all: for a configuration that was in force before this writer came. */
  async look(data: SnapshotData): Promise<void> {
    if (this.#known !== undefined) return
    const known = new Map<string, string>()
    for (const tenant of new Set([...data.tenants.keys(), ...(await this.#store.tenantsWithHeads())])) {
      known.set(tenant, (await this.#store.readerOf(tenant).head())?.digest ?? '')
    }
    this.#known = known
  }

  /** The store is not to be trusted any more, or the epoch is a new one. */
  forget(): void {
    this.#known = undefined
  }

  /**
   * Brings every tenant's head to this configuration, which is in force as `place`. `as`: who writes. False: something
   * newer is there.
   */
  async settle(data: SnapshotData, place: Place, as: Place): Promise<boolean> {
    this.#known ??= new Map((await this.#store.tenantsWithHeads()).map(tenant => [tenant, '']))
    const known = this.#known
    const wanted = [...new Set([...data.tenants.keys(), ...known.keys()])].flatMap(tenant => {
      const content = data.tenants.get(tenant)
      const digest = contentDigest(data.settings, only(tenant, content))
      return known.get(tenant) === digest ? [] : [{ tenant, content, digest }]
    })
    for (let at = 0; at < wanted.length; at += AT_ONCE) {
      const some = wanted.slice(at, at + AT_ONCE)
      const done = await Promise.all(some.map(each => this.#write({ ...each, place, as, settings: data.settings })))
      if (done.includes(false)) return false
      for (const { tenant, digest } of some) known.set(tenant, digest)
    }
    return true
  }

  async #write({ tenant, content, digest, place, as, settings }: Write): Promise<boolean> {
    const { epoch, generation } = place
    const version = { epoch, generation, digest }
    const root = { version, settings, tenants: only(tenant, content), signedRoot: undefined }
    const manifest = manifestId(epoch, generation)
    if (!(await this.#store.touch(tenant, as, [`root:${manifest}`]))) return false
    await this.#store.putTenantRoot(tenant, manifest, writeRootManifest(root, this.#signer))
    return (await this.#store.commitTenant(tenant, { ...version, manifest })) === 'OK'
  }
}

interface Write {
  readonly tenant: string
  readonly content: TenantData | undefined
  readonly digest: string
  readonly place: Place
  readonly as: Place
  readonly settings: SnapshotData['settings']
}

/** A tenant that is gone has a root without tenants: its readers must let go of it. */
function only(tenant: string, content: TenantData | undefined): ReadonlyMap<string, TenantData> {
  return new Map(content === undefined ? [] : [[tenant, content]])
}
