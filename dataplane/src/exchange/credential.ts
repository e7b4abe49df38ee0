// The door: a token from the request's headers becomes a key that exists, or a 401. Cheap, and done before the body is read.
import type { Snapshot } from '@smartflow/core/snapshot/view'
import type { CallHeaders } from './call.ts'
import { Refusal } from './refusal.ts'
import type { Presented } from './stage.ts'

/** Longer tokens are no keys of ours; they are not even hashed. */
const MAX_TOKEN_LENGTH = 512

/** Finds the key of `Authorization: Bearer`, `x-api-key` or `api-key`. Throws `key_missing` or `key_invalid`. */
export function present(snapshot: Snapshot, headers: CallHeaders): Presented {
  const token = tokenOf(headers)
  if (token === undefined) {
    throw new Refusal('key_missing', 'No API key was sent. Send your Smartflow key as "Authorization: Bearer sk-sf-…".')
  }
  const found = token.length > MAX_TOKEN_LENGTH ? undefined : snapshot.findKey(token)
  if (!found) {
    throw new Refusal(
      'key_invalid',
      'The API key is not known to this gateway. Check it, or ask your administrator for a Smartflow key (sk-sf-…).',
    )
  }
  return found
}

/** Throws when the key or its tenant may not be used now; every route asks this, not only model calls. */
export function refuseUnusable({ tenant, key, tokenExpiresAt }: Presented, now: number): void {
  if (tokenExpiresAt !== undefined && tokenExpiresAt <= now) {
    throw new Refusal(
      'key_expired',
      `The token of the key "${key.alias}" was replaced, and this one worked until ${new Date(tokenExpiresAt).toISOString()}; use the new one.`,
    )
  }
  if (key.expiresAt !== undefined && key.expiresAt <= now) {
    throw new Refusal(
      'key_expired',
      `The key "${key.alias}" expired on ${new Date(key.expiresAt).toISOString()}; ask for a new one.`,
    )
  }
  if (key.suspended) throw new Refusal('key_suspended', `The key "${key.alias}" is suspended; ask its administrator.`)
  if (tenant.item.suspended)
    throw new Refusal('key_suspended', `The tenant "${tenant.item.name}" is suspended; ask its administrator.`)
}

function tokenOf(headers: CallHeaders): string | undefined {
  const { authorization } = headers
  if (typeof authorization === 'string' && authorization !== '') {
    const token = /^Bearer +(\S+) *$/i.exec(authorization)?.[1]
    if (token !== undefined) return token
    throw new Refusal(
      'key_invalid',
      'The header Authorization holds no Bearer key; send your Smartflow key as "Authorization: Bearer sk-sf-…".',
    )
  }
  const key = headers['x-api-key'] ?? headers['api-key']
  return typeof key === 'string' && key !== '' ? key : undefined
}
