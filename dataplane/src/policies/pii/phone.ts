// Telephone numbers: with a country code, as North America and countries with a trunk 0 write them, or behind a word
// that says so. Numbers that only could be one (dates, versions, addresses, prices, order numbers) are left alone.
import type { Run } from './run.ts'

const CONTEXT_WORD =
  /(?<![a-z])(?:(?:tele|cell|smart)?phone|telefone?|teléfono|téléphone|tel|mobile|mobil|cell|fax|whatsapp|handynummer)(?![a-z])[^\p{L}\p{N}]{0,4}(?:(?:number|nummer|num|no|nr|is|ist|es|at|on)[^\p{L}\p{N}]{1,4}){0,2}$/iu
/** Digits of national numbers, by country code, where they are certain. */
const NATIONAL: Readonly<Record<string, readonly [number, number]>> = {
  '7': [10, 10],
  '20': [8, 10],
  '27': [9, 9],
  '30': [10, 10],
  '31': [9, 9],
  '32': [8, 9],
  '33': [9, 9],
  '34': [9, 9],
  '36': [8, 9],
  '39': [6, 11],
  '40': [9, 9],
  '41': [9, 9],
  '43': [7, 12],
  '44': [9, 10],
  '45': [8, 8],
  '46': [7, 10],
  '47': [8, 8],
  '48': [9, 9],
  '49': [7, 11],
  '51': [8, 9],
  '52': [10, 10],
  '53': [8, 8],
  '54': [10, 11],
  '55': [10, 11],
  '56': [9, 9],
  '57': [8, 10],
  '58': [10, 10],
  '60': [8, 10],
  '61': [9, 9],
  '62': [8, 12],
  '63': [8, 10],
  '64': [8, 10],
  '65': [8, 8],
  '66': [8, 9],
  '81': [9, 10],
  '82': [8, 10],
  '84': [9, 10],
  '86': [10, 11],
  '90': [10, 10],
  '91': [10, 10],
  '92': [9, 10],
  '93': [9, 9],
  '94': [9, 9],
  '95': [7, 10],
  '98': [10, 10],
}
/** The three-digit country codes. */
const THREE = /^(?:2[1-689]\d|3[578]\d|42\d|5[09]\d|6[789]\d|8[0578]\d|9[679]\d)/
const OTHER_NATIONAL: readonly [number, number] = [7, 11]
/** Ten digits of North America: area and exchange begin with 2–9, and no area is a service such as 911. */
const NORTH_AMERICA = /^[2-9](?!11)\d\d[2-9]\d{6}$/
const MOST_DIGITS = 15
const NORTH_AMERICAN_JOINS = /^(?:-,-|\.,\.| , |\)[ ./]?,[-. ]| ,-|\/,-|\)[ ./]?)$/
/** A trunk 0 and the rest. */
const TRUNK = /^0[1-9]\d{7,9}$/
/** A date by day, month, year; ZIP+4; a number of one digit and others. */
const NO_TRUNK_SIZES = /^(?:2,2,4|5,4|1,.*)$/
const DATE_SIZES = /^(?:4,2,2|2,2,4)(?:,|$)/

/** True for the digits behind a plus sign. */
function isInternational(digits: string): boolean {
  if (digits.startsWith('1')) return NORTH_AMERICA.test(digits.slice(1))
  const short = digits.startsWith('7') ? 1 : 2
  const known = NATIONAL[digits.slice(0, short)]
  if (known === undefined && !THREE.test(digits)) return false
  const [fewest, most] = known ?? OTHER_NATIONAL
  const national = digits.slice(known === undefined ? 3 : short)
  const right = national.length >= fewest && national.length <= most && digits.length <= MOST_DIGITS
  return right && !national.startsWith('00')
}

/** Behind a plus, the trunk 0 in brackets is not dialled: +44 (0)20 … */
function withoutTrunk(run: Run): string {
  let at = 0
  for (let i = 0; i < run.sizes.length; i++) {
    if (i > 0 && run.sizes[i] === 1 && run.joins[i - 1]?.endsWith('(') && run.digits.charAt(at) === '0') {
      return run.digits.slice(0, at) + run.digits.slice(at + 1)
    }
    at += run.sizes[i] ?? 0
  }
  return run.digits
}

/** No part of a longer number: nothing joined but by a space or an oblique stroke. */
function isFree(run: Run): boolean {
  const free = (join: string) => join === '' || join === ' ' || join === '/' || join === ' (' || join === '('
  return free(run.before) && free(run.after) && !/[-#.$€£_]$/.test(run.lead)
}

function isNorthAmerican(run: Run): boolean {
  const skip = run.sizes[0] === 1 && run.digits.startsWith('1') ? 1 : 0
  if (!NORTH_AMERICA.test(run.digits.slice(skip))) return false
  const sizes = run.sizes.slice(skip).join(',')
  const joins = run.joins.slice(skip).join(',')
  if ((sizes !== '3,3,4' && sizes !== '3,7') || !NORTH_AMERICAN_JOINS.test(joins)) return false
  const bracket = (skip === 1 ? (run.joins[0] ?? '') : run.lead).endsWith('(')
  if (joins.startsWith(')') ? !bracket : sizes === '3,7') return false
  return joins !== ' , ' || (run.before === '' && run.after === '')
}

function isTrunk(run: Run): boolean {
  if (run.sizes.length < 2 || run.before !== '' || run.after !== '' || !TRUNK.test(run.digits)) return false
  if (DATE_SIZES.test(run.sizes.join(','))) return false
  const addressed = run.sizes.length === 4 || run.joins.some(join => join !== '.')
  return !NO_TRUNK_SIZES.test(run.sizes.join(',')) && !(run.joins.includes('.') && addressed)
}

function isAnnounced(run: Run): boolean {
  const whole = run.before === '' && (run.after === '' || run.after === ' ' || run.after === '/')
  if (!whole || run.digits.length > MOST_DIGITS || DATE_SIZES.test(run.sizes.join(','))) return false
  return CONTEXT_WORD.test(run.context())
}

/** True for a telephone number. */
export function isPhone(run: Run): boolean {
  if (!run.opens || !run.closes) return false
  if (run.signed) return isInternational(withoutTrunk(run))
  if (run.digits.length > MOST_DIGITS + 2) return false
  if (isFree(run)) {
    const dialled = run.digits.startsWith('00') && run.before === '' && run.sizes.length > 1
    if (dialled && isInternational(run.digits.slice(2))) return true
    if (isNorthAmerican(run) || isTrunk(run)) return true
  }
  return isAnnounced(run)
}

/** Characters before the first digit that belong to the number: a plus, and a bracket that closes inside it. */
export function phoneLead(run: Run): number {
  const plus = run.signed ? 1 : 0
  const bracket = run.joins.find(join => join.includes('(') || join.includes(')'))?.startsWith(')') ?? false
  return bracket && run.lead.charAt(run.lead.length - 1 - plus) === '(' ? plus + 1 : plus
}
