// A ConfigStore in memory: for tests, and for a standalone run without a store of its own.
import type { CommitResult, ConfigStore, Head } from './config-store.ts'

/** Holds everything in maps that anybody may look into; `texts` is keyed as the parts of a key joined by a space. */
export class MemoryConfigStore implements ConfigStore {
  readonly texts = new Map<string, string>()
  #head: Head | undefined
  #claimed = 0

  /** Loses everything, as a store that came up empty. */
  clear(): void {
    this.texts.clear()
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
    const current = this.#head
    if (head.epoch < (current?.epoch ?? -1) || head.epoch < this.#claimed) return 'STALE_EPOCH'
    if (head.epoch === current?.epoch && head.generation <= current.generation) return 'STALE_GEN'
    this.#head = head
    return 'OK'
  }
}
