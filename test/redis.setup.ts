// One Redis for a whole test run. Tests read its address with `inject('redisUrl')`.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { type RedisServer, startRedis } from '../hack/redis.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Empty when there is no Redis to be had: skip the test then, and say why. Never empty under CI. */
    redisUrl: string
  }
}

type Started = { url: string; close: () => Promise<void> }
type Shared = { users: number; server: Promise<Started> }

/** Each project that names this file runs it for itself, with a copy of the module of its own; the server is one. */
const SHARED = Symbol.for('smartflow.test.redis')
const holder = globalThis as { [SHARED]?: Shared }

/** Starts the server, or joins the one that another project started; the function returned lets go of it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const shared = (holder[SHARED] ??= { users: 0, server: start() })
  shared.users++
  const { url, close } = await shared.server
  project.provide('redisUrl', url)
  return async () => {
    shared.users--
    if (shared.users > 0) return
    delete holder[SHARED]
    await close()
  }
}

async function start(): Promise<Started> {
  const dir = mkdtempSync(join(tmpdir(), 'smartflow-test-redis-'))
  const clean = (): void => rmSync(dir, { recursive: true, force: true })
  let server: RedisServer
  try {
    server = await startRedis({ dir, persist: false })
  } catch (error) {
    clean()
    if (process.env['CI'] === 'true') throw error
    console.warn(`\n!! Tests that need Redis are skipped. ${error instanceof Error ? error.message : String(error)}\n`)
    return { url: '', close: async () => undefined }
  }
  return {
    url: server.url,
    close: async () => {
      await server.stop()
      clean()
    },
  }
}
