// Where the configuration comes from. Exchanges take the current snapshot at the door and keep it.
import type { Snapshot } from '@smartflow/core/snapshot/view'

export interface SnapshotSource {
  /** The newest complete snapshot, or undefined before the first. */
  current(): Snapshot | undefined
  /** Follows until stopped; resolves when a first snapshot is there (from the store, or the last good on disk). */
  start(): Promise<void>
  stop(): Promise<void>
  /** Why the newest publication is not served, if so. */
  problem(): string | undefined
}
