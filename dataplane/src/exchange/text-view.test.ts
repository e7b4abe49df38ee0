import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Cut, cutText, type TextView, viewOf } from './text-view.ts'

/** The raw text with every match masked. */
function masked(view: TextView, raw: string, pattern: RegExp): string {
  view.push(raw)
  view.end()
  const cuts: Cut[] = []
  for (const match of view.text.matchAll(pattern))
    cuts.push(...view.cuts(match.index, match.index + match[0].length, 'CARD'))
  return cutText(raw, 0, cuts)
}

const CARD = /\d{16}/g

describe('the view of JSON', () => {
  it.each([
    ['an escape in the middle', String.raw`{"n":"\u0034111111111111111"}`, '{"n":"[CARD]"}'],
    ['a number', '{"n": 4111111111111111 }', '{"n": "[CARD]" }'],
    ['a negative number', '[-4111111111111111]', '["[CARD]"]'],
    ['a number with an exponent', '[4.111111111111111E+15]', '["[CARD]"]'],
    ['a number and nothing else', '4111111111111111', '"[CARD]"'],
    ['a name', '{"4111111111111111":1}', '{"[CARD]":1}'],
    ['words that are no JSON', 'call 4111111111111111 now', 'call "[CARD]" now'],
    ['an escaped quote before it', String.raw`{"n":"\"4111111111111111\\"}`, String.raw`{"n":"\"[CARD]\\"}`],
    ['nothing', '{"a":[1,true,null,"x"]}', '{"a":[1,true,null,"x"]}'],
  ])('masks %s and stays JSON', (_name, raw, expected) => {
    expect(masked(viewOf('json'), raw, CARD)).toBe(expected)
  })

  it('masks the digits of a number that is too long to be kept together by ones', () => {
    const raw = `[1.${'0'.repeat(70)}4111111111111111]`
    const text = masked(viewOf('json'), raw, /4\d{15}/g)
    expect(text).toBe(`[1.${'0'.repeat(70)}${'1'.repeat(16)}]`)
  })

  it('shows half a number when nobody waits for it, and what follows still belongs to it', () => {
    const view = viewOf('json')
    view.push('[41111111')
    expect([view.text, view.pending]).toEqual(['[', 8])
    view.spill()
    view.push('11111111]')
    expect(view.text).toBe('[4111111111111111]')
    expect(cutText('[4111111111111111]', 0, view.cuts(1, 17, 'CARD'))).toBe(`[${'1'.repeat(16)}]`)
  })

  it('masks each part of what goes over structure', () => {
    expect(masked(viewOf('json'), '["ab","cd"]', /b","c/g)).toBe('["a[CARD]","[CARD]d"]')
  })

  it('is the same however the text was cut', () => {
    fc.assert(
      fc.property(fc.json(), fc.array(fc.nat()), (raw, cuts) => {
        const whole = viewOf('json')
        whole.push(raw)
        whole.end()
        const pieces = viewOf('json')
        const places = cuts.map(cut => cut % (raw.length + 1)).sort((a, b) => a - b)
        for (const [index, place] of [...places, raw.length].entries())
          pieces.push(raw.slice(places[index - 1] ?? 0, place))
        pieces.end()
        expect(pieces.text).toBe(whole.text)
        expect(pieces.rawAt(pieces.text.length)).toBe(raw.length)
      }),
    )
  })

  it('finds the index behind a raw offset, and what was dropped changes no offset', () => {
    const view = viewOf('json')
    view.push(String.raw`{"a":"\u0040x",1234}`)
    const at = view.text.indexOf('@')
    expect(view.rawAt(at)).toBe(6)
    expect(view.indexAt(8)).toBe(at + 1)
    expect(view.indexAt(12)).toBe(at + 1)
    const number = view.text.indexOf('3')
    expect(view.floor(number)).toBe(view.text.indexOf('1'))
    expect(view.ceil(number)).toBe(view.text.indexOf('}'))
    view.drop(at)
    expect(view.text[0]).toBe('@')
    expect(view.rawAt(1)).toBe(12)
  })
})

describe('cutText', () => {
  it('puts the replacement into the first piece and takes its part from the others', () => {
    const cuts = [{ start: 2, end: 8, text: '[X]' }]
    expect(['abcd', 'efg', 'hij'].map((piece, at) => cutText(piece, [0, 4, 7][at] ?? 0, cuts))).toEqual([
      'ab[X]',
      '',
      'ij',
    ])
  })

  it('makes a cut that is named twice once', () => {
    const cut = { start: 1, end: 2, text: '[X]' }
    expect(cutText('abc', 0, [cut, cut])).toBe('a[X]c')
  })
})
