// Other programs as our scripts use them: run to their end with a time limit, their downloads kept in the user's cache.
import { execFile } from 'node:child_process'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** The variables that are looked at (REDIS_URL, PATH, SMARTFLOW_CACHE_DIR, XDG_CACHE_HOME …); programs inherit them all. */
export type Environment = Record<string, string | undefined>

/** Told of each thing that takes a while, one line at a time. */
export type Tell = (line: string) => void

/** Where downloads are kept for the next time, outside the tree. */
export function cacheFolder(env: Environment): string {
  return env['SMARTFLOW_CACHE_DIR'] || join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'smartflow')
}

const execute = promisify(execFile)

/** What came of a program. */
export type Said = { ok: boolean; text: string }

/** Runs a program to its end; `text` is what it printed, or in one line why it failed. */
export async function run(
  program: string,
  args: string[],
  limits: { env: Environment; seconds: number; cwd?: string },
): Promise<Said> {
  const options = { env: limits.env, cwd: limits.cwd, timeout: limits.seconds * 1000, killSignal: 'SIGKILL' as const }
  try {
    const { stdout } = await execute(program, args, options)
    return { ok: true, text: stdout.trim() }
  } catch (error) {
    return { ok: false, text: whyFailed(program, error, limits.seconds) }
  }
}

function whyFailed(program: string, error: unknown, seconds: number): string {
  const { code, killed, stderr } = Object(error) as { code?: unknown; killed?: boolean; stderr?: string }
  if (code === 'ENOENT') return `there is no program ${program}`
  if (killed) return `${program} did not answer in ${seconds} s`
  const lines = stderr?.trim().split('\n') ?? []
  return lines.findLast(line => !NO_REASON.test(line)) || `${program} failed: ${String(code)}`
}

/** npm's last words are about its own log. */
const NO_REASON = /^npm (error|ERR!)\s*(A complete log|Log files|$)/

/** Tells on standard error. */
export function tellOnStderr(text: string): void {
  process.stderr.write(`${text}\n`)
}
