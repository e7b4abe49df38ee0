// Money: decimal strings outside, whole micro-dollars inside (design: floats refuse calls that are inside their
// budget).

/** A whole number of micro-dollars (1 USD = 1,000,000). Always a safe integer; never a float. */
export type Micros = number

const PATTERN = /^(\d{1,9})(?:\.(\d{1,6}))?$/

/**
 * Reads a decimal string of dollars ("12.50") as micro-dollars. Throws a RangeError for anything the CRD pattern
 * refuses.
 */
export function parseUSD(text: string): Micros {
  const match = PATTERN.exec(text)
  if (!match) throw new RangeError(`"${text}" is not an amount in dollars: write up to 9 digits and up to 6 decimals`)
  return Number(match[1]) * 1_000_000 + Number((match[2] ?? '').padEnd(6, '0'))
}

/** Writes micro-dollars as a decimal string without trailing zeros, as headers and logs show it ("0.000123", "5"). */
export function formatUSD(micros: Micros): string {
  // Up to 15 digits a double prints exactly what it was given, and so much cheaper than by hand.
  if (Math.abs(micros) <= 1e15) return String(micros / 1_000_000)
  const fraction = String(Math.abs(micros) % 1_000_000)
    .padStart(6, '0')
    .replace(/0+$/, '')
  const whole = String(Math.trunc(micros / 1_000_000))
  return fraction === '' ? whole : `${whole}.${fraction}`
}
