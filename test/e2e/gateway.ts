// Real gateway processes for tests: each with ports and a state folder of its own, and a folder of resources.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const MAIN = join(import.meta.dirname, '../../dataplane/src/main.ts')
const READY_MS = 60_000

/** A test's gateway process. */
export interface GatewayProcess {
  readonly proxy: string
  readonly management: string
  readonly metrics: string
  readonly stateDir: string
  readonly pid: number
  /** The token of a VirtualKey by its Secret's name ("admin-key"); of the process that made it. */
  token(secret: string): string
  /** What the process wrote to its log so far. */
  log(): string
  /** Stops in order; resolves when it is gone. */
  stop(): Promise<void>
  kill(): Promise<void>
  /** Resolves with the exit code. */
  readonly exited: Promise<number | null>
}

/** How to start one. `resources` is written to a folder of its own; without it the process only follows. */
export interface GatewayOptions {
  readonly redisUrl: string
  readonly resources?: string
  readonly stateDir?: string
  readonly keysDir?: string
  readonly gateway?: string
  readonly env?: Readonly<Record<string, string>>
  /** How long it may take, milliseconds. */
  readonly readyMs?: number
}

const started = new Set<GatewayProcess>()
const folders = new Set<string>()

/** A new folder under the system's temporary one, removed by `cleanUp`. */
export function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'smartflow-test-'))
  folders.add(folder)
  return folder
}

/** Stops every process and removes every folder; call it in `afterAll`. */
export async function cleanUp(): Promise<void> {
  await Promise.all([...started].map(gateway => gateway.kill()))
  started.clear()
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
  folders.clear()
}

/** Replaces the resources of a running standalone gateway, in one step. */
export function writeResources(stateDir: string, yaml: string): void {
  const folder = join(stateDir, 'config')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(stateDir, 'resources.draft'), yaml)
  renameSync(join(stateDir, 'resources.draft'), join(folder, 'resources.yaml'))
}

/** Starts a process and waits until it is ready. Throws with its log when it is not. */
export async function startGateway(options: GatewayOptions): Promise<GatewayProcess> {
  const stateDir = options.stateDir ?? temporary()
  if (options.resources !== undefined) writeResources(stateDir, options.resources)
  const child = spawn(process.execPath, [MAIN], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      SMARTFLOW_PROXY_PORT: '0',
      SMARTFLOW_MANAGEMENT_PORT: '0',
      SMARTFLOW_METRICS_PORT: '0',
      SMARTFLOW_STATE_DIR: stateDir,
      SMARTFLOW_GATEWAY: options.gateway ?? 'test',
      SMARTFLOW_LIFELINE: 'stdin',
      REDIS_URL: options.redisUrl,
      ...(options.resources === undefined ? {} : { SMARTFLOW_CONFIG_DIR: join(stateDir, 'config') }),
      ...(options.keysDir === undefined ? {} : { SMARTFLOW_KEYS_DIR: options.keysDir }),
      ...options.env,
    },
  })
  const output = collect(child)
  const exited = new Promise<number | null>(resolve => child.once('exit', code => resolve(code)))
  const addresses = await ready(child, output, options.readyMs ?? READY_MS)
  const gateway: GatewayProcess = {
    proxy: addresses['proxy'] ?? '',
    management: addresses['management'] ?? '',
    metrics: addresses['metrics'] ?? '',
    stateDir,
    pid: child.pid ?? 0,
    token: secret => tokenOf(stateDir, secret),
    log: () => output.errors,
    stop: () => end(child, 'SIGTERM', exited),
    kill: () => end(child, 'SIGKILL', exited),
    exited,
  }
  started.add(gateway)
  return gateway
}

/** How long a busy machine may take for what is there in no time. */
const PATIENCE_MS = 30_000

/** Polls until `check` gives something; throws with `what` after `timeoutMs`. */
export async function eventually<T>(
  what: string,
  check: () => Promise<T | undefined | false> | T | undefined | false,
  timeoutMs = PATIENCE_MS,
): Promise<T> {
  const end = Date.now() + timeoutMs
  let last: unknown
  for (;;) {
    try {
      const value = await check()
      if (value !== undefined && value !== false) return value
    } catch (error) {
      last = error
    }
    if (Date.now() > end) throw new Error(`not within ${timeoutMs} ms: ${what}`, { cause: last })
    await sleep(25)
  }
}

interface Output {
  text: string
  errors: string
}

function collect(child: ChildProcess): Output {
  const output: Output = { text: '', errors: '' }
  child.stdout?.on('data', (part: Buffer) => (output.text += part.toString()))
  child.stderr?.on('data', (part: Buffer) => (output.errors = (output.errors + part.toString()).slice(-200_000)))
  return output
}

async function ready(child: ChildProcess, output: Output, readyMs: number): Promise<Record<string, string>> {
  const end = Date.now() + readyMs
  while (!output.text.includes('\n')) {
    if (child.exitCode !== null || Date.now() > end) {
      child.kill('SIGKILL')
      throw new Error(`the gateway did not become ready; its log:\n${output.errors}`)
    }
    await sleep(10)
  }
  return (JSON.parse(output.text.slice(0, output.text.indexOf('\n'))) as { addresses: Record<string, string> })
    .addresses
}

function tokenOf(stateDir: string, secret: string): string {
  const tokens = JSON.parse(readFileSync(join(stateDir, 'tokens.json'), 'utf8')) as Record<
    string,
    Record<string, string>
  >
  const [, values] = Object.entries(tokens).find(([name]) => name.endsWith(`/${secret}`)) ?? []
  const token = Object.values(values ?? {})[0]
  if (token === undefined) throw new Error(`no token for ${secret} in ${Object.keys(tokens).join(', ')}`)
  return token
}

async function end(child: ChildProcess, signal: NodeJS.Signals, exited: Promise<unknown>): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) child.kill(signal)
  await exited
}
