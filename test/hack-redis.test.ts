// The development Redis: it starts, keeps or forgets its data, and never outlives whoever started it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, describe, expect, test } from 'vitest'
import { type RedisOptions, type RedisServer, startRedis } from '../hack/redis.ts'
import type { Environment } from '../hack/programs.ts'
import { findRedis } from '../hack/redis-source.ts'

const ENV: Environment = { ...process.env, REDIS_URL: undefined }
const found = await findRedis(ENV).catch((error: unknown) => {
  if (ENV['CI'] === 'true') throw error
  return undefined
})

const servers: RedisServer[] = []
const folders: string[] = []

afterAll(async () => {
  await Promise.all(servers.map(server => server.stop('SIGKILL')))
  for (const dir of folders) rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
})

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'hack-redis-'))
  folders.push(dir)
  return dir
}

async function start(env: Environment, options: Partial<RedisOptions> = {}): Promise<RedisServer> {
  const server = await startRedis({ dir: folder(), persist: false, ...options }, env)
  servers.push(server)
  return server
}

/** One command as a person types it; the reply as it comes over the wire. */
async function say(server: { port: number }, command: string): Promise<string> {
  const socket = connect(server.port, '127.0.0.1')
  socket.end(`${command}\r\n`)
  return (await text(socket)).trim()
}

/** Whether anything of the server is left: it, or the watcher that shares its process group. */
function runs(pid: number): boolean {
  try {
    return process.kill(-pid, 0)
  } catch {
    return false
  }
}

async function ends(pid: number): Promise<boolean> {
  for (let i = 0; i < 200 && runs(pid); i++) await delay(25)
  return !runs(pid)
}

/** A docker that knows the image and runs it as a plain process: what we say to Docker is right when this works. */
function withDocker(program: string): Environment {
  const bin = folder()
  writeFileSync(
    join(bin, 'docker'),
    `#!/bin/sh
case "$1" in
  info | image) exit 0 ;;
  kill)
    signal=KILL
    if [ "$2" = --signal ]; then signal=\${3#SIG}; shift 2; fi
    kill -s "$signal" "$(cat '${bin}'/"$2")" ;;
  run)
    while [ "$1" != redis:8 ]; do
      case "$1" in
        --name) echo $$ > '${bin}'/"$2" ;;
        --publish) port=\${2#127.0.0.1:}; port=\${port%:6379} ;;
        --volume) dir=\${2%:/data} ;;
      esac
      shift
    done
    shift
    for word; do
      shift
      [ "$word" = /data ] && word=$dir
      set -- "$@" "$word"
    done
    exec '${program}' "$@" --port "$port" --bind 127.0.0.1 ;;
esac
`,
  )
  writeFileSync(join(bin, 'redis-server'), '#!/bin/sh\necho "Redis server v=7.0.15"\n')
  for (const name of ['docker', 'redis-server']) chmodSync(join(bin, name), 0o755)
  return { ...ENV, PATH: `${bin}:${ENV['PATH']}` }
}

const program = found && 'program' in found ? found.program : undefined
const WAYS: [string, () => Environment][] = [['what this machine has', () => ENV]]
if (program) WAYS.push(['a stand-in for Docker', () => withDocker(program)])

describe.skipIf(!found)('a development Redis', { concurrent: true }, () => {
  describe.each(WAYS)('by %s', (_, environment) => {
    test('answers, and loses its data in a restart unless it is to persist', async () => {
      const server = await start(environment())
      expect(server.url).toBe(`redis://127.0.0.1:${server.port}`)
      expect(await say(server, 'PING')).toBe('+PONG')
      expect(await say(server, 'CONFIG GET maxmemory-policy')).toContain('noeviction')
      expect(await say(server, 'SET kept yes')).toBe('+OK')
      await server.restart()
      expect(await say(server, 'GET kept')).toBe('$-1')
    })

    test('keeps its data in a restart and through a crash when it is to persist', async () => {
      const server = await start(environment(), { persist: true })
      const { pid, port } = server
      await say(server, 'SET kept yes')
      await server.restart()
      expect(server.port).toBe(port)
      expect(server.pid).not.toBe(pid)
      expect(await say(server, 'GET kept')).toBe('$3\r\nyes')
      await say(server, 'SET kept still')
      server.kill()
      await server.restart()
      expect(await say(server, 'GET kept')).toBe('$5\r\nstill')
    })

    test.each(['SIGTERM', 'SIGKILL'] as const)('stop by %s leaves no process', async signal => {
      const server = await start(environment())
      const pid = Number(server.pid)
      expect(runs(pid)).toBe(true)
      await server.stop(signal)
      expect(await ends(pid)).toBe(true)
      await server.stop()
    })

    test.each(['is killed', 'ends by itself', 'fails'])('it ends when whoever started it %s', async how => {
      const script = `
        import { startRedis } from ${JSON.stringify(new URL('../hack/redis.ts', import.meta.url).href)}
        const server = await startRedis({ dir: ${JSON.stringify(folder())}, persist: false })
        process.stdout.write(String(server.pid))
        const how = ${JSON.stringify(how)}
        if (how === 'fails') throw new Error('on purpose')
        if (how === 'is killed') setInterval(() => {}, 1000)`
      const args = ['--input-type=module', '--eval', script]
      const owner = spawn(process.execPath, args, { env: environment(), stdio: ['ignore', 'pipe', 'ignore'] })
      const [pid] = await Promise.race([once(owner.stdout, 'data'), once(owner, 'exit').then(() => [0])])
      expect(Number(pid)).toBeGreaterThan(0)
      if (how === 'is killed') owner.kill('SIGKILL')
      if (owner.exitCode === null && owner.signalCode === null) await once(owner, 'exit')
      expect(await ends(Number(pid))).toBe(true)
    })
  })

  test('takes the port and the arguments it is given', async () => {
    const first = await start(ENV)
    await first.stop()
    const server = await start(ENV, { port: first.port, extraArgs: ['--maxmemory', '64mb'] })
    expect(server.port).toBe(first.port)
    expect(await say(server, 'CONFIG GET maxmemory')).toContain('67108864')
  })

  test('a port that is taken by another Redis is told in the words of the server', async () => {
    const { port } = await start(ENV)
    await expect(start(ENV, { port })).rejects.toThrow(/ended at once on port \d+\. It said:\n[^]*in use/)
  })

  test('a folder that another one uses is refused, and taken when that one has ended', async () => {
    const dir = folder()
    const first = await start(ENV, { dir, persist: true })
    await expect(start(ENV, { dir, persist: true })).rejects.toThrow(`Another Redis (process ${first.pid}, port`)
    first.kill()
    const second = await start(ENV, { dir, persist: true })
    expect(await say(second, 'PING')).toBe('+PONG')
  })

  test('an argument that redis-server does not know is told in its words', async () => {
    await expect(start(ENV, { extraArgs: ['--no-such-thing', 'yes'] })).rejects.toThrow(/no-such-thing/)
  })

  test('the Redis of REDIS_URL is used as it is, and left alone', async () => {
    const server = await start(ENV)
    const borrowed = await startRedis({ dir: '/nowhere', persist: false }, { REDIS_URL: server.url })
    expect(borrowed).toMatchObject({ url: server.url, port: server.port, pid: undefined, source: 'REDIS_URL' })
    await expect(borrowed.restart()).rejects.toThrow('not ours')
    expect(() => borrowed.kill()).toThrow('not ours')
    await borrowed.stop()
    expect(await say(server, 'PING')).toBe('+PONG')
  })

  test('a REDIS_URL that asks for a password is taken', async () => {
    const server = await start(ENV, { extraArgs: ['--requirepass', 'secret'] })
    const url = `redis://:secret@127.0.0.1:${server.port}`
    expect(await startRedis({ dir: '/nowhere', persist: false }, { REDIS_URL: url })).toMatchObject({ url })
  })

  test('a REDIS_URL where nothing answers is told, without its password', async () => {
    const server = await start(ENV)
    await server.stop()
    const url = `redis://:secret@127.0.0.1:${server.port}`
    const error: unknown = await startRedis({ dir: '/nowhere', persist: false }, { REDIS_URL: url }).catch(String)
    expect(error).toContain(`REDIS_URL names 127.0.0.1:${server.port}, where no Redis answers`)
    expect(error).not.toContain('secret')
  })
})

test('a REDIS_URL of another form is refused', async () => {
  const started = startRedis({ dir: '/nowhere', persist: false }, { REDIS_URL: 'localhost:6379' })
  await expect(started).rejects.toThrow('redis://host:port')
})

test('a Docker that hangs is passed over after 3 s', async () => {
  const bin = folder()
  writeFileSync(join(bin, 'docker'), '#!/bin/sh\nexec /bin/sleep 20\n', { mode: 0o755 })
  const error: unknown = await findRedis({ PATH: bin, SMARTFLOW_CACHE_DIR: bin }, () => undefined).catch(String)
  expect(error).toContain('Docker redis:8: docker did not answer in 3 s')
})
