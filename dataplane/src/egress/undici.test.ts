import { createServer, type Server, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { type Egress, EgressError, type EgressRequest } from '../ports/egress.ts'
import { undiciEgress } from './undici.ts'

const open: { egress: Egress; server: Server; sockets: Socket[] }[] = []

/** A server that does with each connection what it is told, and a way out to it. */
async function target(
  connected: (socket: Socket) => void = () => {},
): Promise<{ egress: Egress; port: number; sockets: Socket[] }> {
  const sockets: Socket[] = []
  const server = createServer(socket => {
    sockets.push(socket.on('error', () => {}))
    connected(socket)
  })
  await new Promise<void>(resolve => server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 }, resolve))
  const egress = undiciEgress()
  open.push({ egress, server, sockets })
  return { egress, port: (server.address() as AddressInfo).port, sockets }
}

afterEach(async () => {
  for (const { egress, server, sockets } of open.splice(0)) {
    await egress.close()
    for (const socket of sockets) socket.destroy()
    server.close()
  }
})

function request(url: string, more: Partial<EgressRequest> = {}): EgressRequest {
  return {
    url,
    method: 'POST',
    headers: {},
    body: Buffer.from('{}'),
    signal: new AbortController().signal,
    allowPrivate: true,
    connectTimeoutMs: 5_000,
    headersTimeoutMs: 5_000,
    idleTimeoutMs: 5_000,
    ...more,
  }
}

async function failure(call: Promise<unknown>): Promise<EgressError> {
  const error: unknown = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(EgressError)
  return error as EgressError
}

describe('undiciEgress', () => {
  it.each([
    ['an address', '127.0.0.1'],
    ['an address in disguise', '0x7f.1'],
    ['an address as a number', '2130706433'],
    ['an address in IPv6', '[::ffff:127.0.0.1]'],
    ['a name', 'localhost'],
  ])('does not connect to %s that is private and was not declared', async (_title, host) => {
    const { egress, port, sockets } = await target()
    const error = await failure(egress.send(request(`http://${host}:${port}/`, { allowPrivate: false })))
    expect(error.failure).toBe('refused')
    expect(error.message).toMatch(/private address.*allowPrivateEndpoint/)
    expect(sockets).toHaveLength(0)
  })

  it.each(['169.254.169.254', '[fe80::1]', '0.0.0.0', '[::]', '[fd00:ec2::254]'])(
    'never connects to %s',
    async host => {
      const { egress, port, sockets } = await target()
      const error = await failure(egress.send(request(`http://${host}:${port}/`)))
      expect(error.failure).toBe('refused')
      expect(sockets).toHaveLength(0)
    },
  )

  it('gives up when no head comes in time', async () => {
    const { egress, port } = await target()
    const error = await failure(egress.send(request(`http://127.0.0.1:${port}/`, { headersTimeoutMs: 50 })))
    expect(error.failure).toBe('timeout')
  })

  it('counts the wait for a connection: with all of them taken, a request is given up in time, and when its caller goes', async () => {
    const { egress, port, sockets } = await target()
    const url = `http://127.0.0.1:${port}/`
    const gone = new AbortController()
    const lasting = { signal: gone.signal, headersTimeoutMs: 60_000 }
    const taking = Array.from({ length: 1_024 }, () => egress.send(request(url, lasting)).catch(() => {}))
    await expect.poll(() => sockets.length).toBe(1_024)
    expect((await failure(egress.send(request(url, { headersTimeoutMs: 50 })))).failure).toBe('timeout')
    const impatient = new AbortController()
    const waiting = failure(egress.send(request(url, { signal: impatient.signal })))
    impatient.abort()
    expect((await waiting).failure).toBe('aborted')
    gone.abort()
    await Promise.all(taking)
  })

  it('names a port where nobody listens unreachable, and a broken connection broken', async () => {
    const { egress, port } = await target(socket => socket.destroy())
    expect((await failure(egress.send(request(`http://127.0.0.1:${port}/`)))).failure).toBe('broken')
    expect((await failure(egress.send(request('http://127.0.0.1:9/')))).failure).toBe('unreachable')
  })

  it('ends the request at the provider when its caller goes, before and after the head', async () => {
    const { egress, port, sockets } = await target(socket =>
      socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf')),
    )
    const gone = new AbortController()
    const { chunks } = await egress.send(request(`http://127.0.0.1:${port}/`, { signal: gone.signal }))
    expect((await chunks.next()).value?.toString()).toBe('half')
    const closed = new Promise(resolve => sockets[0]?.once('close', resolve))
    gone.abort()
    expect((await failure(chunks.next())).failure).toBe('aborted')
    await closed
  })
})
