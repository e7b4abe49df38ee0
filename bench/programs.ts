// Starts the programs of a bench run as child processes and ends exactly those, also when the run itself is cut short.
import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'

/** A program that runs; `stop` sends SIGTERM, and after 30 s SIGKILL to it and all that it started. */
export type Program = { pid: number; stop: () => Promise<void> }

/** How to start one. */
export type ProgramOptions = {
  name: string
  /** The program; `node` itself when not given. */
  command?: string
  args: readonly string[]
  /** All of its environment but PATH and HOME: a key of a real provider must not reach a gateway by accident. */
  env?: Record<string, string>
  /** Folder for the program's log (`name`.log). */
  logs: string
  /** How long it may take until it answers; 60 s when not given. */
  readySeconds?: number
}

const STOP_MS = 30_000
const READY_SECONDS = 60
const running = new Set<ChildProcess>()

process.on('exit', () => {
  for (const child of running) killAll(child)
})

/** Each program leads a group of its own, for a server's workers outlive their master's SIGKILL. */
function killAll({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // It ended in the meantime.
  }
}

/** Ports of the loopback address that were free a moment ago. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(
    servers.map(server => {
      const { promise, resolve } = Promise.withResolvers<number>()
      server.listen(0, '127.0.0.1', () => {
        const address = server.address()
        resolve(typeof address === 'object' && address !== null ? address.port : 0)
      })
      return promise
    }),
  )
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}

/** Starts `command ...args` and waits until a GET of `url` gives 200; when it never does, throws the end of its log. */
export async function startProgram(options: ProgramOptions, url: string): Promise<Program> {
  const path = join(options.logs, `${options.name}.log`)
  const log = openSync(path, 'w')
  const child = spawn(options.command ?? process.execPath, options.args, {
    detached: true,
    stdio: ['ignore', log, log],
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...options.env },
  })
  closeSync(log)
  running.add(child)
  const ended = new Promise<void>(resolve => child.once('exit', () => resolve()))
  child.once('exit', () => running.delete(child))
  child.once('error', () => running.delete(child)) // it could not be started, and has no pid
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGTERM')
    const timer = setTimeout(() => killAll(child), STOP_MS)
    await ended
    clearTimeout(timer)
  }
  if (child.pid === undefined) throw new Error(`${options.name} could not be started: ${options.command ?? 'node'}`)
  if (!(await answers(child, url, options.readySeconds ?? READY_SECONDS))) {
    await stop()
    throw new Error(`${options.name} did not start:\n${readFileSync(path, 'utf8').slice(-2000)}`)
  }
  return { pid: child.pid, stop }
}

async function answers(child: ChildProcess, url: string, seconds: number): Promise<boolean> {
  const deadline = performance.now() + seconds * 1000
  while (performance.now() < deadline && child.exitCode === null && child.signalCode === null) {
    const reply = await fetch(url, { signal: AbortSignal.timeout(5000) }).catch(() => undefined)
    await reply?.arrayBuffer()
    if (reply?.status === 200) return true
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  return false
}
