// When a token is replaced and until when the one before stays good. The clock may go backwards: then a rotation comes
// later, never sooner.
import { parseDuration } from '@smartflow/core/resources/metadata'

/** A token and, for one that was replaced, until when it is good (milliseconds since 1970). */
export interface Tokens {
  readonly current: string
  readonly previous: { readonly token: string; readonly expires: number } | undefined
}

/** Tokens after this moment, and the times that belong to them (milliseconds since 1970). */
export interface Rotation {
  readonly tokens: Tokens
  readonly rotates: boolean
  /** From when the interval counts. */
  readonly rotatedAt: number
  /** Undefined for a key without rotation. */
  readonly nextRotation: number | undefined
}

/** What a Secret says; undefined where it says nothing. */
export interface Stored {
  readonly rotatedAt: number | undefined
  readonly previousToken: string | undefined
  readonly previousExpires: number | undefined
}

/**
 * Decides for one moment. `stored` has no times for a token that is just being made.
 * An overlap longer than the interval ends with the interval: only one previous token is kept.
 */
export function rotationOf(given: {
  readonly spec: { readonly interval: string; readonly overlap: string } | undefined
  readonly current: string
  readonly stored: Stored
  readonly now: number
  readonly newToken: () => string
}): Rotation {
  const { spec, current, stored, now, newToken } = given
  if (spec === undefined) {
    const tokens = { current, previous: stillGood(stored, now, Infinity) }
    return { tokens, rotates: false, rotatedAt: stored.rotatedAt ?? now, nextRotation: undefined }
  }
  const interval = parseDuration(spec.interval)
  const overlap = Math.min(parseDuration(spec.overlap), interval)
  const rotatedAt = plausible(stored.rotatedAt, now, interval)
  if (now - rotatedAt < interval) {
    const tokens = { current, previous: stillGood(stored, now, overlap) }
    return { tokens, rotates: false, rotatedAt, nextRotation: rotatedAt + interval }
  }
  const previous = overlap > 0 ? { token: current, expires: now + overlap } : undefined
  return { tokens: { current: newToken(), previous }, rotates: true, rotatedAt: now, nextRotation: now + interval }
}

/** A time that is missing, or further ahead than a rotation could have put it, counts from now on anew. */
function plausible(rotatedAt: number | undefined, now: number, interval: number): number {
  return rotatedAt === undefined || rotatedAt > now + interval ? now : rotatedAt
}

/** The previous token until its time is over; never longer than an overlap from now. */
function stillGood({ previousToken, previousExpires }: Stored, now: number, overlap: number): Tokens['previous'] {
  if (previousToken === undefined || previousExpires === undefined || previousExpires <= now) return undefined
  return { token: previousToken, expires: Math.min(previousExpires, now + overlap) }
}
