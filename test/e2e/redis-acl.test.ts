// Gateway pods and whoever publishes work under the Redis users that docs/kubernetes/redis-acl.md gives them.
import { join } from 'node:path'
import { Publisher } from '@smartflow/core/snapshot/publish'
import { newSigningKeys, signerOf, verifierOf } from '@smartflow/core/snapshot/signing'
import { testCompiled, testTenant } from '@smartflow/core/snapshot/test-world'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { RedisConfigStore } from '../../core/src/snapshot/redis-config-store.ts'
import { openRedis, type RedisConnection } from '../../dataplane/src/stores/redis/connection.ts'
import { redisUser, type RedisUser } from '../redis-acl.ts'
import { ask, chat, get } from './calls.ts'
import { cleanUp, eventually, type GatewayProcess, startGateway } from './gateway.ts'
import { daily, fresh, price, resource, scripted, tenant, virtualKey, yaml } from './resources.ts'
import { startUpstream, type Upstream } from './upstream.ts'

const redisUrl = inject('redisUrl')
const TENANT = fresh('acl')

describe.skipIf(redisUrl === '')('Redis users (skipped without a Redis)', () => {
  let upstream: Upstream
  let admin: RedisConnection
  let writer: GatewayProcess
  const users: RedisUser[] = []

  beforeAll(async () => {
    upstream = await startUpstream()
    admin = openRedis(redisUrl, { name: 'admin', commandTimeoutMs: 10_000 })
    expect(await admin.whenUp(10_000)).toBe(true)
    const resources = yaml(
      ...tenant(
        TENANT,
        {},
        ...scripted('p', upstream.url, { pricing: [price('m', '100')] }),
        resource('Policy', 'cached', { cache: { enabled: true, ttl: '1h' } }),
        virtualKey('app', { role: 'ProxyAdmin', rateLimit: { rpm: 1_000, concurrency: 10 }, ...daily('10') }),
      ),
    )
    writer = await startGateway({ redisUrl, gateway: TENANT, resources })
  })

  afterAll(async () => {
    await cleanUp()
    await Promise.all(users.map(user => user.remove()))
    admin?.close()
    await upstream?.close()
  })

  test('a gateway pod serves, counts, caches, records and acknowledges, and is refused nothing that it asks for', async () => {
    const user = await redisUser(admin, redisUrl, { kind: 'smartflow-gateway', gateway: TENANT })
    users.push(user)
    const pod = await startGateway({
      redisUrl: user.url,
      gateway: TENANT,
      keysDir: join(writer.stateDir, 'keys'),
      env: { SMARTFLOW_POD_UID: 'pod-acl' },
    })
    const token = writer.token('app-key')
    const answer = await ask(pod.proxy, token, chat('m'))
    expect(answer.status).toBe(200)
    expect(answer.headers.get('x-smartflow-degraded')).toBeNull()
    expect((await ask(pod.proxy, 'sk-sf-unknown', chat('m'))).status).toBe(401)
    const id = answer.headers.get('x-smartflow-request-id')
    await eventually('the call is on record', async () => {
      const { status } = await get(`${pod.management}/api/vas/logs/${id}`, token)
      return status === 200
    })
    await eventually('the answer is cached where others find it', async () => {
      const again = await ask(writer.proxy, token, chat('m'))
      return again.headers.get('x-smartflow-cache-hit') === 'true'
    })
    const { json } = await get(`${pod.management}/api/health/comprehensive`, token)
    expect(json).toMatchObject({ status: 'healthy', cache: { available: true } })
    await eventually('it acknowledged', () => admin.send('exists', [`sf:ack:{${TENANT}}:pod-acl`]).then(n => n === 1))
    await pod.stop()
    expect(await user.refused()).toEqual([])
  })

  test('a gateway pod cannot change configuration, nor whoever has its URL', async () => {
    const user = await redisUser(admin, redisUrl, { kind: 'smartflow-gateway', gateway: TENANT })
    users.push(user)
    const pod = openRedis(user.url, { name: 'pod', commandTimeoutMs: 10_000 })
    expect(await pod.whenUp(10_000)).toBe(true)
    const head = `sf:cfg:{${TENANT}}:head`
    expect(await pod.send('hget', [head, 'gen'])).toBe('1')
    await expect(pod.send('hset', [head, 'gen', '7'])).rejects.toThrow('NOPERM')
    await expect(pod.send('set', [`sf:{${TENANT}}:cfg:item:x`, '{}'])).rejects.toThrow('NOPERM')
    await expect(pod.send('publish', [`sf:cfg:{other}:notify`, ''])).rejects.toThrow('NOPERM')
    await expect(pod.send('flushall', [])).rejects.toThrow('NOPERM')
    pod.close()
  })

  test('whoever publishes may write configuration and read acknowledgements, and no money', async () => {
    const gateway = fresh('acl-operator')
    const user = await redisUser(admin, redisUrl, { kind: 'smartflow-operator', gateway })
    users.push(user)
    const redis = openRedis(user.url, { name: 'operator', commandTimeoutMs: 10_000 })
    expect(await redis.whenUp(10_000)).toBe(true)
    const pair = newSigningKeys()
    const publisher = new Publisher({
      store: new RedisConfigStore({ redis, gateway }),
      signer: signerOf(pair.privateKey),
      verifier: verifierOf(pair.publicKey),
    })
    expect(await publisher.publish(testCompiled({ [TENANT]: testTenant(TENANT) }))).toMatchObject({
      outcome: 'published',
    })
    expect(await redis.send('hgetall', [`sf:ack:{${gateway}}:pod`])).toEqual({})
    expect(await user.refused()).toEqual([])
    await expect(redis.send('hgetall', [`sf:{${TENANT}}:led:procs`])).rejects.toThrow('NOPERM')
    await expect(redis.send('xrange', [`sf:{${TENANT}}:audit`, '-', '+'])).rejects.toThrow('NOPERM')
    redis.close()
  })
})
