import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_EVENT_BYTES, SseAligner, readEvent, splitEvents, withData } from './sse.ts'

const line = fc.constantFrom(
  'data: {"a":1}',
  'data:x',
  ': ping',
  'event: delta',
  'id: 7',
  'data: é😀',
  'retry: 10',
  'data: [DONE]',
)
const lineBreak = fc.constantFrom('\n', '\r\n', '\r')

/** A stream of events in one line-break style (a server does not mix them), whole or with a cut-off end. */
const streams = fc
  .tuple(
    fc.array(fc.array(line, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 8 }),
    lineBreak,
    fc.boolean(),
  )
  .map(([events, end, cut]) => {
    const whole = events.map(lines => lines.join(end) + end + end).join('')
    return Buffer.from(cut ? `${whole}data: half` : whole)
  })

function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const cuts = [...new Set(places.map(place => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...cuts].map((from, index) => bytes.subarray(from, cuts[index] ?? bytes.length))
}

describe('SseAligner', () => {
  it('gives back exactly the bytes that came, on event boundaries, however they were cut', () => {
    fc.assert(
      fc.property(streams, fc.array(fc.nat(), { maxLength: 40 }), (bytes, places) => {
        const aligner = new SseAligner()
        const frames = cutAt(bytes, places).flatMap(chunk => aligner.push(chunk) ?? [])
        expect(Buffer.concat([...frames, aligner.rest()]).equals(bytes)).toBe(true)
        const whole = splitEvents(bytes).map(event => event.toString())
        const apart = [...frames, aligner.rest()]
          .filter(frame => frame.length > 0)
          .flatMap(frame => splitEvents(frame).map(event => event.toString()))
        if (!bytes.includes('\r')) expect(apart).toEqual(whole)
      }),
      { numRuns: 500 },
    )
  })

  it('passes a chunk that ends on a boundary without copying it', () => {
    const chunk = Buffer.from('data: a\n\ndata: b\n\n')
    expect(new SseAligner().push(chunk)?.buffer).toBe(chunk.buffer)
  })

  it('keeps half an event back and says so at the end', () => {
    const aligner = new SseAligner()
    expect(aligner.push(Buffer.from('data: a\n\ndata: b'))?.toString()).toBe('data: a\n\n')
    expect(aligner.push(Buffer.from('\n'))).toBeUndefined()
    expect(aligner.rest().toString()).toBe('data: b\n')
  })

  it('refuses an event that never ends', () => {
    const aligner = new SseAligner()
    aligner.push(Buffer.alloc(MAX_EVENT_BYTES, 'a'))
    expect(() => aligner.push(Buffer.from('a'))).toThrow(RangeError)
  })
})

describe('readEvent', () => {
  it('joins data lines, takes one space off, skips comments and unknown fields', () => {
    expect(readEvent(Buffer.from(': hi\r\nevent: delta\r\ndata:  a\r\ndata:b\r\nid: 1\r\n\r\n'))).toEqual({
      event: 'delta',
      data: ' a\nb',
    })
    expect(readEvent(Buffer.from('data\n\n'))).toEqual({ event: undefined, data: '' })
  })
})

describe('withData', () => {
  it.each([
    ['data: a\n\n', 'b', 'data: b\n\n'],
    ['id: 1\r\ndata:a\r\n: c\r\ndata: more\r\nevent: x\r\n\r\n', 'b', 'id: 1\r\ndata: b\r\n: c\r\nevent: x\r\n\r\n'],
    ['data: {\ndata: }\n\n', '{\n1}', 'data: {\ndata: 1}\n\n'],
    ['event: x\ndatabase: y\ndata\n\n', 'é', 'event: x\ndatabase: y\ndata: é\n\n'],
  ])('puts new data into %j', (event, data, expected) => {
    const changed = withData(Buffer.from(event), data)
    expect(changed.toString()).toBe(expected)
    expect(readEvent(changed)).toEqual({ ...readEvent(Buffer.from(event)), data })
  })
})
