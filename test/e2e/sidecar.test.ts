// A data plane beside one application: it serves one tenant, holds that tenant's keys only, and its Redis user reaches
// nothing else (docs/sidecar.md).
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { follow } from '@smartflow/core/snapshot/follow'
import { Keyring } from '@smartflow/core/snapshot/keyring'
import { configKeys, manifestId } from '@smartflow/core/snapshot/keys'
import { writeRootManifest } from '@smartflow/core/snapshot/manifest'
import { signerOf, verifierOf } from '@smartflow/core/snapshot/signing'
import { contentDigest, type SnapshotData } from '@smartflow/core/snapshot/snapshot-data'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { RedisConfigStore } from '../../core/src/snapshot/redis-config-store.ts'
import { openRedis, type RedisConnection } from '../../dataplane/src/stores/redis/connection.ts'
import { redisUser, type RedisUser } from '../redis-acl.ts'
import { Books } from './books.ts'
import { type Answer, ask, chat, get } from './calls.ts'
import { cleanUp, eventually, type GatewayProcess, startGateway, temporary, writeResources } from './gateway.ts'
import { daily, fresh, price, resource, type Resource, scripted, tenant, virtualKey, yaml } from './resources.ts'
import { startUpstream, type Upstream, usage, whole } from './upstream.ts'

const redisUrl = inject('redisUrl')
const ACME = fresh('acme')
const OTHER = fresh('other')

describe.skipIf(redisUrl === '')('a sidecar (skipped without a Redis)', () => {
  let upstream: Upstream
  let admin: RedisConnection
  let user: RedisUser
  let gateway: GatewayProcess
  let sidecar: GatewayProcess
  let own: RedisConnection

  const resources = (...more: readonly Resource[]): string => {
    const provider = scripted('p', upstream.url, { pricing: [price('m', '100')] })
    const cached = resource('Policy', 'cached', { cache: { enabled: true, ttl: '1h' } })
    const limits = { rateLimit: { rpm: 1_000, concurrency: 10 }, ...daily('10') }
    return yaml(
      ...tenant(ACME, {}, ...provider, cached, virtualKey('app', { role: 'ProxyAdmin', ...limits }), ...more),
      ...tenant(OTHER, {}, ...provider, virtualKey('stranger')),
    )
  }

  beforeAll(async () => {
    upstream = await startUpstream(whole('ok', usage(10, 10)))
    admin = openRedis(redisUrl, { name: 'admin', commandTimeoutMs: 10_000 })
    expect(await admin.whenUp(10_000)).toBe(true)
    gateway = await startGateway({ redisUrl, gateway: ACME, resources: resources() })
    await publishForTenant()
    user = await redisUser(admin, redisUrl, { kind: 'smartflow-sidecar-TENANT', tenant: ACME })
    own = openRedis(user.url, { name: 'own', commandTimeoutMs: 10_000 })
    expect(await own.whenUp(10_000)).toBe(true)
    sidecar = await startSidecar()
  })

  afterAll(async () => {
    await cleanUp()
    own?.close()
    await user?.remove()
    admin?.close()
    await upstream?.close()
  })

  /** The files of the Secret `smartflow-sidecar`, and nothing else of the gateway's. */
  function startSidecar(): Promise<GatewayProcess> {
    const [keysDir, keys] = [join(temporary(), 'keys'), join(gateway.stateDir, 'keys')]
    mkdirSync(keysDir)
    const master = Buffer.from(readFileSync(join(keys, 'master.key'), 'utf8').trim(), 'hex')
    writeFileSync(join(keysDir, 'tenant.keys'), Keyring.fromMaster(master).exportTenant(ACME))
    writeFileSync(join(keysDir, 'signing.pub'), readFileSync(join(keys, 'signing.pub')))
    const env = { SMARTFLOW_TENANT: ACME, SMARTFLOW_POD_UID: 'app-pod' }
    return startGateway({ redisUrl: user.url, gateway: ACME, keysDir, env })
  }

  /** The tenant's own head and root, where the writer has not made them. */
  async function publishForTenant(): Promise<void> {
    const keys = join(gateway.stateDir, 'keys')
    const verifier = verifierOf(readFileSync(join(keys, 'signing.pub'), 'utf8'))
    const reader = new RedisConfigStore({ redis: admin, gateway: ACME })
    const followed = await follow({ reader, verifier, current: undefined })
    if (followed.outcome !== 'newer') throw new Error('nothing is published')
    const tenants = new Map([...followed.data.tenants].filter(([name]) => name === ACME))
    const { epoch, generation } = followed.data.version
    const digest = contentDigest(followed.data.settings, tenants)
    if ((await admin.send('hget', [configKeys.tenantHead(ACME, ACME), 'digest'])) === digest) return
    const data: SnapshotData = { ...followed.data, tenants, version: { epoch, generation, digest } }
    const id = manifestId(epoch, generation)
    const root = writeRootManifest(data, signerOf(readFileSync(join(keys, 'signing.key'), 'utf8')))
    await admin.send('set', [`sf:{${ACME}}:cfg:${ACME}:root:${id}`, root])
    const head = { epoch, gen: generation, digest, manifest: id }
    await admin.send('hset', [configKeys.tenantHead(ACME, ACME), ...Object.entries(head).flat()])
    await admin.send('publish', [configKeys.tenantNotify(ACME, ACME), id])
  }

  const call = (token: string, content = 'Hello'): Promise<Answer> => ask(sidecar.proxy, token, chat('m', content))
  const token = (): string => gateway.token('app-key')

  test('serves its tenant end to end: budget, cache and record are the same as at the gateway', async () => {
    const answer = await call(token())
    expect(answer.status).toBe(200)
    expect(answer.headers.get('x-smartflow-degraded')).toBeNull()
    const books = new Books(admin, ACME)
    await eventually('it is charged', async () => (await books.budget(`key:${ACME}/app`)).spent === 2_000)
    const id = answer.headers.get('x-smartflow-request-id')
    for (const { management } of [gateway, sidecar]) {
      await eventually('it is on record', async () => {
        const { status } = await get(`${management}/api/vas/logs/${id}`, token())
        return status === 200
      })
    }
    await eventually('the gateway has the answer from the cache', async () => {
      const again = await ask(gateway.proxy, token(), chat('m'))
      return again.headers.get('x-smartflow-cache-hit') === 'true'
    })
    const { json } = await get(`${sidecar.management}/api/health/comprehensive`, token())
    expect(json).toMatchObject({ status: 'healthy', cache: { available: true } })
  })

  test("knows no key of another tenant, and keeps strangers' records among its own keys", async () => {
    const { status, headers } = await call(gateway.token('stranger-key'))
    expect(status).toBe(401)
    const id = headers.get('x-smartflow-request-id')
    const url = `${sidecar.management}/api/vas/logs/${id}?tenant=-`
    await eventually('it is on record', async () => (await get(url, token())).status === 200)
    expect(await admin.send('exists', [`sf:{${ACME}}:audit-strangers`])).toBe(1)
  })

  test("an administrator's key of the tenant sees no other tenant's log there", async () => {
    const { status, json } = await get(`${sidecar.management}/api/vas/logs?tenant=${OTHER}`, token())
    expect(status).toBe(404)
    expect(json?.error?.message).toContain(`serves the tenant "${ACME}" only`)
  })

  test('acknowledges among its own keys; no gateway counts it', async () => {
    const ack = `sf:{${ACME}}:ack:app-pod`
    await eventually('the acknowledgement', async () => (await admin.send('hget', [ack, 'gen'])) !== null)
    expect(await admin.send('keys', ['sf:ack:*app-pod'])).toEqual([])
  })

  test('follows what is published for its tenant', async () => {
    const served = async (): Promise<number> => Number((await get(`${sidecar.metrics}/-/config`)).json?.['generation'])
    const before = await served()
    writeResources(gateway.stateDir, resources(virtualKey('second')))
    await eventually('it is published', async () => {
      const gen = await admin.send('hget', [`sf:cfg:{${ACME}}:head`, 'gen'])
      return Number(gen) > before
    })
    await publishForTenant()
    await eventually('it is served', async () => (await served()) > before)
    expect((await call(gateway.token('second-key'), 'of another key')).status).toBe(200)
  })

  test('asks for nothing that its Redis user may not do, and that user reaches no other tenant', async () => {
    expect(await user.refused()).toEqual([])
    const found = (await admin.send('keys', [`sf:{${OTHER}}:cfg:*`])) as string[]
    expect(found.length).toBeGreaterThan(0)
    for (const key of [...found, `sf:{${OTHER}}:cfg:head`, `sf:cfg:{${ACME}}:head`])
      await expect(own.send('get', [key])).rejects.toThrow('NOPERM')
    const item = found[0] ?? ''
    await expect(own.send('eval', ["return redis.call('GET', ARGV[1])", 0, item])).rejects.toThrow(/NOPERM|permission/i)
    await expect(own.send('set', [`sf:{${OTHER}}:led:x`, ''])).rejects.toThrow('NOPERM')
    await expect(own.send('subscribe', [`sf:{${OTHER}}:cfg:notify`])).rejects.toThrow('NOPERM')
    await expect(own.send('publish', [`sf:cfg:{${ACME}}:notify`, ''])).rejects.toThrow('NOPERM')
    await expect(own.send('hset', [configKeys.tenantHead(ACME, ACME), 'gen', '9'])).rejects.toThrow('NOPERM')
    for (const [name, ...args] of [
      ['keys', '*'],
      ['scan', '0'],
      ['randomkey'],
      ['dbsize'],
      ['pubsub', 'channels'],
      ['flushall'],
      ['config', 'get', '*'],
      ['acl', 'list'],
    ])
      await expect(own.send(name ?? '', args)).rejects.toThrow('NOPERM')
  })
})
