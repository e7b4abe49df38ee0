// For tests: a Redis of their own with a replica of it, both to be stopped, killed and promoted at will.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type RedisServer, startRedis } from '../hack/redis.ts'
import { findRedis } from '../hack/redis-source.ts'

/** Never the one that REDIS_URL names. */
const ENV = { ...process.env, REDIS_URL: undefined }

/** Both started; the second is nobody's replica yet. */
export interface RedisPair {
  readonly primary: RedisServer
  readonly replica: RedisServer
  end(): Promise<void>
}

/** Whether there is a Redis whose process is ours to stop: not under Docker. Throws under CI when there is none at all. */
export async function hasRedisPair(): Promise<boolean> {
  try {
    return (await findRedis(ENV)).kind !== 'docker'
  } catch (error) {
    if (process.env['CI'] === 'true') throw error
    return false
  }
}

/** A replica is filled without the usual delay, in which others might join. */
export async function startRedisPair(): Promise<RedisPair> {
  const dir = mkdtempSync(join(tmpdir(), 'smartflow-test-pair-'))
  const extraArgs = ['--repl-diskless-sync-delay', '0']
  const start = (name: string): Promise<RedisServer> =>
    startRedis({ dir: join(dir, name), persist: false, extraArgs }, ENV)
  const [primary, replica] = await Promise.all([start('primary'), start('replica')])
  return {
    primary,
    replica,
    async end() {
      await Promise.all([primary, replica].map(server => server.stop('SIGKILL')))
      rmSync(dir, { recursive: true, force: true })
    },
  }
}
