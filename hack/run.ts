// `make run`: a Redis and a gateway on this machine, ended together by Ctrl-C. Prints where it listens and a call to paste.
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { GATEWAY_MAIN, GATEWAY_NODE_FLAGS } from './gateway-command.ts'
import { type RedisServer, startRedis } from './redis.ts'

const ROOT = join(import.meta.dirname, '..')
/** How long the gateway may take to be ready. */
const READY_MS = 30_000
/** How long calls in flight may take to end after Ctrl-C. */
const STOP_MS = 30_000

/** What the gateway says of itself when it is ready. */
interface Ready {
  readonly addresses: Readonly<Record<string, string>>
  readonly demo: boolean
}

const { values } = parseArgs({ options: { config: { type: 'string' } } })
const configDir =
  values.config ||
  process.env['CONFIG_DIR'] ||
  process.env['SMARTFLOW_CONFIG_DIR'] ||
  join(ROOT, 'config/samples/standalone')
const stateDir = process.env['SMARTFLOW_STATE_DIR'] || join(ROOT, '.smartflow')

mkdirSync(stateDir, { recursive: true, mode: 0o700 })
const redis = await startRedis({ dir: join(stateDir, 'redis'), persist: true })
const gateway = startGateway(redis)
let stopping = false

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop(0))
gateway.on('exit', code => void stop(code ?? 1))

const ready = await whenReady(gateway)
if (ready) console.log(welcome(ready))

function startGateway({ url }: RedisServer): ChildProcess {
  return spawn(process.execPath, [...GATEWAY_NODE_FLAGS, GATEWAY_MAIN], {
    // Its own group: Ctrl-C reaches it through us, in order, so that the last calls are settled while Redis still runs.
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
    env: {
      ...process.env,
      SMARTFLOW_CONFIG_DIR: configDir,
      SMARTFLOW_STATE_DIR: stateDir,
      REDIS_URL: url,
      SMARTFLOW_LIFELINE: 'stdin',
    },
  })
}

/** The gateway's first line on standard output is its addresses as JSON. */
function whenReady(child: ChildProcess): Promise<Ready | undefined> {
  return new Promise(resolve => {
    let text = ''
    const timer = setTimeout(() => {
      console.error(`The gateway was not ready within ${READY_MS / 1_000} s; its log above says why.`)
      void stop(1)
    }, READY_MS)
    child.once('exit', () => resolve(undefined))
    child.stdout?.on('data', (part: Buffer) => {
      text += part.toString()
      const end = text.indexOf('\n')
      if (end < 0) return
      clearTimeout(timer)
      const said: Ready = JSON.parse(text.slice(0, end))
      resolve(said)
    })
  })
}

function welcome({ addresses, demo }: Ready): string {
  const key = adminKey()
  const lines = [
    '',
    'Smartflow is ready.',
    '',
    ...Object.entries(addresses).map(([name, address]) => `  ${name.padEnd(12)}${address}`),
  ]
  lines.push('', `  key         ${key.token}   (${key.role}; keep it to yourself)`, `  resources   ${configDir}`, '')
  if (demo)
    lines.push(
      'Providers without a key in the environment are played by the demo upstream; its answers begin with [demo].',
      '',
    )
  lines.push('Try it:', '', callLine(addresses['proxy'] ?? '', key.token), '', 'Ctrl-C stops everything.')
  return lines.join('\n')
}

function callLine(proxy: string, token: string): string {
  const body = JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: 'Hello, Smartflow!' }] })
  return `curl -sS ${proxy}/v1/chat/completions -H 'authorization: Bearer ${token}' -H 'content-type: application/json' -d '${body}'`
}

/** The key of the VirtualKey `admin`, which the gateway made on its first start; any other when the folder has none. */
function adminKey(): { token: string; role: string } {
  const tokens: Record<string, Record<string, string>> = JSON.parse(readFileSync(join(stateDir, 'tokens.json'), 'utf8'))
  const [name, secret] =
    Object.entries(tokens).find(([place]) => place.endsWith('/admin-key')) ?? Object.entries(tokens)[0] ?? []
  const token = Object.values(secret ?? {})[0] ?? '(none: the folder has no VirtualKey of its own making)'
  return { token, role: name?.endsWith('/admin-key') === true ? 'ProxyAdmin' : (name ?? 'no key') }
}

async function stop(code: number): Promise<void> {
  if (stopping) return
  stopping = true
  await endGateway()
  await redis.stop()
  process.exit(code)
}

function endGateway(): Promise<void> {
  if (gateway.exitCode !== null || gateway.signalCode !== null) return Promise.resolve()
  return new Promise(resolve => {
    const timer = setTimeout(() => gateway.kill('SIGKILL'), STOP_MS)
    gateway.once('exit', () => {
      clearTimeout(timer)
      resolve()
    })
    gateway.kill('SIGTERM')
  })
}
