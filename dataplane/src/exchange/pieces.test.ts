import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Pieces } from './pieces.ts'

describe('Pieces', () => {
  it('gives back exactly what was added, and begins anew', () => {
    const pieces = new Pieces()
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 8 }), { maxLength: 5_000, size: 'max' }), parts => {
        for (const part of parts) pieces.add(Buffer.from(part))
        expect(pieces.bytes).toBe(parts.reduce((sum, { length }) => sum + length, 0))
        expect(pieces.all().equals(Buffer.concat(parts))).toBe(true)
        pieces.clear()
        expect(pieces.bytes).toBe(0)
      }),
      { numRuns: 30 },
    )
  })

  it('does not copy what came in one piece', () => {
    const pieces = new Pieces()
    const part = Buffer.from('all of it')
    pieces.add(part)
    expect(pieces.all()).toBe(part)
  })

  it('holds a million pieces of one byte in little more than their bytes', () => {
    const pieces = new Pieces()
    const before = process.memoryUsage().rss
    for (let count = 0; count < 1_000_000; count++) pieces.add(Buffer.from('x'))
    expect(process.memoryUsage().rss - before).toBeLessThan(60_000_000)
    expect(pieces.all()).toHaveLength(1_000_000)
  })
})
