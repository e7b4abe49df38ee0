// Payment card numbers: the ranges and lengths of the schemes, the check digit, and the ways they are written.
import type { Run } from './run.ts'

/** First digits and lengths by scheme. */
const SCHEMES: readonly (readonly [RegExp, ReadonlySet<number>])[] = [
  [/^4/, new Set([13, 16, 19])],
  [/^(?:5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)/, new Set([16])],
  [/^3[47]/, new Set([15])],
  [/^(?:6011|64[4-9]|65)/, new Set([16, 17, 18, 19])],
  [/^(?:30[0-5]|309|36|38|39)/, new Set([14, 16])],
  [/^35(?:2[89]|[3-8])/, new Set([16, 17, 18, 19])],
  [/^(?:2131|1800)/, new Set([15])],
  [/^(?:62|81)/, new Set([16, 17, 18, 19])],
  [/^(?:5018|5020|5038|5893|6304|6759|676[1-3])/, new Set([13, 14, 15, 16, 17, 18, 19])],
]
/** Sizes of the groups: fours with a rest, as on Amex and Diners, in halves, after the issuer. */
const WRITTEN = /^(?:\d+|4,4,4,[1-4](?:,[1-3])?|4,6,[45]|8,8|6,(?:[7-9]|1[0-3])|4,4,5|4,5,6)$/

/** The check digit of ISO/IEC 7812. */
function luhn(digits: string): boolean {
  let sum = 0
  for (let i = 0; i < digits.length; i++) {
    const digit = digits.charCodeAt(digits.length - 1 - i) - 48
    const doubled = digit * 2
    if (i % 2 === 0) sum += digit
    else sum += doubled > 9 ? doubled - 9 : doubled
  }
  return sum % 10 === 0
}

/** The check digit of an EAN-13: the oldest Visa cards are as long, and articles are more common. */
function isArticle(digits: string): boolean {
  let sum = 0
  for (let i = 0; i < digits.length; i++) sum += (digits.charCodeAt(i) - 48) * (i % 2 === 0 ? 1 : 3)
  return digits.length === 13 && sum % 10 === 0
}

/** True for digits that a scheme could have given out. */
function isCardNumber(digits: string): boolean {
  const known = SCHEMES.some(([first, lengths]) => lengths.has(digits.length) && first.test(digits))
  return known && luhn(digits) && !isArticle(digits)
}

/** True for a card: one kind of separator, and not a part of a longer number. */
export function isCard(run: Run): boolean {
  if (run.digits.length < 13 || run.digits.length > 19) return false
  const { joins, before, after } = run
  if (joins.some(join => join !== joins[0] || (join !== ' ' && join !== '-'))) return false
  if (before === '-' || before === '.' || after === '.') return false
  if (after === '-' && joins.length === 0) return false
  return run.opens && run.closes && WRITTEN.test(run.sizes.join(',')) && isCardNumber(run.digits)
}
