// What every server that our scripts start on this machine needs: a port, an end that comes with ours, and patience.
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { createServer, Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Environment } from './programs.ts'

/** A program that ends when this process ends, however that happens, and does not keep this process running. */
export type Tethered = { readonly child: ChildProcess; readonly exited: Promise<unknown> }

/** What to run. */
export type Tether = {
  command: readonly string[]
  /** Where standard output and error are added to. */
  log: string
  env: Environment
  /** The shell commands that end the program when we are gone; $$ is its process. */
  lastWish: string
}

/** The last wish for a program with something to save: asks it to end, and after 5 s makes it. */
export const END_GENTLY =
  'kill -TERM $$ || exit; for i in 1 2 3 4 5; do sleep 1; kill -0 $$ || exit; done; kill -KILL $$'

/** The last wish for a program with nothing to save. */
export const END_AT_ONCE = 'kill -KILL $$'

/**
 * Starts a program on a tether: a shell starts a watcher and then becomes the program. The watcher reads a pipe whose
 * other end only we hold, so it reads the end of it when we end, even by SIGKILL; then it carries out the last wish.
 */
export function spawnTethered({ command, log, env, lastWish }: Tether): Tethered {
  const output = openSync(log, 'a')
  // A session of its own keeps it away from the terminal's Ctrl-C: whoever started it ends it when the time has come.
  const child = spawn('sh', ['-c', `(read -r _ <&3; ${lastWish}) & exec 3<&-; exec "$@"`, 'sh', ...command], {
    detached: true,
    env,
    stdio: ['ignore', output, output, 'pipe'],
  })
  closeSync(output)
  const lifeline = child.stdio[3]
  if (lifeline instanceof Socket) lifeline.unref()
  child.unref()
  const { promise: exited, resolve } = Promise.withResolvers<void>()
  child.once('error', () => resolve())
  child.once('exit', () => {
    lifeline?.destroy()
    resolve()
  })
  return { child, exited }
}

/** Whether it has ended. */
export const hasEnded = ({ child }: Tethered): boolean => child.exitCode !== null || child.signalCode !== null

/** Ends it at once and waits until it is gone. */
export async function endAtOnce({ child, exited }: Tethered): Promise<void> {
  child.ref()
  child.kill('SIGKILL')
  await exited
}

/** The end of a log, for an error's message. */
export function lastLines(path: string): string {
  return readFileSync(path, 'utf8').trim().split('\n').slice(-20).join('\n') || '(nothing)'
}

/** Asks every 20 ms, at most for so long; whether it came true. */
export async function until(done: () => Promise<boolean>, limitMs: number): Promise<boolean> {
  const deadline = Date.now() + limitMs
  while (Date.now() < deadline) {
    if (await done()) return true
    await delay(20)
  }
  return false
}

/** A port of 127.0.0.1 that nobody uses now. */
export async function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const server = createServer().once('error', reject)
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    const port = typeof address === 'object' && address ? address.port : 0
    server.close(() => resolve(port))
  })
  return await promise
}

/**
 * Starts something on a free port. Somebody else may take the port between our look and the start: then `start` throws
 * an error that says so in the server's own words, and another port is tried.
 */
export async function onFreePort<T>(start: (port: number) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await start(await freePort())
    } catch (error) {
      if (tries === 3 || !/already in use|already allocated/.test(String(error))) throw error
    }
  }
}
