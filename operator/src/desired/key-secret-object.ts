// A key's Secret as an object: made whole once, changed afterwards by patches that hold only for what was looked at.
import { z } from 'zod'
import { type KubeObject, MANAGED_BY, MANAGED_BY_LABEL, type NewObject } from '../api/resource-type.ts'
import { labelValue, owner } from './names.ts'

const Data = z.record(z.string(), z.string())

/** The annotation with the time of the last rotation; of the first token before that. */
export const ROTATED_AT = 'smartflow.dev/rotated-at'
const KEY_LABEL = 'smartflow.dev/virtual-key'
export const OWNER_KIND = 'VirtualKey'

/** A VirtualKey, as far as its token is concerned. */
export interface Key {
  readonly metadata: { readonly name: string; readonly namespace: string; readonly uid?: string | undefined }
  readonly spec: {
    readonly secretName?: string | undefined
    readonly keyFrom?: unknown
    readonly rotation?: { readonly interval: string; readonly overlap: string } | undefined
  }
}

/** Entries by name; an undefined one must not be there. Other entries of the Secret are left alone. */
export type Entries = Readonly<Record<string, string | undefined>>

/** JSON patch operations (RFC 6902). */
export type Patch = readonly {
  readonly op: 'test' | 'add' | 'remove'
  readonly path: string
  readonly value?: unknown
}[]

/** `spec.secretName`, else the key's name and `-key`. */
export function secretNameOf({ metadata, spec }: Key): string {
  return spec.secretName ?? `${metadata.name}-key`
}

/** The Secret as it is made. Throws for a key without a uid. */
export function createdSecret(key: Key, entries: Entries, rotatedAt: number): NewObject {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: secretNameOf(key),
      namespace: key.metadata.namespace,
      labels: labelsOf(key),
      annotations: { [ROTATED_AT]: new Date(rotatedAt).toISOString() },
      ownerReferences: [owner(OWNER_KIND, key.metadata)],
    },
    type: 'Opaque',
    data: Object.fromEntries(
      Object.entries(entries).flatMap(([name, text]) => (text === undefined ? [] : [[name, base64(text)]])),
    ),
  }
}

/** True for a Secret that the operator made for a key of this name. */
export function isOfKey(key: Key, { metadata }: KubeObject): boolean {
  return Object.entries(labelsOf(key)).every(([name, value]) => metadata.labels?.[name] === value)
}

/** The entries of a Secret as the API server gives them, in base64; undefined without any. */
export function dataOf(secret: KubeObject): Readonly<Record<string, string>> | undefined {
  return Data.safeParse(secret['data']).data
}

/** What makes the live Secret say this; empty when it does. */
export function patchTo(
  key: Key,
  live: KubeObject,
  wanted: { readonly entries: Entries; readonly rotatedAt: number },
): Patch {
  const operations: { op: 'test' | 'add' | 'remove'; path: string; value?: unknown }[] = []
  const data = dataOf(live)
  if (data === undefined) operations.push({ op: 'add', path: '/data', value: {} })
  for (const [name, text] of Object.entries(wanted.entries)) {
    const path = `/data/${name}`
    const value = text === undefined ? undefined : base64(text)
    if (value === data?.[name]) continue
    operations.push(value === undefined ? { op: 'remove', path } : { op: 'add', path, value })
  }
  const { annotations, ownerReferences, resourceVersion } = live.metadata
  const time = new Date(wanted.rotatedAt).toISOString()
  if (annotations === undefined) operations.push({ op: 'add', path: '/metadata/annotations', value: {} })
  if (annotations?.[ROTATED_AT] !== time) {
    operations.push({ op: 'add', path: `/metadata/annotations/${ROTATED_AT.replace('/', '~1')}`, value: time })
  }
  const owned = ownerReferences?.some(({ uid }) => uid === key.metadata.uid) ?? false
  if (!owned) {
    const value = [...(ownerReferences ?? []), owner(OWNER_KIND, key.metadata)]
    operations.push({ op: 'add', path: '/metadata/ownerReferences', value })
  }
  if (operations.length === 0) return []
  // Two operators may look at the same Secret: only one of them replaces the token it saw.
  return [{ op: 'test', path: '/metadata/resourceVersion', value: resourceVersion }, ...operations]
}

function labelsOf(key: Key): Record<string, string> {
  return { [MANAGED_BY_LABEL]: MANAGED_BY, [KEY_LABEL]: labelValue(key.metadata.name) }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}
