// Audit records and contents as stores keep them: a record is at most 4 KB of JSON, content is bytes, compressed when long.
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { AuditContent, AuditEntry, AuditRecord } from '../ports/audit-log.ts'

/** Most bytes of a record's JSON. */
export const MAX_RECORD_BYTES = 4096

/** Of a character (UTF-16 unit). */
const MOST_BYTES = 3

/** What may be kept of each text and list of a record that is too long, from the first try to the last. */
const CUTS = [
  { text: 512, list: 16 },
  { text: 128, list: 8 },
  { text: 48, list: 3 },
  { text: 16, list: 1 },
]

/** A record as compact JSON within the limit: long texts and lists are cut, its id and tenant never. */
export function recordText(record: AuditRecord): string {
  const whole = JSON.stringify(record)
  if (whole.length * MOST_BYTES <= MAX_RECORD_BYTES || Buffer.byteLength(whole) <= MAX_RECORD_BYTES) return whole
  let text = whole
  for (const cut of CUTS) {
    text = JSON.stringify(record, (name, value: unknown) => shortened(name, value, cut))
    if (Buffer.byteLength(text) <= MAX_RECORD_BYTES) break
  }
  return text
}

function shortened(name: string, value: unknown, most: { readonly text: number; readonly list: number }): unknown {
  if (Array.isArray(value)) return value.slice(0, most.list)
  if (typeof value !== 'string' || name === 'id' || name === 'tenant' || value.length <= most.text) return value
  return `${value.slice(0, most.text).toWellFormed()}…`
}

/** Reads what `recordText` wrote; undefined for anything else. */
export function readRecord(text: string): AuditRecord | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isRecord(value: unknown): value is AuditRecord {
  if (typeof value !== 'object' || value === null) return false
  return 'id' in value && 'at' in value && 'tenant' in value && 'provider' in value && 'model' in value
}

const PLAIN = 0
const DEFLATED = 1
const HEAD_BYTES = 5

/** Both sides in one value: how it is kept (a byte), the request's length (4 bytes), the request, the response. */
export function packContent({ request, response }: AuditContent, compressFromBytes: number): Buffer {
  const deflate = request.byteLength + response.byteLength > compressFromBytes
  const head = Buffer.allocUnsafe(HEAD_BYTES)
  head[0] = deflate ? DEFLATED : PLAIN
  head.writeUInt32BE(request.byteLength, 1)
  if (!deflate) return Buffer.concat([head, request, response])
  return Buffer.concat([head, deflateRawSync(Buffer.concat([request, response]), { level: 1 })])
}

/** Reads what `packContent` wrote; undefined for anything else. Bytes that are no UTF-8 come as U+FFFD. */
export function readContent(packed: Buffer): AuditEntry['content'] {
  const kept = packed[0]
  if (packed.byteLength < HEAD_BYTES || (kept !== PLAIN && kept !== DEFLATED)) return undefined
  try {
    const body = packed.subarray(HEAD_BYTES)
    const bytes = kept === DEFLATED ? inflateRawSync(body) : body
    const length = packed.readUInt32BE(1)
    return { request: bytes.toString('utf8', 0, length), response: bytes.toString('utf8', length) }
  } catch {
    return undefined
  }
}
