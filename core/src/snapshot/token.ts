// The shape of virtual keys' tokens: what a fresh one looks like and what one brought by a user must have.
import { randomBytes } from 'node:crypto'

/** What every token that the gateway makes begins with. */
const TOKEN_PREFIX = 'sk-sf-'

/** Tokens that users bring need at least this many characters; shorter ones could be guessed. */
export const TOKEN_MIN_LENGTH = 32

/** A fresh random token: the prefix and 48 hex digits (192 bits). */
export function newToken(): string {
  return TOKEN_PREFIX + randomBytes(24).toString('hex')
}
