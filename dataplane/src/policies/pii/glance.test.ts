// The glance never hides a find: where it says that there is nothing, the detector itself finds nothing either.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { glanceAt } from './glance.ts'
import { detectorsOf } from './inspector.ts'
import { ENTITIES, Sweep } from './sweep.ts'
import { INNOCENT } from './testdata/innocent.ts'
import { piiValues } from './testdata/values.ts'
import { View } from './view.ts'

const detectors = detectorsOf(new Set(ENTITIES))
const values = [1, 2, 3].flatMap(seed => piiValues(seed).map(({ value }) => value))

/** What the detectors find that the glance passes over. */
function hidden(text: string): unknown[] {
  const view = new View(text)
  const glance = glanceAt(view.text)
  return detectors.flatMap(({ detect, seenBy }) => {
    if (seenBy === undefined || glance[seenBy]) return []
    const sweep = new Sweep()
    detect(view, sweep)
    return sweep.findings(view).map(finding => ({ ...finding, seenBy }))
  })
}

const value = fc.constantFrom(...values)
const part = fc.tuple(value, fc.nat(), fc.nat()).map(([text, a, b]) => text.slice(a % text.length).slice(0, b % 60))
/** The shortest of each form of secret, and the names that make others secrets. */
const shape = fc.oneof(
  fc.stringMatching(/^(?:sk-(?:ant|sf|proj)-|xox[abp]-|xapp-1-|A[KS]IA|gh[ps]_|hf_|SG\.|eyJ|sk-)[A-Za-z0-9]{8,40}$/),
  fc.stringMatching(/^(?:password|api_key|token|AWS secret)(?:=|: |": ")[A-Za-z0-9/+!]{6,42}$/),
  fc.stringMatching(/^\+?\d{1,4}(?:[ ./-]?\d{1,4}){1,6}$/),
  fc.stringMatching(/^[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}$/),
)
const disguise = fc.constantFrom('', '\u200B', '\u00A0', '\u2011', '-', ' ', '.', '/', '\\n', '"', '\n', 'ü', '٣')
const text = fc
  .array(fc.tuple(fc.oneof(value, part, shape, fc.string({ maxLength: 12 })), disguise), { maxLength: 8 })
  .map(pieces => pieces.flat().join(''))

describe('the glance never hides a find', () => {
  test('in the values, whole, cut and spelled otherwise', () => {
    for (const one of [...values, ...INNOCENT]) {
      expect(hidden(one)).toEqual([])
      expect(hidden(`a ${one}.`)).toEqual([])
      expect(hidden([...one].join('\u200B'))).toEqual([])
      expect(hidden(one.replaceAll(/\d/g, digit => String.fromCharCode(0xff10 + Number(digit))))).toEqual([])
    }
  })

  test('in texts made of parts of them', { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(text, one => {
        expect(hidden(one)).toEqual([])
      }),
      { numRuns: 5000 },
    )
  })

  test('and passes over prose', () => {
    const prose = 'In 2024 we measured 3.5 ms at 500 calls (section 4.2); nobody "changes" what-nobody-asked for.'
    expect(glanceAt(prose)).toEqual({ number: false, iban: false, email: false, value: true, keyBlock: false })
    expect(glanceAt('Foxes rest.').value).toBe(false)
  })
})
