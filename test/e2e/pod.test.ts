// The data plane as a pod: when it is ready, what it says it serves, its listeners apart, and how it goes.
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { request as httpRequest, Agent } from 'node:http'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { openRedis, type RedisConnection } from '../../dataplane/src/stores/redis/connection.ts'
import { ask, type Body, chat, get } from './calls.ts'
import { cleanUp, eventually, type GatewayOptions, type GatewayProcess, startGateway, temporary } from './gateway.ts'
import { fresh, resource, scripted, tenant, virtualKey, yaml } from './resources.ts'
import { startUpstream, type Upstream, whole } from './upstream.ts'

const redisUrl = inject('redisUrl')
const TENANT = fresh('pod')
/** Nobody listens there. */
const AWAY = 'redis://127.0.0.1:1'

describe.skipIf(redisUrl === '')('a pod (skipped without a Redis)', () => {
  let upstream: Upstream
  let writer: GatewayProcess
  let look: RedisConnection

  beforeAll(async () => {
    upstream = await startUpstream()
    const keys = [virtualKey('app'), virtualKey('admin', { role: 'ProxyAdmin' })]
    const resources = yaml(...tenant(TENANT, {}, ...scripted('p', upstream.url), ...keys))
    writer = await startGateway({ redisUrl, gateway: TENANT, resources })
    look = openRedis(redisUrl, { name: 'look', commandTimeoutMs: 10_000 })
    expect(await look.whenUp(10_000)).toBe(true)
  })

  afterAll(async () => {
    look?.close()
    await cleanUp()
    await upstream?.close()
  })

  const pod = (env: Record<string, string> = {}, more: Partial<GatewayOptions> = {}): Promise<GatewayProcess> =>
    startGateway({ redisUrl, gateway: TENANT, keysDir: join(writer.stateDir, 'keys'), env, ...more })

  const call = ({ proxy }: GatewayProcess): ReturnType<typeof ask> => ask(proxy, writer.token('app-key'), chat('m'))

  async function acknowledged(uid: string): Promise<Body> {
    const reply = await look.send('hgetall', [`sf:ack:{${TENANT}}:${uid}`])
    return Object.fromEntries(Object.entries(reply ?? {}))
  }

  test('says on its metrics port and in its acknowledgement what it serves, under the name of its pod', async () => {
    const uid = `uid-${randomBytes(4).toString('hex')}`
    const gateway = await pod({ SMARTFLOW_POD_UID: uid })
    const { json: config } = await get(`${gateway.metrics}/-/config`)
    expect(config).toMatchObject({ epoch: 1, generation: 1, problem: null, podUid: uid })
    expect(config?.['digest']).toMatch(/^[0-9a-f]{64}$/)
    const served = { epoch: '1', gen: '1', digest: config?.['digest'], boot: config?.['boot'], problem: '' }
    await eventually('the acknowledgement', async () => (await acknowledged(uid))['gen'] === '1')
    expect(await acknowledged(uid)).toMatchObject(served)
    await gateway.stop()
    expect(await acknowledged(uid)).toEqual({})
  })

  test('new, with its store away, is alive and not ready; with a last good configuration on disk it serves', async () => {
    const [proxy, metrics] = [await freePort(), await freePort()]
    const env = {
      SMARTFLOW_PROXY_PORT: String(proxy),
      SMARTFLOW_METRICS_PORT: String(metrics),
      SMARTFLOW_LISTENERS: 'proxy',
    }
    const stateDir = temporary()
    const started = pod(env, { redisUrl: AWAY, stateDir }).catch((error: unknown) => error)
    const status = (path: string): Promise<number> => get(`http://127.0.0.1:${metrics}${path}`).then(a => a.status)
    await eventually('it is alive', async () => (await status('/livez')) === 200)
    await eventually('it looked', async () => {
      const { text } = await get(`http://127.0.0.1:${metrics}/readyz`)
      return text.includes('nothing') || text.includes('no configuration')
    })
    expect(await status('/readyz')).toBe(503)
    expect((await ask(`http://127.0.0.1:${proxy}`, writer.token('app-key'), chat('m'))).status).toBe(503)
    expect(await status('/livez')).toBe(200)
    void started

    const first = await pod()
    await eventually('it is on disk', () => hasLastGood(first.stateDir))
    await first.stop()
    const second = await pod({}, { redisUrl: AWAY, stateDir: first.stateDir })
    expect((await get(`${second.metrics}/readyz`)).status).toBe(200)
    expect((await call(second)).status).toBe(200)
  })

  test('serves one of its listeners alone', async () => {
    const proxy = await pod({ SMARTFLOW_LISTENERS: 'proxy' })
    expect(proxy.management).toBe('')
    expect((await call(proxy)).status).toBe(200)
    const admin = writer.token('admin-key')
    expect((await get(`${proxy.proxy}/api/vas/logs`, admin)).status).toBe(404)
    for (const singlePort of ['false', 'true']) {
      const management = await pod({ SMARTFLOW_LISTENERS: 'management', SMARTFLOW_SINGLE_PORT: singlePort })
      expect(management.proxy).toBe('')
      expect((await get(`${management.management}/api/vas/logs`, admin)).status).toBe(200)
      expect((await ask(management.management, writer.token('app-key'), chat('m'))).status).toBe(404)
      expect((await get(`${management.metrics}/readyz`)).status).toBe(200)
    }
  })

  test('plays the folder with one listener too, the demo upstream included', async () => {
    const name = fresh('alone')
    const demo = resource('AIProvider', 'demo', { preset: 'demo' })
    const resources = yaml(...tenant(name, {}, demo, virtualKey('admin', { role: 'ProxyAdmin' })))
    const stateDir = temporary()
    const alone = (listener: string): Promise<GatewayProcess> =>
      startGateway({ redisUrl, gateway: name, resources, stateDir, env: { SMARTFLOW_LISTENERS: listener } })
    const proxy = await alone('proxy')
    const answer = await ask(proxy.proxy, proxy.token('admin-key'), chat('demo/any'))
    expect(answer.status).toBe(200)
    await proxy.stop()
    const management = await alone('management')
    const id = answer.headers.get('x-smartflow-request-id')
    const log = await get(`${management.management}/api/vas/logs/${id}`, management.token('admin-key'))
    expect(log.status).toBe(200)
  })

  test('asked to stop: not ready at once, new calls are served for the lame duck time, streams to their end', async () => {
    const gateway = await pod({ SMARTFLOW_LAME_DUCK_MS: '4000' })
    const rest = Promise.withResolvers<void>()
    upstream.answer = async (seen, response) => {
      if (seen.body['stream'] !== true) return whole('short')(seen, response)
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(event({ role: 'assistant', content: 'begun' }))
      await rest.promise
      response.write(event({ content: ' and ended' }, 'stop'))
      response.end('data: [DONE]\n\n')
    }
    const agent = new Agent({ keepAlive: true })
    const stream = open(agent, gateway, writer.token('app-key'))
    await eventually('the stream began', () => stream.text().includes('begun'))
    const stopped = gateway.stop()
    const ready = await eventually('it is not ready', async () => {
      const answer = await get(`${gateway.metrics}/readyz`)
      return answer.status === 503 && answer
    })
    expect(ready.json).toEqual({ status: 'draining' })
    const late = await call(gateway)
    expect(late.status).toBe(200)
    expect(late.headers.get('connection')).toBe('close')
    await eventually('it takes no more connections', () =>
      call(gateway).then(
        () => false,
        () => true,
      ),
    )
    expect((await get(`${gateway.metrics}/livez`)).status).toBe(200)
    rest.resolve()
    await stream.ended
    expect(stream.text()).toContain('and ended')
    expect(stream.text()).toContain('[DONE]')
    await stopped // long before SMARTFLOW_DRAIN_MS, although the caller keeps its connection
    expect(await gateway.exited).toBe(0)
    agent.destroy()
  })
})

async function hasLastGood(stateDir: string): Promise<boolean> {
  return (await readFile(join(stateDir, 'last-good.json'), 'utf8')).includes('VirtualKey')
}

function event(delta: object, finish: string | null = null): string {
  const chunk = { id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm' }
  return `data: ${JSON.stringify({ ...chunk, choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
}

/** A streamed call whose text is looked at while it comes. */
function open(agent: Agent, { proxy }: GatewayProcess, token: string): { text(): string; ended: Promise<void> } {
  let text = ''
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>()
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  httpRequest(`${proxy}/v1/chat/completions`, { agent, method: 'POST', headers }, response => {
    response.on('data', part => (text += String(part))).on('end', resolve)
  })
    .on('error', reject)
    .end(JSON.stringify(chat('m', 'Hello', { stream: true })))
  return { text: () => text, ended }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise(resolve => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}
