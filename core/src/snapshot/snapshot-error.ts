// Why a published configuration is not taken. Whoever gets one keeps what is in force.

/** What is wrong: something is missing, was changed, or is newer than this program understands. */
export type SnapshotFault =
  | 'MANIFEST_MISSING'
  | 'MANIFEST_INVALID'
  | 'SIGNATURE_INVALID'
  | 'SCHEMA_UNSUPPORTED'
  | 'DIGEST_MISMATCH'
  | 'ITEM_MISSING'
  | 'ITEM_INVALID'

/** A configuration that does not verify. The message names the piece and what to do; `fault` is for metrics. */
export class SnapshotError extends Error {
  override readonly name = 'SnapshotError'
  readonly fault: SnapshotFault

  constructor(fault: SnapshotFault, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.fault = fault
  }
}
