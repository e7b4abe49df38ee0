import { describe, expect, test } from 'vitest'
import { requestId } from './request-id.ts'

describe('request ids', () => {
  test('are UUIDs of version 4, none twice', () => {
    const ids = Array.from({ length: 10_000 }, requestId)
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(new Set(ids).size).toBe(ids.length)
  })

  test('use every digit in every free place', () => {
    const ids = Array.from({ length: 5_000 }, requestId)
    for (const place of [0, 9, 15, 20, 35]) expect(new Set(ids.map(id => id[place])).size).toBe(16)
  })
})
