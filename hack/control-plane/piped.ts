// Runs a program with text on its standard input.
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import type { Environment } from '../programs.ts'

/** What came of it; `code` is null when a signal or the time limit ended it. */
export type Outcome = { code: number | null; stdout: string; stderr: string }

/** Runs it to its end. Throws when there is no such program. */
export async function piped(
  program: string,
  args: readonly string[],
  given: { env: Environment; seconds: number; input?: string },
): Promise<Outcome> {
  const { promise: ended, resolve, reject } = Promise.withResolvers<number | null>()
  const child = spawn(program, args, { env: given.env, timeout: given.seconds * 1000, killSignal: 'SIGKILL' })
    .once('error', reject)
    .once('close', resolve)
  // A program that ends before it has read all says why by itself.
  child.stdin.on('error', () => undefined)
  child.stdin.end(given.input ?? '')
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  return { code, stdout, stderr }
}
