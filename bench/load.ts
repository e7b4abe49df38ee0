// The load generator, as a program (see `--help`) and to import: a closed loop, an open loop whose latency counts from
// when each request was due, and streams whose stamped chunks show what was lost, doubled, out of order or late.
import { parseArgs } from 'node:util'
import { RawConnection, type ReplySink } from './client.ts'
import { loopbackUrl, promptMaker, type LoadTarget, type Prompt, type PromptOptions } from './prompts.ts'
import { rounded, Samples, type Spread } from './samples.ts'
import { streamLoad, type StreamResult } from './streams.ts'
import { checkConnections, Timeouts } from './timeouts.ts'

/** What whole replies came to. A reply counts as ok with status 200 and the token of its own prompt in its body. */
export type WholeResult = {
  mode: 'closed' | 'open'
  connections: number
  requests: number
  ok: number
  /** Not answered with 200, cut short or timed out; `errors` says how many of what. */
  failed: number
  /** Answered with 200, but not what was asked. */
  wrong: number
  seconds: number
  rps: number
  /** Closed: from sending, open: from when the request was due; until the last byte. Of ok replies. */
  latencyMs: Spread | undefined
  /** Open loop only: how late requests were sent (no connection free, or the generator was busy). */
  lateMs?: Spread | undefined
  errors: Record<string, number>
}

/** Ends after `seconds` or `requests`, whichever comes first; one of them is needed. Timeout in ms, default 30,000. */
export type ClosedOptions = PromptOptions & {
  connections: number
  seconds?: number
  requests?: number
  timeoutMs?: number
}

/** `rate` requests a second for `seconds`; at most `connections` (default 512) under way, the rest wait their turn. */
export type OpenOptions = PromptOptions & { rate: number; seconds: number; connections?: number; timeoutMs?: number }

/** Counts of whole replies as they come in. */
class Tally {
  readonly latency = new Samples()
  readonly errors: Record<string, number> = {}
  requests = 0
  ok = 0
  failed = 0
  wrong = 0

  fail(why: string): void {
    this.failed++
    this.errors[why] = (this.errors[why] ?? 0) + 1
  }

  result(mode: 'closed' | 'open', connections: number, seconds: number): WholeResult {
    const { requests, ok, failed, wrong, errors } = this
    const rps = rounded(ok / seconds)
    const latencyMs = this.latency.spread()
    return { mode, connections, requests, ok, failed, wrong, seconds: rounded(seconds), rps, latencyMs, errors }
  }
}

/** Sends whole requests over one connection and tallies their replies. */
class Caller implements ReplySink {
  readonly connection: RawConnection
  #tally: Tally
  #timeouts: Timeouts
  #done: (caller: Caller) => void
  #since = 0
  #token = ''
  #status = 0
  #text = ''

  constructor(url: URL, tally: Tally, timeouts: Timeouts, done: (caller: Caller) => void) {
    this.connection = new RawConnection(url)
    this.#tally = tally
    this.#timeouts = timeouts
    this.#done = done
  }

  /** Latency counts from `since` (performance.now()). */
  call(prompt: Prompt, now: number, since = now): void {
    this.#tally.requests++
    this.#since = since
    this.#token = prompt.token
    this.#status = 0
    this.#text = ''
    this.#timeouts.begin(this.connection, now)
    this.connection.send(prompt.request, this)
  }

  onHead(status: number): void {
    this.#status = status
  }

  onBody(bytes: Buffer): void {
    this.#text += bytes.toString('latin1')
  }

  onDone(failure?: string): void {
    const tally = this.#tally
    this.#timeouts.end(this.connection)
    if (failure !== undefined) tally.fail(failure)
    else if (this.#status !== 200) tally.fail(`status ${this.#status}: ${this.#text.slice(0, 160)}`)
    else if (!this.#text.includes(this.#token)) tally.wrong++
    else {
      tally.ok++
      tally.latency.add(performance.now() - this.#since)
    }
    this.#done(this)
  }
}

/** Each connection sends its next request when it has the reply to the last one. */
export async function closedLoop(target: LoadTarget, options: ClosedOptions): Promise<WholeResult> {
  const { connections, seconds = Infinity, requests = Infinity } = options
  checkConnections(connections)
  if (seconds === Infinity && requests === Infinity) throw new Error('seconds or requests must be given')
  const url = loopbackUrl(target.url)
  const next = promptMaker(target, options)
  const tally = new Tally()
  const timeouts = new Timeouts(options.timeoutMs)
  const finished = Promise.withResolvers<void>()
  const start = performance.now()
  const deadline = start + seconds * 1000
  let active = 0
  const proceed = (caller: Caller): void => {
    const now = performance.now()
    active--
    if (tally.requests < requests && now < deadline) {
      active++
      caller.call(next(), now)
    } else {
      caller.connection.destroy()
      if (active === 0) finished.resolve()
    }
  }
  const callers = Array.from({ length: Math.min(connections, requests) }, () => {
    return new Caller(url, tally, timeouts, proceed)
  })
  active = callers.length
  for (const caller of callers) caller.call(next(), start)
  await finished.promise
  timeouts.stop()
  return tally.result('closed', connections, (performance.now() - start) / 1000)
}

/** Requests leave at a fixed rate whatever the replies do; latency counts from when each was due. */
export async function openLoop(target: LoadTarget, options: OpenOptions): Promise<WholeResult> {
  const { rate, seconds, connections = 512 } = options
  checkConnections(connections)
  const url = loopbackUrl(target.url)
  const next = promptMaker(target, options)
  const tally = new Tally()
  const late = new Samples()
  const timeouts = new Timeouts(options.timeoutMs)
  const finished = Promise.withResolvers<void>()
  const total = Math.max(1, Math.round(rate * seconds))
  const start = performance.now()
  const idle: Caller[] = []
  let made = 0
  let ended = 0
  let timer: NodeJS.Timeout | undefined
  const issue = (): void => {
    const now = performance.now()
    while (tally.requests < total) {
      const due = start + (tally.requests * 1000) / rate
      if (due > now) break
      const caller = idle.pop() ?? (made < connections ? fresh() : undefined)
      if (caller === undefined) return
      late.add(now - due)
      caller.call(next(), now, due)
    }
    if (tally.requests < total) timer ??= setTimeout(tick, 1)
  }
  const tick = (): void => {
    timer = undefined
    issue()
  }
  const fresh = (): Caller => {
    made++
    return new Caller(url, tally, timeouts, caller => {
      idle.push(caller)
      if (++ended === total) finished.resolve()
      else issue()
    })
  }
  issue()
  await finished.promise
  timeouts.stop()
  for (const caller of idle) caller.connection.destroy()
  return { ...tally.result('open', made, (performance.now() - start) / 1000), lateMs: late.spread() }
}

const HELP = `node bench/load.ts --url http://127.0.0.1:PORT/v1/chat/completions [--model M] [--key K] …
  --mode closed  --connections C  --seconds S or --requests N
  --mode open    --rate R a second  --seconds S  [--connections most at a time]
  --mode stream  --connections C  --streams N  --chunks 50  --delay 20 (ms)
  --repeat: the same prompt every time; --directives 'latency=5': for the mock upstream (closed, open)`

async function main(): Promise<void> {
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    options: {
      url: { type: 'string', default: '' },
      model: { type: 'string', default: 'gpt-4o' },
      key: text,
      mode: { type: 'string', default: 'closed' },
      connections: { type: 'string', default: '64' },
      seconds: text,
      requests: text,
      rate: { type: 'string', default: '200' },
      streams: { type: 'string', default: '200' },
      chunks: { type: 'string', default: '50' },
      delay: { type: 'string', default: '20' },
      directives: { type: 'string', default: '' },
      repeat: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help || values.url === '') return console.log(HELP)
  const target = { url: values.url, model: values.model, key: values.key }
  const connections = Number(values.connections)
  const seconds = Number(values.seconds ?? (values.requests === undefined ? 10 : Infinity))
  const prompts = { directives: values.directives, repeat: values.repeat }
  const modes: Record<string, () => Promise<WholeResult | StreamResult>> = {
    closed: () =>
      closedLoop(target, { ...prompts, connections, seconds, requests: Number(values.requests ?? Infinity) }),
    open: () => openLoop(target, { ...prompts, connections, seconds, rate: Number(values.rate) }),
    stream: () =>
      streamLoad(target, {
        connections,
        streams: Number(values.streams),
        chunks: Number(values.chunks),
        delay: Number(values.delay),
        repeat: values.repeat,
      }),
  }
  const run = modes[values.mode]
  if (run === undefined) throw new Error(`--mode is one of ${Object.keys(modes).join(', ')}`)
  console.log(JSON.stringify(await run()))
}

if (import.meta.main) await main()
