// What a reconciliation ends with.

/** When to look again, in milliseconds; undefined: when something changes. */
export interface Reconciled {
  readonly requeueAfterMs?: number | undefined
}
