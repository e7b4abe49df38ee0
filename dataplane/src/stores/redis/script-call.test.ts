// What is written for a call is what Redis reads, whatever pieces it comes in.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { joined, plainCall } from './script-call.ts'

/** Arguments of a command as the protocol spells them. */
function read(bytes: Buffer): Buffer[] {
  const args: Buffer[] = []
  let at = bytes.indexOf('\r\n') + 2
  while (at < bytes.length) {
    const from = bytes.indexOf('\r\n', at) + 2
    const size = Number(bytes.toString('latin1', at + 1, from - 2))
    args.push(bytes.subarray(from, from + size))
    at = from + size + 2
  }
  return args
}

describe('a plain call', () => {
  test('says its arguments, texts as UTF-8 and bytes as they are', () => {
    const bytes = fc.uint8Array({ maxLength: 20 }).map(some => Buffer.from(some))
    const argument = fc.oneof(
      fc.string({ unit: fc.constantFrom('a', '\r\n', '$', 'ü', '電', '🙂'), maxLength: 8 }),
      fc.integer(),
      bytes,
    )
    fc.assert(
      fc.property(fc.array(argument, { minLength: 1, maxLength: 6 }), args => {
        const { wire } = plainCall(args)
        const sent = joined(typeof wire === 'string' ? [wire] : wire)
        const found = read(Buffer.from(sent))
        expect(found.map(one => one.toString('hex'))).toEqual(
          args.map(arg => (Buffer.isBuffer(arg) ? arg : Buffer.from(String(arg))).toString('hex')),
        )
      }),
    )
  })
})

describe('what leaves in one write', () => {
  test('is one text as long as there are no bytes among the pieces', () => {
    expect(joined(['a', 'ü', ''])).toBe('aü')
    expect(joined(['ü', Buffer.from([0, 255]), 'b', 'c'])).toEqual(Buffer.from([0xc3, 0xbc, 0, 255, 0x62, 0x63]))
  })
})
