// What the detectors find, what they leave alone, what wins where two see the same place, and that no text is slow.
import { performance } from 'node:perf_hooks'
import { describe, expect, test } from 'vitest'
import { remainder97 } from './iban.ts'
import { piiInspector } from './inspector.ts'
import { INNOCENT } from './testdata/innocent.ts'
import { piiValues } from './testdata/values.ts'

const inspector = piiInspector({ entities: ['Card', 'SSN', 'Email', 'Phone', 'IBAN', 'Secret'] })
const values = piiValues()

/** The text with every finding replaced, as Redact does. */
function redacted(text: string, by = inspector): string {
  let seen = ''
  let at = 0
  for (const { start, end, entity } of by.find(text)) {
    seen += `${text.slice(at, start)}[${entity.toUpperCase()}]`
    at = end
  }
  return seen + text.slice(at)
}

describe('every value is found', () => {
  test('there are at least 500, of every entity', () => {
    expect(values.length).toBeGreaterThanOrEqual(500)
    expect(new Set(values.map(one => one.entity)).size).toBe(6)
    expect(piiValues(7)).toEqual(piiValues(7))
    expect(piiValues(7)).not.toEqual(piiValues(8))
  })

  test.each([
    ['alone', '', ''],
    ['in a sentence', 'It is ', ' and nothing else.'],
    ['at the end of a sentence', 'Look at ', '. Thanks'],
    ['in quotes', '"', '"'],
    ['in brackets', 'it (', ')'],
    ['in JSON', '{"a":"', '","b":1}'],
    ['in JSON inside JSON', '{\\"a\\":\\"', '\\"}'],
    ['between escaped line breaks', 'one\\n', '\\ntwo'],
    ['in Markdown', '**', '**'],
    ['in a code span', '`', '`'],
    ['in a table', '| ', ' |'],
    ['as HTML', '<b>', '</b>'],
    ['in a list', 'a,', ',b'],
    ['between ideographs', '電', '話'],
    ['between emoji', '🙂', '🙂'],
    ['between non-breaking spaces', 'a\u00A0', '\u00A0b'],
    ['on a line', 'a\n', '\r\nb'],
  ])('%s', { timeout: 30_000 }, (_, before, after) => {
    for (const seed of [1, 2]) {
      for (const { entity, value } of piiValues(seed)) {
        const text = before + value + after
        const found = inspector.find(text)
        const end = before.length + value.length
        if (found.length === 1 && found[0]?.entity === entity && found[0].start === before.length) continue
        expect({ text, found }).toEqual({ text, found: [{ start: before.length, end, entity }] })
      }
    }
    expect(inspector.find(before + after)).toEqual([])
  })

  test.each(['\u200B', '\u200C', '\u200D', '\u2060', '\uFEFF', '\u00AD'])(
    'with %j inside',
    { timeout: 30_000 },
    mark => {
      for (const { entity, value } of values) {
        for (const place of [1, 3, value.length >> 1, value.length - 1]) {
          const text = `It is ${value.slice(0, place)}${mark}${value.slice(place)}.`
          const found = inspector.find(text)
          if (found[0]?.start === 6 && found[0].end === 7 + value.length && found[0].entity === entity) continue
          expect({ text, found }).toEqual({ text, found: [{ start: 6, end: 7 + value.length, entity }] })
        }
      }
    },
  )

  test('with an invisible character behind every other', () => {
    for (const { entity, value } of values.filter(one => one.value.length <= 40)) {
      const text = `It is ${[...value].join('\u200B')}.`
      expect({ text, found: inspector.find(text) }).toEqual({
        text,
        found: [{ start: 6, end: text.length - 1, entity }],
      })
    }
  })

  test('in fullwidth digits and signs', () => {
    const wide = (text: string) => text.replaceAll(/[0-9@]/g, char => String.fromCharCode(char.charCodeAt(0) + 0xfee0))
    for (const { entity, value } of values.filter(one => one.entity !== 'secret' && one.entity !== 'iban')) {
      expect(inspector.find(wide(value))).toEqual([{ start: 0, end: value.length, entity }])
    }
  })
})

describe('what is found, exactly', () => {
  test.each([
    ['Card 4111 1111 1111 1111 12/26 123', 'Card [CARD] 12/26 123'],
    ['4111111111111111 4242424242424242', '[CARD] [CARD]'],
    ['card(4111111111111111)', 'card([CARD])'],
    ['4222222222222', '[CARD]'],
    ['123-45-6789', '[SSN]'],
    ['SSN 123456789', 'SSN [SSN]'],
    ['{"ssn":"123456789"}', '{"ssn":"[SSN]"}'],
    ['Social Security Number of Jane: 123 45 6789', 'Social Security Number of Jane: [SSN]'],
    ['mailto:jane@example.com?subject=a', 'mailto:[EMAIL]?subject=a'],
    ['Jane <jane@example.com>, joe@example.org.', 'Jane <[EMAIL]>, [EMAIL].'],
    ['a@b.com@c.com', '[EMAIL][EMAIL]'],
    ['@jane@social.example', '@[EMAIL]'],
    ['\\njane@example.com', '\\n[EMAIL]'],
    ['Call (415) 555-2671 or +44 20 7946 0958', 'Call [PHONE] or [PHONE]'],
    ['(+49 30) 901820', '[PHONE]'],
    ['phone: 4155552671', 'phone: [PHONE]'],
    ['my phone number is 612 345 678', 'my phone number is [PHONE]'],
    ['{"phone":"4155552671"}', '{"phone":"[PHONE]"}'],
    ['tel:+14155552671', 'tel:[PHONE]'],
    ['IBAN DE89 3704 0044 0532 0130 00 is mine', 'IBAN [IBAN] is mine'],
    ['GB82 WEST 1234 5698 7654 32', '[IBAN]'],
    ['gb82west12345698765432', '[IBAN]'],
  ])('%j', (text, seen) => {
    expect(redacted(text)).toBe(seen)
  })

  const random = ['hJ7', 'qp2L', 'x9Zr', 'T4w'].join('')
  test.each([
    [`password=${random}`, 'password=[SECRET]'],
    [`"api_key": "${random}"`, '"api_key": "[SECRET]"'],
    [`{\\"client_secret\\":\\"${random}\\"}`, '{\\"client_secret\\":\\"[SECRET]\\"}'],
    [`export DB_PASSWORD='${random}'`, "export DB_PASSWORD='[SECRET]'"],
    [`my password is ${random}.`, 'my password is [SECRET].'],
    [`**Password:** ${random}!`, '**Password:** [SECRET]!'],
    [`Authorization: Bearer ${random}${random}`, 'Authorization: Bearer [SECRET]'],
    [`?token=${random}&page=2`, '?token=[SECRET]&page=2'],
    [`aws_secret_access_key = ${random}/${random}+${'b7'.repeat(6)}`, 'aws_secret_access_key = [SECRET]'],
    [`https://x:ghp_${random.repeat(3)}@host.example/r`, 'https://x:[SECRET]@host.example/r'],
  ])('%j', (text, seen) => {
    expect(redacted(text)).toBe(seen)
  })

  test('a column of numbers longer than a value is judged group by group', () => {
    const cards = Array<string>(40).fill('4242 4242 4242 4242').join(' ')
    expect(redacted(`${'7 '.repeat(80)}${cards}`)).toBe(
      `${'7 '.repeat(80)}${Array<string>(160).fill('[CARD]').join(' ')}`,
    )
  })
})

test('only the entities of the guardrail are looked for', () => {
  const text = '4111111111111111, 123-45-6789, jane@example.com, +14155552671, DE89370400440532013000'
  expect(redacted(text, piiInspector({ entities: ['Email'] }))).toBe(text.replace('jane@example.com', '[EMAIL]'))
  expect(redacted(text, piiInspector({ entities: ['Card', 'IBAN'] }))).toBe(
    '[CARD], 123-45-6789, jane@example.com, +14155552671, [IBAN]',
  )
  expect(redacted(text)).toBe('[CARD], [SSN], [EMAIL], [PHONE], [IBAN]')
})

describe('where two see the same place the stronger evidence wins', () => {
  test('a secret before an e-mail address, an e-mail address before a telephone number', () => {
    expect(redacted(`ghp_${'hJ7qp2Lx9ZrT'.repeat(3)}@example.com`)).toBe('[SECRET]@example.com')
    expect(redacted('4155552671.415-555-2671@example.com')).toBe('[EMAIL]')
  })

  test('a card before an e-mail address', () => {
    expect(redacted('4111111111111111@example.com')).toBe('[CARD]@example.com')
  })

  test('an IBAN whose digits would pass as a card stays whole', () => {
    const account = '12344111111111111111'.slice(0, 18)
    const check = Array.from({ length: 100 }, (_, i) => String(i).padStart(2, '0')).find(
      digits => remainder97(`DE${digits}${account}`) === 1,
    )
    expect(redacted(`DE${check} 1234 4111 1111 1111 11`)).toBe('[IBAN]')
  })
})

describe('innocent texts', () => {
  test('there are at least 150', () => {
    expect(new Set(INNOCENT).size).toBeGreaterThanOrEqual(150)
  })

  test.each(INNOCENT)('nothing in %j', text => {
    expect(redacted(text)).toBe(text)
    expect(redacted(`Look at "${text}" here.`)).toBe(`Look at "${text}" here.`)
  })
})

describe('no text is slow', () => {
  const SIZE = 100_000
  // Ten times what it may take on an idle machine.
  const LIMIT_MS = 2000
  const units = [
    'a',
    '1',
    ' ',
    '-',
    '@',
    '.',
    '(',
    '+',
    '=',
    '_',
    '\n',
    '\u200B',
    'é',
    '１',
    '1 ',
    '12 ',
    '123 45 ',
    '4111 ',
    '4111-',
    '4111 1111 1111 1111 ',
    'a@',
    'a.',
    '@a.',
    'a@b.',
    'a@b.co',
    'a@b.co@',
    '.@',
    'eyJ',
    'eyJa.',
    'eyJaaaaaaaa.eyJ',
    'sk-',
    'sk-a1',
    'sk-ant-',
    'ghp_',
    'AKIA',
    'xox',
    'token',
    'token=',
    'token= ',
    'password is ',
    'aws ',
    'secret/',
    'secretA/a1',
    'DE89',
    'DE89 ',
    'GB82 WEST ',
    'MT84MALT',
    '-----BEGIN ',
    '-----BEGIN PRIVATE KEY-----',
    '-----END',
    '-----BEGIN PRIVATE KEY-----\nAAAA',
    '+1 ',
    '+49',
    '(0)',
    '0',
    '00 ',
    'phone 1',
    'phone ',
    'SSN ',
    'SSN 123456789 ',
    '1\u200B',
    '1.',
    '1/',
    '1)(',
    'a-',
    'A1',
    '\\n',
    '"',
    'SG.',
    'bearer ',
    'x'.repeat(63),
    'a.b-c_d%',
    '415-555-2671 ',
    '1234567 ',
  ]
  test.each(units)('not %j over and over', { timeout: 30_000 }, unit => {
    const text = unit.repeat(SIZE / unit.length)
    const start = performance.now()
    inspector.find(text)
    const between = performance.now()
    inspector.open(text)
    expect(between - start).toBeLessThan(LIMIT_MS)
    expect(performance.now() - between).toBeLessThan(LIMIT_MS)
  })
})
