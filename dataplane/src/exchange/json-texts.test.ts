import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type JsonNode, leafText, MAX_NESTING, plainNumber, readNodes, splice, TooDeep } from './json-texts.ts'

/** What the tree says, as JSON.parse would say it; numbers by their value. */
function valueOf(document: string, node: JsonNode): unknown {
  switch (node.kind) {
    case 'string':
      return leafText(document, node)
    case 'number':
      return Number(document.slice(node.start, node.end))
    case 'word':
      return JSON.parse(document.slice(node.start, node.end))
    case 'list':
      return node.items.map(item => valueOf(document, item))
    case 'record':
      return Object.fromEntries(node.members.map(({ name, value }) => [name, valueOf(document, value)]))
  }
}

function leavesOf(node: JsonNode): JsonNode[] {
  if (node.kind === 'list') return node.items.flatMap(leavesOf)
  if (node.kind === 'record') return node.members.flatMap(({ value }) => leavesOf(value))
  return [node]
}

describe('readNodes', () => {
  it('reads what JSON.parse reads, whatever the layout', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(0, 2, '\t'), (value, indent) => {
        const document = JSON.stringify(value, null, indent)
        const node = readNodes(document)
        expect(node && valueOf(document, node)).toEqual(JSON.parse(document))
      }),
    )
  })

  it('takes for JSON exactly what JSON.parse takes', () => {
    const pieces = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"a"',
      '1',
      '-',
      '01',
      'true',
      'nul',
      ' ',
      '"',
      '1.',
      'e5',
    )
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 8 }), parts => {
        const document = parts.join('')
        let valid = true
        try {
          JSON.parse(document)
        } catch {
          valid = false
        }
        expect(readNodes(document) !== undefined).toBe(valid)
      }),
      { numRuns: 2_000 },
    )
  })

  it('keeps members whose name stands twice', () => {
    const node = readNodes('{"a":1,"a":2}')
    expect(node?.kind === 'record' && node.members.map(({ name }) => name)).toEqual(['a', 'a'])
  })

  it('refuses depth instead of the stack', () => {
    expect(readNodes('['.repeat(MAX_NESTING) + ']'.repeat(MAX_NESTING))).toBeDefined()
    expect(() => readNodes('['.repeat(100_000))).toThrow(TooDeep)
  })
})

describe('leafText', () => {
  it('undoes escapes and exponents', () => {
    expect(leafText(String.raw`"a\u0040b"`, { kind: 'string', start: 0, end: 10 })).toBe('a@b')
    expect(plainNumber('4.111111111111111e15')).toBe('4111111111111111')
    expect(plainNumber('4111.0')).toBe('4111.0')
    expect(plainNumber('1e300')).toBe('1e300')
  })
})

describe('splice', () => {
  it('changes what it is told and nothing else', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.array(fc.nat()), (value, picks) => {
        const document = JSON.stringify({ value }, null, 1)
        const node = readNodes(document)
        const leaves = node ? leavesOf(node) : []
        const chosen = [...new Set(picks.map(pick => leaves[pick % leaves.length]))].filter(leaf => leaf !== undefined)
        const marked = splice(
          document,
          chosen.map(span => ({ span, text: '"✂"' })),
        )
        expect(() => JSON.parse(marked)).not.toThrow()
        const restored = chosen
          .toSorted((a, b) => a.start - b.start)
          .reduce((text, { start, end }) => text.replace('"✂"', () => document.slice(start, end)), marked)
        expect(restored).toBe(document)
      }),
    )
  })
})
