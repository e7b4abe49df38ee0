// Starts a Redis for development and tests, and ends it with the process that started it.
import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join, resolve as resolvePath } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { END_GENTLY, hasEnded, lastLines, onFreePort, spawnTethered, type Tethered, until } from './local-server.ts'
import type { Environment } from './programs.ts'
import { findRedis, type RedisSource } from './redis-source.ts'

/** What to start. All of it is ignored when REDIS_URL names a server that is running already. */
export type RedisOptions = {
  /** 0 or none picks a free one. */
  port?: number
  /** Holds the data and the server's log, `redis-server.log`; made when missing. */
  dir: string
  /** Whether data outlives a restart (an append-only file, flushed every second). */
  persist: boolean
  /** More of redis-server's own arguments, after ours. */
  extraArgs?: string[]
}

/** A running Redis. */
export type RedisServer = {
  readonly url: string
  readonly port: number
  /** The process here (with Docker, its client's); undefined when REDIS_URL named the server. */
  readonly pid: number | undefined
  readonly source: RedisSource['kind']
  /** Ends it and waits until it is gone; by force when the signal (SIGTERM if none is given) has not done it in 10 s. */
  stop: (signal?: NodeJS.Signals) => Promise<void>
  /** Ends it at once, as a crash would, without waiting. */
  kill: () => void
  /** Ends it if it runs and starts it on the same port. Throws for a server that REDIS_URL named: it is not ours. */
  restart: () => Promise<void>
}

/**
 * Starts a Redis and waits until it answers. It ends when this process ends, however that happens, and does not keep
 * this process running. Throws when none is to be had, when another one uses the same folder, and when it has not
 * answered within 15 s (REDIS_URL: 5 s).
 */
export async function startRedis(options: RedisOptions, env: Environment = process.env): Promise<RedisServer> {
  const source = await findRedis(env)
  if (source.kind === 'REDIS_URL') return await borrow(source.url)
  let running = await launchSomewhere({ source, options, env })
  const { port } = running
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    source: source.kind,
    get pid() {
      return running.child.pid
    },
    stop: signal => end(running, signal),
    kill: () => running.signal('SIGKILL'),
    async restart() {
      await end(running)
      running = await launch({ source, options, env }, port)
    },
  }
}

/** How long a server may take to answer. */
const START_MS = 15_000

/** How long the server that REDIS_URL names may take to answer. */
const BORROW_MS = 5000

/** How long a server may take to end by itself. */
const STOP_MS = 10_000

/* ------------------------------------------------------------- REDIS_URL */

async function borrow(text: string): Promise<RedisServer> {
  const url = URL.parse(text)
  if (!url || !/^rediss?:$/.test(url.protocol)) throw new Error('REDIS_URL is not of the form redis://host:port')
  const port = Number(url.port || 6379)
  const open = (): Socket => (url.protocol === 'rediss:' ? connectTls(port, url.hostname) : connect(port, url.hostname))
  const answered = await until(async () => isReady(await ask(open)), BORROW_MS)
  if (!answered) {
    throw new Error(
      `REDIS_URL names ${url.host}, where no Redis answers: start that one, or unset REDIS_URL to have one started`,
    )
  }
  return {
    url: text,
    port,
    pid: undefined,
    source: 'REDIS_URL',
    stop: async () => undefined,
    kill: notOurs,
    restart: async () => notOurs(),
  }
}

function notOurs(): never {
  throw new Error('The Redis that REDIS_URL names is not ours to end or restart: unset REDIS_URL to have one started')
}

/* -------------------------------------------------------------- launching */

type Plan = { source: Exclude<RedisSource, { kind: 'REDIS_URL' }>; options: RedisOptions; env: Environment }

type Running = Tethered & { port: number; signal: (name: NodeJS.Signals) => void }

async function launchSomewhere(plan: Plan): Promise<Running> {
  if (plan.options.port) return await launch(plan, plan.options.port)
  return await onFreePort(port => launch(plan, port))
}

async function launch(plan: Plan, port: number): Promise<Running> {
  const { dir } = plan.options
  mkdirSync(dir, { recursive: true })
  await waitForFolder(dir)
  const running = spawnServer(plan, port)
  const ready = await Promise.race([
    until(async () => isOurs(running, plan, await ask(() => connect(port, '127.0.0.1'))), START_MS),
    running.exited.then(() => false),
  ])
  if (ready && !hasEnded(running)) {
    writeFileSync(join(dir, OWNER), `${running.child.pid} ${port}`)
    return running
  }
  const outcome = hasEnded(running) ? 'ended at once' : `did not answer in ${START_MS / 1000} s`
  await end(running, 'SIGKILL')
  throw new Error(`Redis (${plan.source.kind}) ${outcome} on port ${port}. It said:\n${lastLines(join(dir, LOG))}`)
}

const LOG = 'redis-server.log'
const OWNER = 'redis-server.owner'

/** How long the folder's last server may take to be gone: a little longer than its watcher gives it. */
const LEAVE_MS = 6000

/** Two servers would spoil one another's data. The last one may be on its way out still, so it is given some time. */
async function waitForFolder(dir: string): Promise<void> {
  const file = join(dir, OWNER)
  if (!existsSync(file)) return
  const [pid = 0, port = 0] = readFileSync(file, 'utf8').split(' ').map(Number)
  const free = async (): Promise<boolean> =>
    !isRunning(pid) || (await ask(() => connect(port, '127.0.0.1'))) === 'nobody'
  if (await until(free, LEAVE_MS)) return
  throw new Error(`Another Redis (process ${pid}, port ${port}) uses ${dir}: end it first, or name another folder`)
}

function isRunning(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0)
  } catch {
    return false
  }
}

/** Another server may hold the port and answer in ours' stead, while ours is about to give up. */
function isOurs({ child }: Running, { source }: Plan, answer: Answer): boolean {
  if (!isReady(answer)) return false
  return source.kind === 'docker' || answer === 'locked' || answer.pid === child.pid
}

function spawnServer(plan: Plan, port: number): Running {
  const { command, lastWish, signalBy } = recipe(plan, port)
  const server = spawnTethered({ command, log: join(plan.options.dir, LOG), env: plan.env, lastWish })
  const signal = (name: NodeJS.Signals): void => {
    signalBy?.(name)
    if (!signalBy || name === 'SIGKILL') server.child.kill(name)
  }
  return { ...server, port, signal }
}

/** How to run the server, and how to end it when we are gone. */
type Recipe = { command: string[]; lastWish: string; signalBy?: (signal: NodeJS.Signals) => void }

function recipe({ source, options, env }: Plan, port: number): Recipe {
  const durability = ['--save', '', '--appendonly', options.persist ? 'yes' : 'no', '--appendfsync', 'everysec']
  const common = [...durability, '--maxmemory-policy', 'noeviction', ...(options.extraArgs ?? [])]
  if (source.kind !== 'docker') {
    const place = ['--port', String(port), '--bind', '127.0.0.1', '--dir', options.dir]
    return { command: [source.program, ...place, ...common], lastWish: END_GENTLY }
  }
  // Each start has a name of its own: the last wish of one that has ended must not reach the next.
  const name = `smartflow-redis-${randomUUID()}`
  const user = process.getuid && process.getgid ? ['--user', `${process.getuid()}:${process.getgid()}`] : []
  const mounts = ['--publish', `127.0.0.1:${port}:6379`, '--volume', `${resolvePath(options.dir)}:/data`]
  const place = ['--port', '6379', '--bind', '0.0.0.0', '--protected-mode', 'no', '--dir', '/data']
  return {
    command: ['docker', 'run', '--rm', '--name', name, ...user, ...mounts, source.image, ...place, ...common],
    lastWish: `docker kill ${name}`,
    signalBy: signal => void spawnSync('docker', ['kill', '--signal', signal, name], { env, timeout: 5000 }),
  }
}

async function end(running: Running, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (!hasEnded(running)) running.signal(signal)
  const force = setTimeout(() => running.signal('SIGKILL'), STOP_MS)
  await running.exited
  clearTimeout(force)
}

/* ------------------------------------------------------------------ asking */

/** What a server says of itself; `locked` is one that wants a password, or says no more than PONG. */
type ReadyAnswer = 'locked' | { pid: number }
type Answer = 'nobody' | 'not ready' | ReadyAnswer

const isReady = (answer: Answer): answer is ReadyAnswer => answer !== 'nobody' && answer !== 'not ready'

/** PING, and which process it is, over one connection. */
async function ask(open: () => Socket): Promise<Answer> {
  const { promise, resolve } = Promise.withResolvers<Answer>()
  const socket = open().setTimeout(1000)
  let text = ''
  socket.on('data', chunk => {
    text += chunk.toString('latin1')
    const pid = /^\+PONG\r\n[^]*process_id:(\d+)\r\n/.exec(text)?.[1]
    if (pid !== undefined) resolve({ pid: Number(pid) })
    else if (/^(\+PONG\r\n)?-NO(AUTH|PERM)/.test(text)) resolve('locked')
    else if (text.startsWith('-')) resolve('not ready')
  })
  socket.on('timeout', () => resolve('not ready'))
  for (const event of ['error', 'close']) socket.on(event, () => resolve('nobody'))
  socket.write('PING\r\nINFO server\r\n')
  const answer = await promise
  socket.destroy()
  return answer
}
