import { PassThrough } from 'node:stream'
import { createHash, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { turnsEnd } from '../exchange/turn.ts'
import { readBody } from './body.ts'

interface Upload {
  readonly stream: PassThrough
  readonly goAhead: ReturnType<typeof vi.fn<() => void>>
  readonly body: Promise<Buffer>
}

function upload(headers: Record<string, string> = {}, maxBytes = 1_000): Upload {
  const stream = new PassThrough()
  const goAhead = vi.fn<() => void>()
  const body = readBody(Object.assign(stream, { headers }) as unknown as IncomingMessage, {
    maxBytes,
    patienceMs: 10_000,
    goAhead,
  })
  body.catch(() => {})
  return { stream, goAhead, body }
}

describe('a server with readBody', () => {
  it('gets bodies of every size whole, and each connection serves the next', async () => {
    const limits = { maxBytes: 10_000_000, patienceMs: 10_000, goAhead: () => {} }
    const server = createServer((request, response) => {
      void readBody(request, limits).then(body => response.end(createHash('sha256').update(body).digest('hex')))
    }).listen(0, '127.0.0.1')
    await new Promise(resolve => server.once('listening', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    for (const size of [0, 1, 1_000, 60_000, 66_000, 95_000, 130_000, 200_000, 1_000_000, 5_000_000]) {
      const body = randomBytes(size)
      const response = await fetch(url, { method: 'POST', body })
      expect(await response.text(), `${size} bytes`).toBe(createHash('sha256').update(body).digest('hex'))
    }
    server.close()
    server.closeAllConnections()
  })
})

describe('readBody', () => {
  beforeAll(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] }))
  afterAll(() => void vi.useRealTimers())

  it('gives the whole body, however it comes', async () => {
    const { stream, body } = upload()
    for (const part of ['{"a":', '', '1', '}']) stream.write(part)
    stream.end()
    expect((await body).toString()).toBe('{"a":1}')
  })

  it('takes a body that came with its head as it is there, and bounds it', async () => {
    const whole = upload()
    whole.stream.end(Buffer.alloc(1_000, 'x'))
    Object.assign(whole.stream, { complete: true })
    expect(await whole.body).toEqual(Buffer.alloc(1_000, 'x'))
    expect(whole.stream.listenerCount('data')).toBe(0)
    const pieces = upload()
    for (const piece of ['{"a":', '1', '}']) pieces.stream.write(piece)
    pieces.stream.end()
    Object.assign(pieces.stream, { complete: true })
    expect((await pieces.body).toString()).toBe('{"a":1}')
    const large = upload()
    large.stream.end(Buffer.alloc(1_001))
    Object.assign(large.stream, { complete: true })
    await expect(large.body).rejects.toMatchObject({ reason: 'body_too_large' })
    const none = upload()
    none.stream.end()
    Object.assign(none.stream, { complete: true })
    expect(await none.body).toHaveLength(0)
  })

  it('gives an empty body for none', async () => {
    const { stream, body } = upload()
    stream.end()
    expect(await body).toHaveLength(0)
  })

  it('takes exactly as much as is allowed', async () => {
    const { stream, body } = upload()
    stream.end(Buffer.alloc(1_000))
    expect(await body).toHaveLength(1_000)
  })

  it('refuses one byte more, and does not hold what comes after that', async () => {
    const { stream, body } = upload()
    stream.write(Buffer.alloc(1_001))
    await expect(body).rejects.toMatchObject({ reason: 'body_too_large', status: 413 })
    stream.end(Buffer.alloc(100_000))
  })

  it('refuses by the announced length, before a byte is read and before any go-ahead', async () => {
    const { goAhead, body } = upload({ 'content-length': '1001', expect: '100-continue' })
    await expect(body).rejects.toMatchObject({ reason: 'body_too_large' })
    expect(goAhead).not.toHaveBeenCalled()
  })

  it('gives the go-ahead to whoever waits for it, and to nobody else', async () => {
    expect(upload({ expect: '100-Continue' }).goAhead).toHaveBeenCalledOnce()
    expect(upload().goAhead).not.toHaveBeenCalled()
    expect(upload({ expect: 'something' }).goAhead).not.toHaveBeenCalled()
  })

  it('refuses a compressed body', async () => {
    await expect(upload({ 'content-encoding': 'br' }).body).rejects.toMatchObject({ reason: 'media_type', status: 415 })
    const plain = upload({ 'content-encoding': 'identity' })
    plain.stream.end('x')
    expect(await plain.body).toHaveLength(1)
  })

  it('refuses a sender who is slower than the patience allows', async () => {
    const { stream, body } = upload()
    stream.write('x')
    await turnsEnd()
    await vi.advanceTimersByTimeAsync(11_000)
    await expect(body).rejects.toMatchObject({ reason: 'request_timeout', status: 408 })
  })

  it('waits for a large body as long as enough of it comes', async () => {
    const { stream, body } = upload({}, 1_000_000)
    await turnsEnd()
    for (let span = 0; span < 5; span++) {
      stream.write(Buffer.alloc(20_000))
      await vi.advanceTimersByTimeAsync(10_000)
    }
    stream.end()
    expect(await body).toHaveLength(100_000)
  })

  it('says client_gone when the sender goes away', async () => {
    const { stream, body } = upload()
    stream.write('{"a"')
    stream.destroy()
    await expect(body).rejects.toMatchObject({ reason: 'client_gone', status: 499 })
  })

  it('says client_gone when the connection breaks', async () => {
    const { stream, body } = upload()
    stream.on('error', () => {}) // a real request tells only those who listen
    stream.destroy(new Error('reset'))
    await expect(body).rejects.toMatchObject({ reason: 'client_gone' })
  })
})
