// Request ids: random UUIDs (RFC 9562, version 4) as flat strings, many made at once. `crypto.randomUUID` gives a rope of
// pieces; everybody who writes one afterwards (three headers, ledger, record) pays more for that than the id itself costs.
import { randomFillSync } from 'node:crypto'

const AT_ONCE = 128
const BYTES = 16
const LETTERS = 36
const DIGITS = Buffer.from('0123456789abcdef')
/** Bytes in front of which a dash stands. */
const DASHES = new Set([4, 6, 8, 10])

const random = Buffer.alloc(BYTES * AT_ONCE)
const text = Buffer.alloc(LETTERS * AT_ONCE, '-')
let next = AT_ONCE

/** A new id. */
export function requestId(): string {
  if (next === AT_ONCE) refill()
  const at = LETTERS * next++
  return text.toString('latin1', at, at + LETTERS)
}

function refill(): void {
  randomFillSync(random)
  for (let place = 0; place < AT_ONCE; place++)
    write(random.subarray(BYTES * place, BYTES * (place + 1)), LETTERS * place)
  next = 0
}

function write(bytes: Buffer, at: number): void {
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  let letter = at
  for (let place = 0; place < BYTES; place++) {
    const byte = bytes[place] ?? 0
    if (DASHES.has(place)) letter++
    text[letter++] = DIGITS[byte >> 4] ?? 0
    text[letter++] = DIGITS[byte & 0x0f] ?? 0
  }
}
