// A ConfigStore in memory: for tests, and for a standalone run without a store of its own.
import type { CommitResult, ConfigReader, ConfigStore, Head, Place } from './config-store.ts'
import type { Piece } from './keys.ts'

/** Holds everything in maps that anybody may look into; `texts` is keyed as the parts of a key joined by a space. */
export class MemoryConfigStore implements ConfigStore {
  readonly texts = new Map<string, string>()
  readonly tenantHeads = new Map<string, Head>()
  readonly #touched = new Map<string, Place>()
  #head: Head | undefined
  #claimed = 0

  /** Loses everything, as a store that came up empty. */
  clear(): void {
    this.texts.clear()
    this.tenantHeads.clear()
    this.#touched.clear()
    this.#head = undefined
    this.#claimed = 0
  }

  async head(): Promise<Head | undefined> {
    return this.#head
  }

  async rootManifest(id: string): Promise<string | undefined> {
    return this.texts.get(`root ${id}`)
  }

  async tenantManifest(tenant: string, digest: string): Promise<string | undefined> {
    return this.texts.get(`manifest ${tenant} ${digest}`)
  }

  async items(tenant: string, digests: readonly string[]): Promise<readonly (string | undefined)[]> {
    return digests.map(digest => this.texts.get(`item ${tenant} ${digest}`))
  }

  async claimEpoch(floor: number): Promise<number> {
    this.#claimed = Math.max(this.#head?.epoch ?? 0, this.#claimed, floor) + 1
    return this.#claimed
  }

  /** Nothing is ever removed here, so that the pieces do not matter. */
  async touch(tenant: string, place: Place, _pieces: readonly Piece[]): Promise<boolean> {
    const before = this.#touched.get(tenant)
    if (before !== undefined && isOlder(place, before)) return false
    this.#touched.set(tenant, place)
    return true
  }

  async missing(tenant: string, digests: readonly string[]): Promise<readonly string[]> {
    return digests.filter(digest => !this.texts.has(`item ${tenant} ${digest}`))
  }

  async putItems(tenant: string, items: ReadonlyMap<string, string>): Promise<void> {
    for (const [digest, text] of items) this.texts.set(`item ${tenant} ${digest}`, text)
  }

  async putTenantManifest(tenant: string, digest: string, text: string): Promise<void> {
    this.texts.set(`manifest ${tenant} ${digest}`, text)
  }

  async putRootManifest(id: string, text: string): Promise<void> {
    this.texts.set(`root ${id}`, text)
  }

  async commit(head: Head): Promise<CommitResult> {
    const result = judge(head, this.#head, this.#claimed)
    if (result === 'OK') this.#head = head
    return result
  }

  readerOf(tenant: string): ConfigReader {
    return {
      head: async () => this.tenantHeads.get(tenant),
      rootManifest: async id => this.texts.get(`root ${tenant} ${id}`),
      tenantManifest: (name, digest) => this.tenantManifest(name, digest),
      items: (name, digests) => this.items(name, digests),
    }
  }

  async putTenantRoot(tenant: string, id: string, text: string): Promise<void> {
    this.texts.set(`root ${tenant} ${id}`, text)
  }

  async commitTenant(tenant: string, head: Head): Promise<CommitResult> {
    const result = judge(head, this.tenantHeads.get(tenant), 0)
    if (result === 'OK') this.tenantHeads.set(tenant, head)
    return result
  }

  async tenantsWithHeads(): Promise<readonly string[]> {
    return [...this.tenantHeads.keys()]
  }
}

function judge(head: Head, current: Head | undefined, claimed: number): CommitResult {
  if (head.epoch < (current?.epoch ?? -1) || head.epoch < claimed) return 'STALE_EPOCH'
  return head.epoch === current?.epoch && head.generation <= current.generation ? 'STALE_GEN' : 'OK'
}

function isOlder(a: Place, b: Place): boolean {
  return a.epoch < b.epoch || (a.epoch === b.epoch && a.generation < b.generation)
}
