import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { auditRecord } from '../ports/audit-log.contract.ts'
import { MAX_RECORD_BYTES, packContent, readContent, readRecord, recordText } from './audit-text.ts'

describe('the text of a record', () => {
  test('is read back as it was when it is short enough', () => {
    const record = auditRecord({ message: 'ä "quoted" \u0000', attempts: [] })
    expect(readRecord(recordText(record))).toEqual(record)
  })

  test('stays within its limit, valid and with id and tenant, whatever the fields hold', () => {
    const text = fc.string({ unit: 'binary', maxLength: 6000 })
    fc.assert(
      fc.property(text, text, fc.array(text, { maxLength: 60 }), (message, user, tags) => {
        const error = message
        const attempts = tags.map(target => ({ target, provider: user, model: user, status: 0, ms: 1, error }))
        const record = auditRecord({
          id: 'the-id',
          tenant: 'the-tenant',
          message,
          user,
          tags,
          policies: tags,
          attempts,
        })
        const written = recordText(record)
        expect(Buffer.byteLength(written)).toBeLessThanOrEqual(MAX_RECORD_BYTES)
        expect(written.isWellFormed()).toBe(true)
        expect(readRecord(written)).toMatchObject({ id: 'the-id', tenant: 'the-tenant', cost: record.cost })
      }),
      { numRuns: 60 },
    )
  })

  test('what is no record is not read', () => {
    for (const text of ['', '{', '[]', 'null', '7', '{"id":"a"}']) expect(readRecord(text)).toBeUndefined()
  })
})

describe('packed content', () => {
  test('is read back, compressed or not', () => {
    const texts = fc.string({ unit: 'grapheme', maxLength: 3000 })
    fc.assert(
      fc.property(texts, texts, fc.nat(4000), (request, response, compressFrom) => {
        const content = { request: Buffer.from(request), response: Buffer.from(response) }
        expect(readContent(packContent(content, compressFrom))).toEqual({ request, response })
      }),
      { numRuns: 100 },
    )
  })

  test('is smaller when it is long and repeats itself', () => {
    const content = { request: Buffer.from('again and '.repeat(500)), response: Buffer.alloc(0) }
    expect(packContent(content, 1024).byteLength).toBeLessThan(500)
  })

  test('what was cut off or is something else is not read, and nothing is thrown', () => {
    const packed = packContent({ request: Buffer.from('q'.repeat(2000)), response: Buffer.from('a') }, 1024)
    for (const bytes of [Buffer.alloc(0), Buffer.from([9, 0, 0, 0, 0]), packed.subarray(0, 8)]) {
      expect(readContent(bytes)).toBeUndefined()
    }
    for (let i = 0; i < 100; i++) readContent(randomBytes(50))
  })
})
