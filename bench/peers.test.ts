// What can be said of the peers without installing any: names, options, configurations, and how a lane treats them.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { measureCase, portioned, warmUp, type Lane } from './cases.ts'
import { readOptions } from './options.ts'
import { configuration as litellmConfiguration } from './peers/litellm.ts'
import { configuration as nginxConfiguration } from './peers/nginx.ts'
import type { Running, Target } from './target.ts'
import { loadPeer, peerNames } from './targets.ts'
import { startUpstream, type Upstream } from './upstream.ts'

describe('naming peers', () => {
  it('every file of peers/ is one, under its own name', async () => {
    expect(peerNames()).toEqual(['litellm', 'nginx', 'portkey'])
    const loaded = await Promise.all(peerNames().map(loadPeer))
    expect(loaded.map(({ name, peer }) => [name, peer])).toEqual(peerNames().map(name => [name, true]))
  })

  it('says which there are when one is not known', async () => {
    await expect(loadPeer('nobody')).rejects.toThrow('no peer nobody; there are litellm, nginx, portkey')
    await expect(loadPeer('../targets')).rejects.toThrow('no peer ../targets')
  })

  it('PEERS adds them behind our targets', async () => {
    const options = await readOptions([], { PEERS: 'nginx,portkey', TARGETS: 'floor,gateway' })
    expect(options?.targets.map(target => target.name)).toEqual(['floor', 'gateway', 'nginx', 'portkey'])
    expect((await readOptions([], { PEERS: 'none' }))?.targets.every(target => target.peer !== true)).toBe(true)
  })
})

it('warms up long enough for V8 unless told otherwise', async () => {
  expect((await readOptions([], {}))?.warm).toBe(15)
  expect((await readOptions(['--warm', '2'], { WARM: '9' }))?.warm).toBe(2)
})

describe('configurations', () => {
  it('nginx keeps connections and holds nothing back', () => {
    const conf = nginxConfiguration(1234, '127.0.0.1:9100', false)
    expect(conf).toMatch(/^worker_processes 1;$/m)
    expect(conf).toContain('upstream mock { server 127.0.0.1:9100; keepalive ')
    expect(conf).toContain('proxy_buffering off;')
    expect(conf).toContain('listen 127.0.0.1:1234 ')
    expect(conf).not.toContain('user root;')
    expect(nginxConfiguration(1234, '127.0.0.1:9100', true)).toMatch(/^user root;$/m)
  })

  it('LiteLLM has one model, at the mock upstream', () => {
    const { model_list: models } = JSON.parse(litellmConfiguration('http://127.0.0.1:9100'))
    expect(models).toHaveLength(1)
    expect(models[0].litellm_params.api_base).toBe('http://127.0.0.1:9100/v1')
  })
})

describe('a lane', () => {
  const SIZES = {
    sequential: 10,
    connections: 2,
    rate: 10,
    seconds: 0.1,
    concurrent: 2,
    streams: 5,
    chunks: 3,
    delay: 1,
  }
  const heard: Record<string, unknown>[] = []
  let upstream: Upstream
  let picky: { url: string; stop: () => void }

  beforeAll(async () => {
    upstream = await startUpstream()
    picky = await startPicky(upstream.url, heard)
  })
  afterAll(async () => {
    picky.stop()
    await upstream.stop()
  })

  const lane = (target: Partial<Target>, headers: Record<string, string> = {}): Lane => {
    const running: Running = {
      url: `${picky.url}/v1/chat/completions`,
      model: 'm',
      headers,
      pids: [],
      redisPids: [],
      stop: async () => {},
    }
    return { target: { name: 'picky', start: async () => running, ...target }, running }
  }

  it('sends the headers of its target', async () => {
    const around = { upstreamUrl: upstream.url, upstreamPid: 0, idlePids: [] }
    const row = await measureCase('a', lane({ portion: 0.5 }, { 'x-to': 'mock' }), SIZES, around)
    expect(row.load.ok).toBe(5)
    expect(heard.at(-1)).toMatchObject({ 'x-to': 'mock' })
  })

  it('gives a slow target its portion of what has a fixed number', () => {
    expect(portioned(SIZES, { ...lane({}).target, portion: 0.2 })).toEqual({ ...SIZES, sequential: 2, streams: 1 })
    expect(portioned(SIZES, lane({}).target)).toEqual(SIZES)
  })

  it('lets the streams of a peer fail in warm-up, but not ours', async () => {
    await warmUp(lane({ peer: true }), 0.05)
    await expect(warmUp(lane({}), 0.05)).rejects.toThrow(/picky fails in warm-up: .*status 500/)
  })

  it('refuses a peer that answers nothing', async () => {
    const deaf = lane({ peer: true }, { 'x-refuse': '1' })
    await expect(warmUp(deaf, 0.05)).rejects.toThrow(/picky fails in warm-up: .*status 403/)
  })
})

/** A gateway that passes whole calls, answers 500 to every stream, and 403 to whoever asks for it. */
async function startPicky(
  upstreamUrl: string,
  heard: Record<string, unknown>[],
): Promise<{ url: string; stop: () => void }> {
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    heard.push(request.headers)
    const body = await text(request)
    if (request.headers['x-refuse'] !== undefined) return void response.writeHead(403).end('no')
    if (body.includes('"stream":true')) return void response.writeHead(500).end('no streams here')
    const reply = await fetch(upstreamUrl + (request.url ?? ''), { method: 'POST', body })
    response.writeHead(reply.status).end(await reply.text())
  }
  const server = createServer((request, response) => void answer(request, response))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    stop: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
