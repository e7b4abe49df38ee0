// International bank account numbers: country, length of that country, check digits (ISO 13616).
import type { Sweep } from './sweep.ts'
import { isDigit, isWord, type View } from './view.ts'

/** Length by country, as `CC` followed by two digits. */
const LENGTHS = new Map(
  (
    'AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ' +
    'ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 ' +
    'LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 ' +
    'PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30'
  )
    .split(' ')
    .map(row => [row.slice(0, 2), Number(row.slice(2))]),
)
const START = /(?<=[A-Za-z]{2})\d\d/g
/** Longest in the original text, spaces and invisible characters included. */
const LONGEST = 96
const FEWEST_DIGITS = 8

/** The remainder by 97 with country and check digits moved to the end; 1 is right. */
export function remainder97(iban: string): number {
  let rest = 0
  for (const char of iban.slice(4) + iban.slice(0, 4)) {
    const value = Number.parseInt(char, 36)
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97
  }
  return rest
}

interface Walk {
  /** Letters and digits without separators. */
  readonly value: string
  readonly end: number
  readonly spaced: boolean
  /** True when the text ended first. */
  readonly open: boolean
}

/** A group ends where four characters are full, or when it is of digits only. */
function mayPause(value: string, group: string): boolean {
  return value.length % 4 === 0 || /^\d+$/.test(group)
}

/** Collects as many characters as the country has, through single spaces or dashes between groups. */
function walk(view: View, from: number, length: number): Walk | undefined {
  const { text } = view
  let value = text.slice(from, from + 4)
  let group = ''
  let spaced = false
  let index = from + 4
  while (value.length < length) {
    const code = text.charCodeAt(index)
    if (index < text.length && isWord(code) && code !== 95) {
      group += text.charAt(index)
      value += text.charAt(index)
    } else if (index >= text.length) {
      return { value, end: index, spaced, open: true }
    } else {
      const next = text.charCodeAt(index + 1)
      const joins = (code === 32 || code === 45) && (index + 1 === text.length || (isWord(next) && next !== 95))
      if (!joins || !mayPause(value, group)) return undefined
      spaced = true
      group = ''
    }
    index++
  }
  return { value, end: index, spaced, open: false }
}

/** Small letters are right only throughout, and not in groups: there they are words. */
function isWritten(value: string, spaced: boolean): boolean {
  if (value !== value.toUpperCase() && (spaced || value !== value.toLowerCase())) return false
  let digits = 0
  for (let i = 0; i < value.length; i++) if (isDigit(value.charCodeAt(i))) digits++
  return digits >= FEWEST_DIGITS
}

/** Notes IBANs. */
export function ibans(view: View, sweep: Sweep): void {
  START.lastIndex = 0
  while (START.test(view.text)) {
    const from = START.lastIndex - 4
    const length = LENGTHS.get(view.text.slice(from, from + 2).toUpperCase())
    const found = length === undefined ? undefined : walk(view, from, length)
    if (found === undefined || view.span(from, found.end) > LONGEST) continue
    if (found.end === view.text.length) sweep.hold(from)
    if (found.open || !isWritten(found.value, found.spaced) || remainder97(found.value) !== 1) continue
    if (!view.closes(found.end)) continue
    if (view.opens(from)) sweep.add('iban', from, found.end)
    else sweep.block(from, found.end)
  }
}
