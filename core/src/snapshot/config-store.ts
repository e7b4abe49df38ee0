// The two ports to wherever published configuration lies: what followers read, and what the one writer does besides.
import type { Piece } from './keys.ts'
import type { Version } from './snapshot-data.ts'

/** What is in force. `manifest` is the id of the root manifest, `<epoch>.<generation>`. */
export interface Head extends Version {
  readonly manifest: string
}

/** An epoch and a generation in it. */
export type Place = Pick<Version, 'epoch' | 'generation'>

/**
 * Reads published configuration. Every method rejects when the store cannot be asked; that is never an empty
 * configuration.
 */
export interface ConfigReader {
  /** Undefined: nothing was ever published, or the store lost it. */
  head(): Promise<Head | undefined>
  /** The signed root manifest, or undefined when the store does not have it. */
  rootManifest(id: string): Promise<string | undefined>
  tenantManifest(tenant: string, digest: string): Promise<string | undefined>
  /** Items in the order asked for; undefined for those that the store does not have. */
  items(tenant: string, digests: readonly string[]): Promise<readonly (string | undefined)[]>
}

/** What a commit came to: a newer writer is at work (STALE_EPOCH), or this generation is not newer (STALE_GEN). */
export type CommitResult = 'OK' | 'STALE_EPOCH' | 'STALE_GEN'

/**
 * Writes configuration. Nothing is in force before `commit`; what is written is addressed by its content and never
 * changes.
 */
export interface ConfigStore extends ConfigReader {
  /**
   * Takes an epoch above every earlier one and above `floor`; fences off every writer with a lower one, in one step.
   */
  claimEpoch(floor: number): Promise<number>
  /**
   * Says which pieces of a tenant the next generation begins or ceases to refer to. Ask this before `missing`: nothing is
   * removed afterwards that was judged by an earlier state. False: a newer writer was here.
   */
  touch(tenant: string, place: Place, pieces: readonly Piece[]): Promise<boolean>
  /** Those of the digests that the tenant's items lack. */
  missing(tenant: string, digests: readonly string[]): Promise<readonly string[]>
  /** Writes items: digest → canonical JSON. */
  putItems(tenant: string, items: ReadonlyMap<string, string>): Promise<void>
  putTenantManifest(tenant: string, digest: string, text: string): Promise<void>
  putRootManifest(id: string, text: string): Promise<void>
  /** Puts a head in force, in one step; refuses what is not newer. */
  commit(head: Head): Promise<CommitResult>
  /** What readers see that are kept to one tenant: a head and a root of its own, with this tenant alone. */
  readerOf(tenant: string): ConfigReader
  /** Writes a root manifest of one tenant. */
  putTenantRoot(tenant: string, id: string, text: string): Promise<void>
  /** Puts a tenant's own head in force, in one step, and remembers that the tenant has one. */
  commitTenant(tenant: string, head: Head): Promise<CommitResult>
  /** Every tenant that ever had a head of its own. */
  tenantsWithHeads(): Promise<readonly string[]>
}
