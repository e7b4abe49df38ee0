// What a target of the bench is: something that takes chat calls and hands them to the mock upstream.

/**
 * What a target is started with: the mock upstream (no path), an empty folder of its own that is deleted after the
 * run, a folder for logs that stays, and arguments for `node` itself.
 */
export type StartContext = { upstreamUrl: string; dir: string; logs: string; nodeArgs: readonly string[] }

/** A target that takes calls. Process trees under `pids` are reported apart from those of its Redis. */
export type Running = {
  /** The chat completions endpoint. */
  url: string
  key?: string
  model: string
  pids: readonly number[]
  redisPids: readonly number[]
  stop: () => Promise<void>
}

/** Something to measure; `repeat` sends it the same prompt over and over (a row that measures its cache). */
export type Target = { name: string; repeat?: boolean; start(context: StartContext): Promise<Running> }
