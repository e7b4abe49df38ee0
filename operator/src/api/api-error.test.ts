import { describe, expect, it } from 'vitest'
import { errorOfAnswer, errorOfFailure, errorOfStatus } from './api-error.ts'

function status(code: number, reason: string, more: object = {}): string {
  return JSON.stringify({ kind: 'Status', code, reason, message: `${reason} happened`, ...more })
}

describe('an answer that is no success', () => {
  it.each([
    [404, status(404, 'NotFound'), 'NotFound'],
    [404, '404 page not found', 'NotFound'],
    [409, status(409, 'AlreadyExists'), 'AlreadyExists'],
    [409, status(409, 'Conflict'), 'Conflict'],
    [410, status(410, 'Expired'), 'Expired'],
    [410, status(410, 'Gone'), 'Expired'],
    [400, status(400, 'BadRequest'), 'Invalid'],
    [415, '', 'Invalid'],
    [422, status(422, 'Invalid'), 'Invalid'],
    [401, '', 'Unauthorized'],
    [403, status(403, 'Forbidden'), 'Forbidden'],
    [429, '<html>', 'TooManyRequests'],
    [500, '', 'Transient'],
    [500, status(500, '', { message: 'failed to create typed patch object: no such field' }), 'Invalid'],
    [503, status(503, 'ServiceUnavailable'), 'Transient'],
    [504, status(504, 'Timeout'), 'Timeout'],
  ])('%i %s is %s', (code, body, reason) => {
    expect(errorOfAnswer(code, body)).toMatchObject({ reason, code })
  })

  it('tells causes by reason and field', () => {
    const causes = [{ reason: 'FieldManagerConflict', field: '.spec.rules', message: 'conflict with "x"' }, 'nonsense']
    expect(errorOfAnswer(409, status(409, 'Conflict', { details: { causes } })).causes).toEqual([
      { reason: 'FieldManagerConflict', field: '.spec.rules' },
    ])
  })

  it('tells how long to wait, within reason', () => {
    const details = { retryAfterSeconds: 3 }
    expect(errorOfAnswer(429, status(429, 'TooManyRequests', { details })).retryAfterMs).toBe(3_000)
    expect(errorOfAnswer(429, '', '5').retryAfterMs).toBe(5_000)
    expect(errorOfAnswer(429, '', '86400').retryAfterMs).toBe(120_000)
    expect(errorOfAnswer(429, '', new Date(Date.now() - 60_000).toUTCString()).retryAfterMs).toBe(0)
    expect(errorOfAnswer(429, '', 'soon').retryAfterMs).toBeUndefined()
  })

  it('is the same as the ERROR event of a watch', () => {
    expect(errorOfStatus({ code: 410, reason: 'Expired', message: 'too old' })).toMatchObject({
      reason: 'Expired',
      message: 'too old',
    })
    expect(errorOfStatus('nonsense')).toMatchObject({ reason: 'Transient' })
  })
})

describe('a failure on the way', () => {
  const coded = (code: string): Error => Object.assign(new Error('failed'), { code })

  it.each([
    [coded('ECONNREFUSED'), 'Transient', 'GET /: ECONNREFUSED'],
    [new TypeError('fetch failed', { cause: coded('ENOTFOUND') }), 'Transient', 'GET /: ENOTFOUND'],
    [new AggregateError([coded('ECONNRESET')]), 'Transient', 'GET /: ECONNRESET'],
    [coded('UND_ERR_CONNECT_TIMEOUT'), 'Timeout', 'GET /: no answer in time (UND_ERR_CONNECT_TIMEOUT)'],
    [new DOMException('late', 'TimeoutError'), 'Timeout', 'GET /: no answer in time (TimeoutError)'],
    [new SyntaxError('bad JSON'), 'Transient', 'GET /: bad JSON'],
    ['text', 'Transient', 'GET /: text'],
  ])('%s', (error, reason, message) => {
    expect(errorOfFailure(error, 'GET /')).toMatchObject({ reason, message })
  })
})
