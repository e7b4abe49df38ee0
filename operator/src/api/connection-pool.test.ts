import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { TestClock } from '../../../test/operator/test-clock.ts'
import { ConnectionPool } from './connection-pool.ts'

let clock: TestClock
let pool: ConnectionPool

beforeEach(() => {
  clock = new TestClock()
  pool = new ConnectionPool('http://127.0.0.1:1', clock)
})

afterEach(() => pool.close())

describe('the pool of connections', () => {
  it('is one, until the CA or our certificate is another', () => {
    const first = pool.take({ ca: 'one' })
    expect(pool.take({ ca: Buffer.from('one') })).toBe(first)
    const second = pool.take({ ca: 'two' })
    expect(second).not.toBe(first)
    expect(pool.take({ ca: 'two', cert: 'mine' })).not.toBe(second)
    expect(first.closed).toBe(true)
  })

  it('is another one after half an hour', async () => {
    const first = pool.take({})
    await clock.advance(29 * 60_000)
    expect(pool.take({})).toBe(first)
    await clock.advance(2 * 60_000)
    expect(pool.take({})).not.toBe(first)
  })

  it('is given up after two calls in a row without an answer', () => {
    const first = pool.take({})
    pool.report(first, false)
    pool.report(first, true)
    pool.report(first, false)
    expect(pool.take({})).toBe(first)
    pool.report(first, false)
    expect(first.destroyed).toBe(true)
    expect(pool.take({})).not.toBe(first)
  })
})
