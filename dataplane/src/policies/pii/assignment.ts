// Secrets that a name announces: `password = …`, `"api_key": "…"`, `Authorization: Bearer …`, the key beside an AWS id.
import { CONTEXT } from '../../ports/guardrails.ts'
import type { Sweep } from './sweep.ts'
import type { View } from './view.ts'

const NAME =
  /(?:pass(?:word|wd|phrase)|pwd|secret|token|credential|api[_-]?key|access[_-]?key|private[_-]?key|account[_-]?key|signing[_-]?key|encryption[_-]?key|auth[_-]?key|bearer)/gi
/** From behind the name to the value. */
const SIGN =
  /[\w-]{0,24}(?:\\?["'`]|\*\*)?\]?(?:[ \t]{0,2}(?:=>|:=|==?|:)(?:\*\*)?[ \t\n]{0,2}|[ \t]is:?[ \t]|[ \t](?=[\w.-]{20}))(?:\\?["'`])?(?:(?:Bearer|Basic)[ \t])?/iy
const VALUE = /[^\s"'`\\<>,;(){}[\]]{1,257}/y
const NEXT_FIELD = /&[\w.%-]{1,32}=/
const NO_VALUE = /^(?:\$|%|@|<|\{|https?:|process\.env|os\.environ|env\.|import\.meta|secrets?\.)/i
const MEMBERS = /^[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)+$/
const LONGEST_VALUE = 256
const SHORT = 8
const LONG = 12
const FEWEST_DIGITS = 3
const BITS = 3

const AWS_NAME = /A[KS]IA[A-Z0-9]{16}|aws|secret/gi
const AWS_SECRET = /(?<![A-Za-z0-9/+])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])/g
const AWS_TAIL = /[A-Za-z0-9/+]*$/
const AWS_SIZE = 40

/** Shannon's entropy in bits a character. */
function entropy(text: string): number {
  const counts = new Map<string, number>()
  for (const char of text) counts.set(char, (counts.get(char) ?? 0) + 1)
  let bits = 0
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length)
  return bits
}

/** A short password of at least three kinds of characters with a digit, or a long run of random letters and digits. */
function isRandom(value: string): boolean {
  if (value.length < SHORT || !/\d/.test(value)) return false
  const kinds = [/[a-z]/, /[A-Z]/, /[^\w.\-/:]/].filter(kind => kind.test(value)).length
  if (kinds >= 2) return new Set(value).size >= SHORT - 2
  const runs = value.match(/[A-Za-z0-9]{12,}/g) ?? []
  return runs.some(run => run.length >= LONG && digitsOf(run) >= FEWEST_DIGITS && entropy(run) >= BITS)
}

function digitsOf(text: string): number {
  return text.replaceAll(/\D/g, '').length
}

function isSecret(value: string): boolean {
  return isRandom(value) && /[A-Za-z]/.test(value) && !NO_VALUE.test(value) && !MEMBERS.test(value)
}

/** Where the value ends: at white space, a quote, a bracket, the next field of a query; a last full stop is not its. */
function valueEnd(text: string, from: number): number {
  VALUE.lastIndex = from
  const run = VALUE.exec(text)?.[0] ?? ''
  const next = NEXT_FIELD.exec(run.slice(0, LONGEST_VALUE + 1))
  return from + (next === null ? run.length : next.index)
}

function assignments(view: View, sweep: Sweep): void {
  const { text } = view
  NAME.lastIndex = 0
  for (let match = NAME.exec(text); match !== null; match = NAME.exec(text)) {
    SIGN.lastIndex = match.index + match[0].length
    NAME.lastIndex = match.index + 1
    if (!SIGN.test(text)) continue
    const from = SIGN.lastIndex
    if (view.start(from) - view.start(match.index) > CONTEXT) continue
    const end = valueEnd(text, from)
    if (view.span(from, end) > LONGEST_VALUE) continue
    if (end === text.length) sweep.hold(from)
    const value = text.slice(from, end).replace(/[.:!?]+$/, '')
    if (text.charAt(end) !== '(' && isSecret(value)) sweep.add('secret', from, from + value.length)
  }
}

function awsSecrets(view: View, sweep: Sweep): void {
  const { text } = view
  let named = false
  AWS_NAME.lastIndex = 0
  for (let match = AWS_NAME.exec(text); match !== null; match = AWS_NAME.exec(text)) {
    AWS_NAME.lastIndex = match.index + 1
    named = true
    const limit = view.index(view.start(match.index) + CONTEXT + 1)
    AWS_SECRET.lastIndex = match.index + match[0].length
    const key = AWS_SECRET.exec(text.slice(0, limit + AWS_SIZE + 1))
    if (key === null || key.index >= limit) continue
    const end = key.index + AWS_SIZE
    const mixed = /[a-z]/.test(key[0]) && /[A-Z]/.test(key[0]) && /\d/.test(key[0])
    if (mixed && view.span(key.index, end) <= CONTEXT) sweep.add('secret', key.index, end)
  }
  const tail = named ? (AWS_TAIL.exec(text.slice(-CONTEXT))?.[0] ?? '') : ''
  if (tail.length <= AWS_SIZE) sweep.hold(text.length - tail.length)
}

/** Notes values that a name before them makes secrets. */
export function announced(view: View, sweep: Sweep): void {
  assignments(view, sweep)
  awsSecrets(view, sweep)
}
