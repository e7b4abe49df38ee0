// A program of ours that says on the first line of its standard output where it listens, and ends with this process.
import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { lastLines } from './local-server.ts'

/** What to run: arguments of `node`, its whole environment, and the file that takes its log. */
export type ReadyProcess = {
  args: readonly string[]
  env: NodeJS.ProcessEnv
  log: string
}

const READY_MS = 30_000
const STOP_MS = 30_000

/** Resolves with its addresses by name when it is ready. Throws with the end of its log when it is not. */
export async function startReady({ args, env, log }: ReadyProcess): Promise<{
  readonly addresses: Readonly<Record<string, string>>
  readonly stop: () => Promise<void>
}> {
  const errors = openSync(log, 'a')
  // A group of its own: Ctrl-C reaches it through us, in order.
  const child = spawn(process.execPath, [...args], {
    detached: true,
    stdio: ['pipe', 'pipe', errors],
    env: { PATH: process.env['PATH'], SMARTFLOW_LIFELINE: 'stdin', ...env },
  })
  closeSync(errors)
  const exited = new Promise<void>(resolve => child.once('exit', () => resolve()))
  const stop = async (): Promise<void> => {
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
    child.kill('SIGTERM')
    await exited
    clearTimeout(timer)
  }
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  let text = ''
  child.stdout?.on('data', (part: Buffer) => {
    text += part.toString()
    const end = text.indexOf('\n')
    if (end >= 0) resolve(text.slice(0, end))
  })
  const failed = (what: string): void => reject(new Error(`${args.at(-1)} ${what}; its log ends:\n${lastLines(log)}`))
  const timer = setTimeout(() => failed(`was not ready within ${READY_MS / 1_000} s`), READY_MS)
  void exited.then(() => failed('ended'))
  try {
    const said: { addresses: Record<string, string> } = JSON.parse(await promise)
    return { addresses: said.addresses, stop }
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  } finally {
    clearTimeout(timer)
  }
}
