// Personal data that belongs to nobody, for tests: made from a seed, always the same, with right check digits. Secrets are
// put together here, so that no file holds anything that looks like a live one.
import type { Entity } from '../sweep.ts'

/** A value and what it must be found as. */
export interface PiiValue {
  readonly entity: Entity
  readonly value: string
}

const LOWER = 'abcdefghijklmnopqrstuvwxyz'
const UPPER = LOWER.toUpperCase()
const DIGITS = '0123456789'
const HEX = '0123456789abcdef'
const ALNUM = LOWER + UPPER + DIGITS
const BASE64URL = `${ALNUM}-_`

/** Numbers from a seed (mulberry32). */
class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit)
  }

  pick(list: readonly string[]): string {
    return list[this.below(list.length)] ?? ''
  }

  text(alphabet: string, size: number): string {
    return Array.from({ length: size }, () => alphabet.charAt(this.below(alphabet.length))).join('')
  }

  /** Letters of both cases and digits for certain, so that it is as random as real keys are. */
  key(size: number): string {
    return `a7Qz${this.text(ALNUM, size - 6)}K3`
  }
}

/** The groups of a text, and the rest as a last group. */
function grouped(text: string, sizes: readonly number[], separator: string): string {
  const groups: string[] = []
  let at = 0
  for (const size of sizes) {
    if (at < text.length) groups.push(text.slice(at, at + size))
    at += size
  }
  if (at < text.length) groups.push(text.slice(at))
  return groups.join(separator)
}

/** Puts the Luhn digit behind a payload. */
function withLuhn(payload: string): string {
  let sum = 0
  for (let i = 0; i < payload.length; i++) {
    const digit = Number(payload.charAt(payload.length - 1 - i)) * (i % 2 === 0 ? 2 : 1)
    sum += digit > 9 ? digit - 9 : digit
  }
  return payload + String((10 - (sum % 10)) % 10)
}

const FOURS = [4, 4, 4, 4]
const AMEX = [4, 6, 5]
/** Beginnings of the schemes' test ranges, the length, the groups. */
const CARDS: readonly (readonly [string, number, readonly number[]])[] = [
  ['411111', 16, FOURS],
  ['424242', 16, FOURS],
  ['400005', 16, FOURS],
  ['401288', 16, FOURS],
  ['400000', 19, FOURS],
  ['555555', 16, FOURS],
  ['510510', 16, FOURS],
  ['222100', 16, FOURS],
  ['272099', 16, FOURS],
  ['378282', 15, AMEX],
  ['371449', 15, AMEX],
  ['601111', 16, FOURS],
  ['644564', 16, FOURS],
  ['650002', 16, FOURS],
  ['305693', 14, [4, 6, 4]],
  ['385200', 14, [4, 6, 4]],
  ['352800', 16, FOURS],
  ['356600', 16, FOURS],
  ['620000', 16, FOURS],
  ['620512', 19, FOURS],
  ['675964', 16, FOURS],
  ['501800', 16, FOURS],
  ['630495', 18, FOURS],
]

function cards(dice: Dice): string[] {
  return CARDS.flatMap(([first, size, groups]) =>
    ['', ' ', '-', '\u00A0', '\u2011', ''].map(separator => {
      const digits = withLuhn(first + dice.text(DIGITS, size - first.length - 1))
      return separator === '' ? digits : grouped(digits, groups, separator)
    }),
  )
}

function ssns(dice: Dice): string[] {
  return Array.from({ length: 60 }, (_, i) => {
    const area = String(1 + dice.below(665)).padStart(3, '0')
    const rest = String(1 + dice.below(99)).padStart(2, '0') + String(1 + dice.below(9999)).padStart(4, '0')
    return grouped(area + rest, [3, 2], ['-', ' ', '.', '\u2013'][i % 4] ?? '-')
  })
}

const NAMES = ['jane', 'john.doe', 'amélie', 'o_brien', 'x', 'first.middle.last', 'sales+eu', 'a-b', 'user42', 'J.R']
const HOSTS = ['example.com', 'example.co.uk', 'mail.example.org', 'ex-ample.net', 'müller.example', 'a.b.c.example.io']

function emails(): string[] {
  return NAMES.flatMap(name => HOSTS.map(host => `${name}@${host}`))
}

/** `#` is any digit. */
const PHONES = [
  '+1 415 555 01##',
  '+1-212-555-01##',
  '+1 (312) 555-01##',
  '(415) 555-01##',
  '415-555-01##',
  '212.555.01##',
  '1-800-555-01##',
  '+44 20 7946 09##',
  '+44 (0)20 7946 09##',
  '020 7946 09##',
  '07700 9009##',
  '+49 30 901820##',
  '+49 151 234567##',
  '030 901820##',
  '0171/23456##',
  '+33 1 99 00 12 ##',
  '01 99 00 12 ##',
  '01.99.00.12.##',
  '+34 612 34 56 ##',
  '+39 06 698 12 3##',
  '+31 6 123456##',
  '+41 44 668 18 ##',
  '+81 3-1234-56##',
  '+86 138 0013 80##',
  '+91 98765 432##',
  '+55 11 91234-56##',
  '+61 2 5550 12##',
  '+353 1 234 56##',
  '+971 50 123 45##',
  '+14155550##0',
  '+4915123456###',
  '0033 1 99 00 12 ##',
  '(030) 123 45##',
  '+1.415.555.01##',
  '+44\u00A020\u00A07946\u00A009##',
]

function phones(dice: Dice): string[] {
  return [...PHONES, ...PHONES, ...PHONES].map(form => form.replaceAll('#', () => dice.text(DIGITS, 1)))
}

/** Country and the account part: `#` a digit, letters as they are. */
const IBANS = [
  'DE##################',
  'GBWEST##############',
  'FR#######################',
  'NLABNA##########',
  'ES####################',
  'IEAIBK##############',
  'BE############',
  'ATX################'.replace('X', ''),
  'CH#################',
  'ITX######################',
  'PL########################',
  'PT#####################',
  'SE####################',
  'NO###########',
  'DK##############',
  'FI##############',
  'MTMALT#####0012345MTLCAST001S',
  'SA####################',
]

function ibans(dice: Dice): string[] {
  return IBANS.flatMap(form =>
    ['', ' ', ' ', '-'].map((separator, i) => {
      const country = form.slice(0, 2)
      const account = form.slice(2).replaceAll('#', () => dice.text(DIGITS, 1))
      let rest = 0
      for (const char of `${account}${country}00`) {
        const value = Number.parseInt(char, 36)
        rest = (rest * (value > 9 ? 100 : 10) + value) % 97
      }
      const iban = `${country}${String(98 - rest).padStart(2, '0')}${account}`
      const spaced = separator === '' ? iban : grouped(iban, Array<number>(9).fill(4), separator)
      return i === 0 && dice.below(3) === 0 ? spaced.toLowerCase() : spaced
    }),
  )
}

function secrets(dice: Dice): string[] {
  const once = () => [
    `sk-${dice.key(48)}`,
    `sk-proj-${dice.key(60)}`,
    `${'sk-ant'}-api03-${dice.key(80)}AA`,
    `sk-sf-${dice.text(HEX, 44)}a1b2`,
    `AK${'IA'}${dice.text(UPPER + DIGITS, 10)}7QX2ZB`,
    `gh${dice.pick(['p', 'o', 's', 'u', 'r'])}_${dice.key(36)}`,
    `github${'_pat'}_${dice.key(22)}_${dice.key(59)}`,
    `xox${dice.pick(['b', 'p', 'a'])}-${dice.text(DIGITS, 12)}-${dice.key(24)}`,
    `AI${'za'}${dice.key(35)}`,
    `${dice.pick(['sk', 'rk'])}_${dice.pick(['live', 'test'])}_${dice.key(24)}`,
    `eyJ${dice.key(33)}.eyJ${dice.key(90)}.${dice.text(BASE64URL, 42)}x`,
    `eyJ${dice.key(33)}.eyJ${dice.key(700)}.${dice.text(BASE64URL, 340)}x`,
    ['RSA ', 'EC ', ''].map(kind => keyBlock(dice, kind))[dice.below(3)] ?? '',
  ]
  return Array.from({ length: 8 }, once).flat()
}

function keyBlock(dice: Dice, kind: string): string {
  const lines = Array.from({ length: 4 + dice.below(20) }, () => dice.text(`${ALNUM}+/`, 64))
  const label = `${kind}PRIVATE${' KEY'}-----`
  return [`-----BEGIN ${label}`, ...lines, `-----END ${label}`].join('\n')
}

/** At least 500 values over all entities, each once; the same seed gives the same values. */
export function piiValues(seed = 1): readonly PiiValue[] {
  const dice = new Dice(seed)
  const made: readonly (readonly [Entity, readonly string[]])[] = [
    ['card', cards(dice)],
    ['ssn', ssns(dice)],
    ['email', emails()],
    ['phone', phones(dice)],
    ['iban', ibans(dice)],
    ['secret', secrets(dice)],
  ]
  return made.flatMap(([entity, values]) => [...new Set(values)].map(value => ({ entity, value })))
}
