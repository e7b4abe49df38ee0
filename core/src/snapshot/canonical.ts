// Canonical JSON and digests: the same content gives the same text, whoever writes it, so that content can be its own
// address.
import { createHash } from 'node:crypto'

/**
 * JSON with object keys sorted by code units, no white space, `undefined` members left out.
 * Throws a TypeError for what JSON cannot carry (NaN, Infinity, functions, undefined inside a list).
 */
export function canonicalJSON(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJSON).join(',')}]`
  if (typeof value === 'object' && value !== null) return canonicalObject(value)
  return canonicalScalar(value)
}

function canonicalObject(value: object): string {
  const members: string[] = []
  const entries: [string, unknown][] = Object.entries(value)
  entries.sort(([a], [b]) => compareText(a, b))
  for (const [key, member] of entries) {
    if (member !== undefined) members.push(`${JSON.stringify(key)}:${canonicalJSON(member)}`)
  }
  return `{${members.join(',')}}`
}

function canonicalScalar(value: unknown): string {
  const finite = typeof value !== 'number' || Number.isFinite(value)
  const text = finite ? JSON.stringify(value) : undefined
  if (text === undefined)
    throw new TypeError(`${String(value)} has no canonical JSON: only finite numbers, text, booleans, null`)
  return text
}

/** Orders text by code units: the same on every machine, unlike localeCompare. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

/** SHA-256 of the text's UTF-8, 64 hex digits. */
export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
