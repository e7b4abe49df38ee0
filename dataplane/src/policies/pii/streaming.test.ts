// The law of the port: a text read in pieces, with what is undecided held back and 64 characters of context kept, gives
// the findings of the whole text, at the same places.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CONTEXT, type Finding, type Inspector } from '../../ports/guardrails.ts'
import { piiInspector } from './inspector.ts'
import { HOLD, LONGEST } from './sweep.ts'
import { piiValues } from './testdata/values.ts'

const inspector = piiInspector({ entities: ['Card', 'SSN', 'Email', 'Phone', 'IBAN', 'Secret'] })
const values = piiValues()

/** Reads pieces as a stage of a stream does. */
function inPieces(pieces: readonly string[], by: Inspector = inspector): Finding[] {
  const found: Finding[] = []
  let buffer = ''
  let base = 0
  let released = 0
  const take = (findings: readonly Finding[], cut: number) => {
    for (const one of findings) {
      const [start, end] = [one.start + base, one.end + base]
      if (start >= released && end <= cut) found.push({ start, end, entity: one.entity })
      else if (start < cut && end > released)
        expect.unreachable(`${one.entity} ${start}–${end} lies across ${released}`)
    }
  }
  for (const piece of pieces) {
    buffer += piece
    const open = by.open(buffer)
    const findings = by.find(buffer)
    const across = findings.filter(one => one.start < open && one.end > open).map(one => one.start)
    const cut = Math.max(released, base + Math.min(open, ...across))
    take(findings, cut)
    released = cut
    const drop = Math.max(0, released - CONTEXT - base)
    buffer = buffer.slice(drop)
    base += drop
  }
  take(by.find(buffer), base + buffer.length)
  return found
}

function expectLaw(text: string, pieces: readonly string[]): void {
  const found = inPieces(pieces)
  const whole = inspector.find(text)
  // Most of these run thousands of times: the matcher is asked only when there is something to show.
  if (JSON.stringify(found) !== JSON.stringify(whole)) expect({ pieces, found }).toEqual({ pieces, found: whole })
}

function cutAt(text: string, places: readonly number[]): string[] {
  const sorted = [0, ...places.map(place => place % (text.length + 1)).toSorted((a, b) => a - b), text.length]
  return sorted.slice(1).map((end, i) => text.slice(sorted[i], end))
}

const INVISIBLE = ['\u200B', '\u200C', '\u200D', '\u2060', '\uFEFF', '\u00AD']
const value = fc.constantFrom(...values.map(one => one.value))
const disguised = fc
  .tuple(value, fc.array(fc.tuple(fc.nat(), fc.constantFrom(...INVISIBLE)), { maxLength: 4 }))
  .map(([text, marks]) => {
    let seen = text
    for (const [place, mark] of marks)
      seen = seen.slice(0, place % seen.length) + mark + seen.slice(place % seen.length)
    return seen
  })
const part = fc.tuple(value, fc.nat(), fc.nat()).map(([text, a, b]) => text.slice(a % text.length).slice(0, b % 40))
const filler = fc.oneof(
  fc.constantFrom(
    ' ',
    ' ',
    ' ',
    ', ',
    '. ',
    '\n',
    '"',
    '"}',
    '{"a":"',
    '**',
    '`',
    '(',
    ')',
    '@',
    '-',
    '--',
    '.',
    '+',
    '/',
    '=',
    ': ',
    'x',
    'a@b.co@',
    'SSN ',
    'SSN: 123456789',
    ' social security number ',
    'password=',
    'api_key: "',
    'token=',
    'phone: ',
    '4155552671',
    'sk-',
    'task-',
    'eyJ',
    '.eyJ',
    'DE89',
    'DE',
    'GB82 WEST ',
    '日本',
    'é',
    '🙂',
    '\u00A0',
    '\u2013',
    '1',
    '12 ',
    '2024-01-15',
    '\\n',
    '-----',
    '-----BEGIN ',
    'PRIVATE KEY-----',
    '-----END',
    'aws ',
    '４１１１',
    '＠',
    '\u200B',
    'hello world ',
    'ordinary prose ',
    'Abc123!xyz',
    '00',
    '+1 ',
    '+49 ',
    '(0)',
    'git@github.com:a/b ',
  ),
  fc.integer({ min: 0, max: 99_999 }).map(String),
  fc.string({ maxLength: 8 }),
)
const text = fc
  .array(
    fc.oneof({ weight: 3, arbitrary: filler }, { weight: 1, arbitrary: disguised }, { weight: 1, arbitrary: part }),
    {
      minLength: 1,
      maxLength: 14,
    },
  )
  .map(parts => parts.join(''))
/** Runs that are longer than what is held. */
const long = fc
  .array(
    fc.oneof(
      filler,
      disguised,
      fc
        .tuple(
          fc.constantFrom(
            '1 ',
            '41 ',
            '4111 ',
            '4242 ',
            '12-',
            'a',
            'aB3',
            '-',
            'a@',
            '0',
            '\u200B',
            '555-',
            'eyJ',
            'sk-',
            '1.',
          ),
          fc.nat(400),
        )
        .map(([unit, times]) => unit.repeat(times)),
      fc.array(value, { minLength: 8, maxLength: 40 }).map(list => list.filter(one => one.length < 40).join(' ')),
      fc.array(fc.integer({ min: 0, max: 9999 }), { minLength: 60, maxLength: 200 }).map(list => list.join(' ')),
    ),
    { minLength: 1, maxLength: 7 },
  )
  .map(parts => parts.join(''))
const cuts = fc.array(fc.nat(), { maxLength: 12 })
/** More of them, by hand, after a change of the detectors. */
const RUNS = 100

describe('a text in pieces gives the findings of the whole text', () => {
  test('for every value and every place to split it', { timeout: 60_000 }, () => {
    for (const one of values) {
      const whole = `Take "${one.value}", please.`
      const step = one.value.length > 200 ? 17 : 1
      for (let place = 0; place <= whole.length; place += step) {
        expectLaw(whole, [whole.slice(0, place), whole.slice(place)])
        if (place <= one.value.length) expectLaw(one.value, [one.value.slice(0, place), one.value.slice(place)])
      }
    }
  })

  test('for every value, character by character', { timeout: 60_000 }, () => {
    for (const one of values) expectLaw(one.value, [...one.value.slice(0, 400), one.value.slice(400)])
  })

  test('for any text and any pieces', { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(text, cuts, (whole, places) => expectLaw(whole, cutAt(whole, places))),
      { numRuns: RUNS * 5 },
    )
  })

  test('for any text in pieces of one size', { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 9 }), (whole, size) => {
        expectLaw(whole, whole.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [])
      }),
      { numRuns: RUNS * 2 },
    )
  })

  test('for a long column behind more invisible characters than are kept', { timeout: 60_000 }, () => {
    const column = `${'\u200B'.repeat(64)}4242 4242 4242 4242 ${'1000 '.repeat(80)}`
    for (let size = 1; size <= 90; size++) expectLaw(column, column.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [])
  })

  test('for columns, an address and a secret that lie across each other', () => {
    const secret = values.find(one => one.value.startsWith('github_pat_'))?.value ?? ''
    expect(secret).not.toBe('')
    const column = `${'1000 '.repeat(50)}6590 6033 1066 6565 5037 6517 2355 100 1000 1000 0`
    const chain = `${column}jane@example.co.uk${secret}1${' 1'.repeat(130)} `
    for (let size = 20; size <= chain.length; size++)
      expectLaw(chain, chain.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [])
  })

  test('for texts with runs longer than what is held', { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(long, cuts, (whole, places) => expectLaw(whole, cutAt(whole, places))),
      { numRuns: RUNS },
    )
    fc.assert(
      fc.property(long, fc.integer({ min: 20, max: 90 }), (whole, size) => {
        expectLaw(whole, whole.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [])
      }),
      { numRuns: RUNS },
    )
  })
})

describe('what is held back', () => {
  test.each([
    'hello world ',
    'Costs are up, see below. ',
    'well-known (almost) ',
    'a list:\n- ',
    'He said "yes" ',
    'In 2024, ',
    '日本語。',
    'SSN: ',
    'password = ',
    '-----\n',
    '# Title\n',
    '🙂 ',
  ])('nothing of %j', whole => {
    expect(inspector.open(whole)).toBe(whole.length)
  })

  test.each([
    ['hello world', 6],
    ['number 4111 1111 ', 7],
    ['call +', 5],
    ['mail jane@', 5],
    ['key sk-proj-abc', 4],
    ['at DE89 3704 ', 3],
    ['see -----BEGIN RSA ', 4],
    ['x +1 (415', 2],
  ] as const)('of %j all from %d', (whole, open) => {
    expect(inspector.open(whole)).toBe(open)
  })

  test('is bounded, but for secrets that have begun', { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(fc.oneof(text, long), whole => {
        const open = inspector.open(whole)
        expect(open).toBeLessThanOrEqual(whole.length)
        const secret = inspector.find(whole).some(one => one.entity === 'secret' && one.end > whole.length - HOLD)
        if (!secret) expect(whole.length - open).toBeLessThanOrEqual(HOLD)
      }),
      { numRuns: RUNS },
    )
  })

  test('of a private key is everything up to its END line, or as far as a secret goes', () => {
    const begin = `-----BEGIN PRIVATE${' KEY'}-----\n`
    const line = `${'Ab3/'.repeat(16)}\n`
    const short = `a ${begin}${line.repeat(50)}`
    expect(inspector.open(short)).toBe(2)
    const endless = `a ${begin}${line.repeat(300)}`
    expect(inspector.open(endless)).toBeGreaterThan(2 + LONGEST - 1)
    expect(inspector.find(endless)).toEqual([{ start: 2, end: 2 + LONGEST, entity: 'secret' }])
    expectLaw(endless, endless.match(/[^]{1,200}/g) ?? [])
  })
})
