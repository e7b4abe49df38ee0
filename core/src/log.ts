// The process log: one JSON object a line on standard error. Never a token, never content of calls.

type Level = 'info' | 'warn' | 'error'

/** Writes one line. An Error among the fields is written with its stack and causes. */
export function log(level: Level, message: string, fields: Readonly<Record<string, unknown>> = {}): void {
  const shown = Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, value instanceof Error ? describe(value) : value]),
  )
  process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), level, message, ...shown })}\n`)
}

function describe(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${describe(error.cause)}` : ''
  return `${error.stack ?? error.message}${cause}`
}
