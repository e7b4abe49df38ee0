// The tokens of a virtual key's Secret: the one in force and, while a rotation overlaps, the one before.
import { z } from 'zod'
import { TOKEN_SECRET_KEY, type VirtualKey } from '../resources/virtual-key.ts'
import { TOKEN_MIN_LENGTH } from '../snapshot/token.ts'
import type { Scope } from './scope.ts'

/** The key of a key's Secret that holds the token before the last rotation. */
const PREVIOUS_TOKEN_KEY = 'previousToken'

/** The key of a key's Secret that holds when the previous token stops working, in RFC 3339. */
const PREVIOUS_EXPIRES_KEY = 'previousExpires'

const PLAIN = /^[\x21-\x7e]+$/
const Time = z.iso.datetime({ offset: true })

/** Where a key's token is: a Secret of its namespace and a key of it. */
export interface TokenPlace {
  readonly namespace: string
  readonly secretName: string
  readonly key: string
}

/** A key's tokens in plain. `expiresAt` is in epoch milliseconds. */
export interface KeyTokens {
  readonly token: string
  readonly previous: { readonly token: string; readonly expiresAt: number } | undefined
}

/** The place of a virtual key's token. */
export function tokenPlace({ metadata, spec }: VirtualKey): TokenPlace {
  const ref = spec.keyFrom?.secretRef
  return {
    namespace: metadata.namespace,
    secretName: ref?.name ?? spec.secretName ?? `${metadata.name}-key`,
    key: ref?.key ?? TOKEN_SECRET_KEY,
  }
}

/** The key's tokens, or undefined when there is none to serve it with; what is wrong is written down. */
export function tokensOf(key: VirtualKey, scope: Scope): KeyTokens | undefined {
  const place = tokenPlace(key)
  const name = `${place.namespace}/${place.secretName}`
  const values = scope.secrets.get(name) ?? {}
  const token = values[place.key]?.trim()
  if (token === undefined || token === '') {
    scope.book.unresolved(
      key,
      'SecretNotFound',
      `Secret ${name} with the key ${place.key} is not there; create it with the token`,
    )
    return undefined
  }
  if (isStrong(token)) return { token, previous: previousOf(values, token, note => scope.book.note(key, note)) }
  const wanted = `at least ${TOKEN_MIN_LENGTH} characters, without spaces`
  scope.book.reject(
    key,
    'Invalid',
    `the token in Secret ${name} is too easy to guess or not plain text; it needs ${wanted}`,
  )
  return undefined
}

function isStrong(token: string): boolean {
  return token.length >= TOKEN_MIN_LENGTH && PLAIN.test(token)
}

/** A previous token without a time at which it ends would work for ever: it counts only with one. */
function previousOf(
  values: Readonly<Record<string, string>>,
  token: string,
  note: (text: string) => void,
): KeyTokens['previous'] {
  const previous = values[PREVIOUS_TOKEN_KEY]?.trim() ?? ''
  if (previous === '' || previous === token) return undefined
  const expires = values[PREVIOUS_EXPIRES_KEY]?.trim()
  const known = Time.safeParse(expires).success
  if (known && isStrong(previous)) return { token: previous, expiresAt: Date.parse(expires ?? '') }
  const why = known
    ? `is too easy to guess or not plain text`
    : `has no ${PREVIOUS_EXPIRES_KEY} beside it that is a time like 2027-01-31T00:00:00Z`
  note(`the Secret's ${PREVIOUS_TOKEN_KEY} ${why}, so it is refused`)
  return undefined
}
