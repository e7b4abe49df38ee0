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
  /** More headers of every call. */
  headers?: Record<string, string>
  /** What the report says of it: the version that ran, for one. */
  about?: string
  pids: readonly number[]
  redisPids: readonly number[]
  stop: () => Promise<void>
}

/** Something to measure. */
export type Target = {
  name: string
  /** Send it the same prompt over and over: a row that measures its cache. */
  repeat?: boolean
  /** Somebody else's gateway: its faults are shown, but fail no run. */
  peer?: boolean
  /** Share (0–1) of the requests of case a and of the streams of case c that a slow target gets; 1 when not given. */
  portion?: number
  /** Brings what it needs onto this machine, before anything is started; throws an Error that says what is missing. */
  prepare?(): Promise<unknown>
  start(context: StartContext): Promise<Running>
}
