// Pauses between attempts at a server that does not answer.

/** Bounds of a pause, milliseconds. */
export interface BackoffBounds {
  readonly firstMs: number
  readonly mostMs: number
}

/**
 * Milliseconds to wait after so many failures in a row (from 1): doubled with each, of which a random half is taken off, so
 * that pods do not come back in step.
 */
export function backoff(failures: number, { firstMs, mostMs }: BackoffBounds): number {
  const most = Math.min(mostMs, firstMs * 2 ** Math.min(failures - 1, 30))
  return Math.round(most * (0.5 + Math.random() / 2))
}
