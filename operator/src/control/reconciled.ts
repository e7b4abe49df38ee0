// What a reconciliation ends with.

/** When to look again, in milliseconds; undefined: when something changes. */
export interface Reconciled {
  readonly requeueAfterMs?: number | undefined
}

/** The earlier of two times, or the shorter of two waits; undefined stands for never. */
export function soonest(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return Math.min(a, b)
}
