// The Secret that holds a virtual key's token: what is to be written now, and when to look again. The token in force is
// never lost: it leaves its place only for the place of the previous one.
import { TOKEN_SECRET_KEY } from '@smartflow/core/resources/virtual-key'
import { TOKEN_MIN_LENGTH } from '@smartflow/core/snapshot/token'
import type { KubeObject, NewObject } from '../api/resource-type.ts'
import {
  createdSecret,
  dataOf,
  type Entries,
  isOfKey,
  type Key,
  OWNER_KIND,
  type Patch,
  patchTo,
  ROTATED_AT,
  secretNameOf,
} from './key-secret-object.ts'
import { type Rotation, rotationOf, type Stored, type Tokens } from './rotation.ts'

export interface KeySecretInput {
  readonly key: Key
  /** The Secret as it is; undefined when there is none. */
  readonly live: KubeObject | undefined
  /** Milliseconds since 1970. */
  readonly now: number
  readonly newToken: () => string
  /** Where pods of the cluster reach the gateway; kept beside the token for applications. */
  readonly url: string
}

/** One write. A patch holds only for the Secret it was made from. */
export type KeySecretWrite =
  | { readonly kind: 'create'; readonly object: NewObject }
  | { readonly kind: 'patch'; readonly name: string; readonly namespace: string; readonly operations: Patch }

export interface KeySecretPlan {
  /** Undefined when everything is as it should be. */
  readonly write: KeySecretWrite | undefined
  /** The tokens that are good once the write is done; undefined when there are none. The key's public id comes from `current`. */
  readonly tokens: Tokens | undefined
  /** True when the write replaces a token that was in force. */
  readonly rotates: boolean
  readonly rotatedAt: number | undefined
  readonly nextRotation: number | undefined
  /** When something changes by itself: a rotation or the end of an overlap. */
  readonly again: number | undefined
  /** Why nothing can be written, and what to do. */
  readonly problem: string | undefined
}

const NO_TIMES: Stored = { rotatedAt: undefined, previousToken: undefined, previousExpires: undefined }

const NOTHING: KeySecretPlan = {
  write: undefined,
  tokens: undefined,
  rotates: false,
  rotatedAt: undefined,
  nextRotation: undefined,
  again: undefined,
  problem: undefined,
}

/** What to do about a key's Secret now; nothing for a key that brings its token. Throws for a key without a uid. */
export function keySecret(input: KeySecretInput): KeySecretPlan {
  const { key, live, now, newToken, url } = input
  if (key.spec.keyFrom !== undefined) return NOTHING
  if (live === undefined) {
    const rotation = rotationOf({ spec: key.spec.rotation, current: newToken(), stored: NO_TIMES, now, newToken })
    const object = createdSecret(key, entriesOf(rotation, url), rotation.rotatedAt)
    return { ...outcome(rotation), write: { kind: 'create', object } }
  }
  const problem = problemOf(key, live)
  if (problem !== undefined) return { ...NOTHING, problem }
  const { current = newToken(), stored } = read(live)
  const rotation = rotationOf({ spec: key.spec.rotation, current, stored, now, newToken })
  const operations = patchTo(key, live, { entries: entriesOf(rotation, url), rotatedAt: rotation.rotatedAt })
  if (operations.length === 0) return outcome(rotation)
  const { namespace } = key.metadata
  return { ...outcome(rotation), write: { kind: 'patch', name: secretNameOf(key), namespace, operations } }
}

function outcome({ tokens, rotates, rotatedAt, nextRotation }: Rotation): KeySecretPlan {
  const times = [nextRotation, tokens.previous?.expires].filter(time => time !== undefined)
  const again = times.length === 0 ? undefined : Math.min(...times)
  return { ...NOTHING, tokens, rotates, rotatedAt, nextRotation, again }
}

/** Every entry that is ours; undefined ones must not be there. */
function entriesOf({ tokens: { current, previous } }: Rotation, url: string): Entries {
  return {
    [TOKEN_SECRET_KEY]: current,
    previousToken: previous?.token,
    previousExpires: previous && new Date(previous.expires).toISOString(),
    url,
  }
}

/** A Secret that is somebody else's, or that is going, is left alone. */
function problemOf(key: Key, live: KubeObject): string | undefined {
  const name = `Secret ${key.metadata.namespace}/${secretNameOf(key)}`
  const { deletionTimestamp, ownerReferences = [] } = live.metadata
  if (deletionTimestamp !== undefined) return `${name} is being deleted; a new one is made when it is gone`
  if (!isOfKey(key, live)) {
    return `${name} exists and is not this key's: delete it, choose another secretName, or name it in keyFrom`
  }
  // The token of a former key of the same name was revoked with that key.
  const former = ownerReferences.some(({ kind, uid }) => kind === OWNER_KIND && uid !== key.metadata.uid)
  return former ? `${name} belongs to a former VirtualKey of this name; a new one is made when it is gone` : undefined
}

/** The Secret's entries. A token that somebody took out, or made too short to be safe, is made anew, and its interval begins anew. */
function read(live: KubeObject): { current: string | undefined; stored: Stored } {
  const entries = entriesIn(live)
  const token = entries[TOKEN_SECRET_KEY] ?? ''
  const current = token.length >= TOKEN_MIN_LENGTH ? token : undefined
  const rotatedAt = current === undefined ? undefined : timeOf(live.metadata.annotations?.[ROTATED_AT])
  const previousExpires = timeOf(entries['previousExpires'])
  return { current, stored: { rotatedAt, previousToken: entries['previousToken'], previousExpires } }
}

function entriesIn(live: KubeObject): Record<string, string> {
  const texts = Object.entries(dataOf(live) ?? {})
  return Object.fromEntries(texts.map(([name, value]) => [name, Buffer.from(value, 'base64').toString()]))
}

function timeOf(text: string | undefined): number | undefined {
  const time = Date.parse(text ?? '')
  return Number.isNaN(time) ? undefined : time
}
