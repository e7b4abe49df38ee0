// One connection to Redis with a breaker: commands of one tick leave in one write, a slow or lost server fails calls at
// once instead of holding them, and nothing piles up without bound.
import { whenUp } from '@smartflow/core/when-up'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Command, Redis } from 'ioredis'
import { backoff } from './backoff.ts'
import { InFlight } from './in-flight.ts'
import {
  type CallEnds,
  encoded,
  joined,
  plainCall,
  type PreparedCall,
  prepareCall,
  type ScriptArgument,
  ScriptCall,
  textOf,
  type Wire,
} from './script-call.ts'
import { Unavailable } from '../../ports/unavailable.ts'

/** What a command takes. */
export type RedisArgument = string | number | Buffer

/** The store cannot be asked now: not connected, too slow, too much in flight, or a server that takes no writes. */
export class StoreAway extends Unavailable {
  /** The command may have taken effect all the same. False: it never left this process. */
  readonly sent: boolean

  constructor(message: string, detail: { readonly sent: boolean; readonly cause?: unknown } = { sent: false }) {
    super(message, { cause: detail.cause })
    this.name = 'StoreAway'
    this.sent = detail.sent
  }
}

/** A Lua script: its text and the name Redis knows it by. */
export interface RedisScript {
  readonly lua: string
  readonly sha: string
}

/** Every script of this program; each server gets them before it is first used. */
const scripts: RedisScript[] = []

/** A script by its text. Call it once a script, when its module is loaded. */
export function scriptOf(lua: string): RedisScript {
  const script = { lua, sha: createHash('sha1').update(lua).digest('hex') }
  scripts.push(script)
  return script
}

/** Reads a `.lua` file. Throws when it is not there: a broken installation. */
export function loadScript(file: URL): RedisScript {
  return scriptOf(readFileSync(file, 'utf8'))
}

/** `name` shows in CLIENT LIST. Times are milliseconds. */
export interface RedisOptions {
  readonly name: string
  /** A command without a reply after this counts as failed, at most a third of it later. */
  readonly commandTimeoutMs?: number
  /** Commands without a reply at one time; more are refused at once. */
  readonly maxInFlight?: number
}

/** Told when the store goes (`false`) and when it is back (`true`). */
export type UpListener = (up: boolean) => void

const COMMAND_TIMEOUT_MS = 300
/** A command's age is counted in these parts of the time limit. */
const AGES = 3
/** What `later` collects leaves after this. */
const LATER_MS = 5
const CONNECT_TIMEOUT_MS = 2000
/** Silence with commands waiting: the socket is given up, and with it whatever was queued on it. */
const SILENCE_MS = 3000
const KEEP_ALIVE_MS = 10_000
const PROBE_MS = 500
const FAILURES_TO_OPEN = 3
const MAX_IN_FLIGHT = 5000
const MAX_UNSENT_BYTES = 64 * 1024 * 1024
const RECONNECT = { firstMs: 50, mostMs: 1000 }

/** Replies of a server that lives but does not serve: as good as away. */
const NOT_SERVING = /^(READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|OOM|MISCONF|NOREPLICAS|BUSY)\b/

/** Opens a connection and returns at once; `up()` is false until the server answers. `rediss://` is TLS. */
export function openRedis(url: string, options: RedisOptions): RedisConnection {
  return new RedisConnection(url, options)
}

/** See `openRedis`. Replies come as Redis gives them: numbers, strings, null, arrays. */
export class RedisConnection {
  readonly #client: Redis
  readonly #url: string
  readonly #name: string
  readonly #maxInFlight: number
  /** Scripts that a server lost and is getting again. */
  readonly #loading = new Set<string>()
  readonly #listeners = new Set<UpListener>()
  #up = false
  #closed = false
  #problem = 'not connected yet'
  #failures = 0
  #inFlight = 0
  #batch: (string | Buffer)[] = []
  readonly #collector = collector(
    piece => void (Array.isArray(piece) ? this.#batch.push(...piece) : this.#batch.push(piece)),
  )
  #probing = false
  #leaving = false
  #probe: NodeJS.Timeout | undefined
  readonly #unanswered = new InFlight()
  readonly #ageing: NodeJS.Timeout
  readonly #later = new Set<() => void>()
  #latest: NodeJS.Timeout | undefined

  constructor(url: string, options: RedisOptions) {
    this.#url = url
    this.#name = options.name
    this.#maxInFlight = options.maxInFlight ?? MAX_IN_FLIGHT
    this.#client = new Redis(url, {
      connectionName: options.name,
      connectTimeout: CONNECT_TIMEOUT_MS,
      socketTimeout: SILENCE_MS,
      keepAlive: KEEP_ALIVE_MS,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      retryStrategy: attempt => backoff(attempt, RECONNECT),
      reconnectOnError: error => this.#leaves(error),
    })
    // Answers that wait in the socket are read first: a busy process must not take its own delay for the store's.
    const age = (): unknown => setImmediate(this.#age)
    this.#ageing = setInterval(age, (options.commandTimeoutMs ?? COMMAND_TIMEOUT_MS) / AGES).unref()
    this.#client.on('error', error => (this.#problem = error.message))
    this.#client.on('close', () => {
      this.#leaving = false
      this.#open('the connection closed')
    })
    this.#client.on('ready', () => void this.#tryAgain())
  }

  /** One more connection to the same address, for what would hold up this one; its name ends with `purpose`. */
  another(purpose: string): RedisConnection {
    return new RedisConnection(this.#url, { name: `${this.#name}-${purpose}` })
  }

  /** False while calls fail at once. */
  up(): boolean {
    return this.#up
  }

  /** Why the store is away; for logs and probes. */
  problem(): string | undefined {
    return this.#up ? undefined : this.#problem
  }

  /** Calls `listener` at every change; gives a function that ends it. */
  onChange(listener: UpListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Resolves true as soon as the store is up, false when it is not within `timeoutMs`. */
  whenUp(timeoutMs: number): Promise<boolean> {
    return whenUp(this, timeoutMs)
  }

  /** One command; strings as UTF-8. Rejects with StoreAway, or with the server's own error. */
  send(name: string, args: RedisArgument[]): Promise<unknown> {
    return this.#guard(() => this.#write(new Command(name, args, { replyEncoding: 'utf8' })))
  }

  /** One command whose strings come as Buffers. */
  sendBuffer(name: string, args: RedisArgument[]): Promise<unknown> {
    return this.#guard(() => this.#write(new Command(name, args, { replyEncoding: null })))
  }

  /** One command, encoded without what a client's general command costs; for what every call sends. Strings come as Buffers. */
  sendLean(args: readonly RedisArgument[]): Promise<unknown> {
    return this.#start(plainCall(args))
  }

  /** Runs a script by its digest; loads it where the server does not know it. */
  run(script: RedisScript, keys: readonly string[], args: readonly ScriptArgument[]): Promise<unknown> {
    return this.runPrepared(prepareCall(script, keys, { fixed: args, more: 0 }), [])
  }

  /** Runs a script whose call was encoded as far as it is always the same; `more` are the rest of its arguments. */
  runPrepared(prepared: PreparedCall, more: readonly ScriptArgument[]): Promise<unknown> {
    return this.#start({ prepared, wire: more.length === 0 ? prepared.head : prepared.head + encoded(more) })
  }

  #start(sent: { readonly prepared: PreparedCall; readonly wire: Wire }): Promise<unknown> {
    const away = this.#refusal()
    if (away !== undefined) return Promise.reject(away)
    this.#inFlight++
    return new Promise((done, undone) => this.#call(new ScriptCall(this.#ends, sent, done, undone)))
  }

  /** Calls `flush` once within a few milliseconds, with all that wait by then: what they send leaves in one write. */
  later(flush: () => void): void {
    this.#later.add(flush)
    this.#latest ??= setTimeout(this.#flushLater, LATER_MS).unref()
  }

  /** Does at once what waits for its time. */
  #flushLater = (): void => {
    clearTimeout(this.#latest)
    this.#latest = undefined
    const flushes = [...this.#later]
    this.#later.clear()
    for (const flush of flushes) flush()
  }

  #guard<T>(ask: () => Promise<T>): Promise<T> {
    const away = this.#refusal()
    if (away !== undefined) return Promise.reject(away)
    this.#inFlight++
    return ask().then(this.#succeeded, this.#failed)
  }

  /** The breaker: at once a StoreAway while it is open or too much is in flight. */
  #refusal(): StoreAway | undefined {
    if (!this.#up) return new StoreAway(this.#problem)
    if (this.#inFlight < this.#maxInFlight && this.#client.stream.writableLength <= MAX_UNSENT_BYTES) return undefined
    return new StoreAway('too many commands wait for the store')
  }

  /** Ends the connection for good. */
  close(): void {
    this.#closed = true
    clearTimeout(this.#probe)
    clearInterval(this.#ageing)
    clearTimeout(this.#latest)
    this.#client.disconnect()
    this.#open('closed')
  }

  #succeeded = <T>(value: T): T => {
    this.#ended()
    this.#failures = 0
    return value
  }

  #failed = (error: unknown): never => {
    throw this.#judged(error)
  }

  #ended(): void {
    this.#inFlight--
    this.#unanswered.answered()
  }

  /** The server's own error, or that the store is away; counted. */
  #judged(error: unknown): unknown {
    this.#ended()
    const message = messageOf(error)
    if (isReplyError(error) && !NOT_SERVING.test(message)) {
      this.#failures = 0
      return error
    }
    this.#failures++
    if (this.#failures >= FAILURES_TO_OPEN) this.#open(message)
    return new StoreAway(message, { sent: true, cause: error })
  }

  /** How script calls end. */
  readonly #ends: CallEnds = {
    succeeded: (call, reply, late) => {
      if (late) return void this.#tryAgain() // slow, but there
      this.#ended()
      this.#failures = 0
      call.done(call.prepared.bytes ? reply : textOf(reply))
    },
    failed: (call, error) => {
      const unknown = !call.again && error instanceof Error && error.message.startsWith('NOSCRIPT')
      if (unknown) this.#loadAndCall(call)
      else call.undone(this.#judged(error))
    },
  }

  #loadAndCall(call: ScriptCall): void {
    const { lua, sha } = call.prepared
    if (!this.#loading.has(sha)) {
      this.#loading.add(sha)
      const loaded = this.#write(new Command('script', ['LOAD', lua]))
      loaded.catch(() => undefined).finally(() => this.#loading.delete(sha)) // what comes behind it says why
    }
    const again = new ScriptCall(this.#ends, call, call.done, call.undone)
    again.again = true
    this.#call(again)
  }

  #call(call: ScriptCall): void {
    this.#collect(call)
    void this.#client.sendCommand(call.command(), this.#collector)
  }

  /** Commands of one turn of the event loop are written as one piece: each write of its own costs as much as a command. */
  #write(command: Command): Promise<unknown> {
    this.#collect(command)
    this.#client.sendCommand(command, this.#collector)
    return command.promise
  }

  #collect(command: Command | ScriptCall): void {
    if (this.#batch.length === 0) setImmediate(this.#flush)
    this.#unanswered.add(command)
  }

  /** A connection that broke meanwhile has rejected its commands already; what was collected for it is dropped. */
  #flush = (): void => {
    const pieces = this.#batch
    this.#batch = []
    const { stream } = this.#client
    if (this.#client.status !== 'ready' || stream === undefined || !stream.writable) return
    stream.write(joined(pieces))
  }

  /** One timer for all commands: a timer a command is a tenth of its cost. */
  #age = (): void => this.#unanswered.tick(AGES, 'the store did not answer in time')

  /** A server that is no primary any more is left, once: every command on the way to it fails the same way. */
  #leaves(error: Error): boolean {
    if (this.#leaving || !error.message.startsWith('READONLY')) return false
    this.#leaving = true
    return true
  }

  #open(problem: string): void {
    if (this.#up || problem !== 'the connection closed') this.#problem = problem
    if (!this.#closed && this.#probe === undefined) {
      this.#probe = setTimeout(() => {
        this.#probe = undefined
        void this.#tryAgain()
      }, PROBE_MS).unref()
    }
    if (!this.#up) return
    this.#up = false
    this.#tell(false)
  }

  /** Asks whether the store serves; closes the breaker when it does. Scripts are loaded first: this may be a new server. */
  async #tryAgain(): Promise<void> {
    if (this.#closed || this.#up || this.#probing) return
    if (this.#client.status !== 'ready') return this.#open(this.#problem)
    this.#probing = true
    try {
      const loads = scripts.map(({ lua }) => this.#write(new Command('script', ['LOAD', lua])))
      await Promise.all([this.#write(new Command('ping', [])), Promise.allSettled(loads)])
      this.#failures = 0
      this.#up = true
    } catch (error) {
      this.#problem = messageOf(error)
    } finally {
      this.#probing = false
    }
    if (this.#up) this.#tell(true)
    else this.#open(this.#problem)
  }

  #tell(up: boolean): void {
    for (const listener of this.#listeners) listener(up)
  }
}

/** What ioredis writes a command to in place of its socket, as its own pipelines do; it only ever calls `write`. */
function collector(take: (piece: string | Buffer | (string | Buffer)[]) => void): Parameters<Redis['sendCommand']>[1] {
  return { write: take } as unknown as Parameters<Redis['sendCommand']>[1]
}

/** The client names its own option where it means that the connection went. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.name === 'MaxRetriesPerRequestError' ? 'the connection was lost' : error.message
}

function isReplyError(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError'
}
