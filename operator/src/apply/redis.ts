// The operator's connection to the configuration store: slow or lost servers fail calls soon, and nothing waits in line
// for a server that is away.
import { whenUp } from '@smartflow/core/when-up'
import { Redis } from 'ioredis'
import type { RedisCommands } from '@smartflow/core/snapshot/redis-config-store'
import type { StoreScript } from '@smartflow/core/snapshot/scripts'

const COMMAND_TIMEOUT_MS = 2_000
const CONNECT_TIMEOUT_MS = 2_000
const KEEP_ALIVE_MS = 10_000
const BACKOFF_FIRST_MS = 50
const BACKOFF_MOST_MS = 2_000
/** Calls without a reply at one time; more are refused at once. */
const MAX_IN_FLIGHT = 5_000
/** Replies of a server that lives but does not serve: as good as away. */
const NOT_SERVING = /^(READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|OOM|MISCONF|NOREPLICAS|BUSY|NOAUTH|WRONGPASS)\b/

/** The store cannot be asked now; the message says why, without address and password. */
export class StoreAway extends Error {
  override readonly name = 'StoreAway'

  constructor(reason: string, cause?: unknown) {
    super(`the configuration store does not answer: ${reason}`, { cause })
  }
}

/** Where and how. Times are milliseconds. */
export interface StoreConnectionOptions {
  /** `redis://` or `rediss://` with user and password: a secret. */
  readonly url: string
  /** Shows in CLIENT LIST. */
  readonly name: string
  readonly commandTimeoutMs?: number
}

/** One connection, opened at once; it comes back by itself. Every call rejects with StoreAway while it is away. */
export class StoreConnection implements RedisCommands {
  readonly #client: Redis
  readonly #listeners = new Set<(up: boolean) => void>()
  #subscriber: Redis | undefined
  #up = false
  #problem = 'not connected yet'
  #inFlight = 0

  constructor({ url, name, commandTimeoutMs = COMMAND_TIMEOUT_MS }: StoreConnectionOptions) {
    this.#client = new Redis(url, {
      connectionName: name,
      connectTimeout: CONNECT_TIMEOUT_MS,
      commandTimeout: commandTimeoutMs,
      keepAlive: KEEP_ALIVE_MS,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      enableAutoPipelining: true,
      maxRetriesPerRequest: 0,
      retryStrategy: attempt => Math.min(BACKOFF_FIRST_MS * 2 ** attempt, BACKOFF_MOST_MS),
    })
    this.#client.on('error', error => (this.#problem = reasonOf(error)))
    this.#client.on('ready', () => this.#say(true))
    this.#client.on('close', () => this.#say(false))
  }

  /** False while calls are refused at once; for a gauge. */
  up(): boolean {
    return this.#up
  }

  /** Calls `listener` at every change; gives a function that ends it. */
  onChange(listener: (up: boolean) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  send(command: string, args: (string | number)[]): Promise<unknown> {
    return this.#guard(() => this.#client.call(command, args))
  }

  run({ lua, sha }: StoreScript, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    const rest = [keys.length, ...keys, ...args]
    return this.#guard(async () => {
      try {
        return await this.#client.call('evalsha', [sha, ...rest])
      } catch (error) {
        if (!reasonOf(error).startsWith('NOSCRIPT')) throw error
        return this.#client.call('eval', [lua, ...rest])
      }
    })
  }

  /** Hears a channel on a connection of its own. What is said while the server is away is lost: look again by time too. */
  subscribe(channel: string, heard: (message: string) => void): void {
    if (this.#subscriber === undefined) {
      const subscriber = this.#client.duplicate({
        autoResubscribe: true,
        enableOfflineQueue: true,
        enableAutoPipelining: false,
        maxRetriesPerRequest: null,
      })
      subscriber.on('error', error => (this.#problem = reasonOf(error)))
      this.#subscriber = subscriber
    }
    const subscriber = this.#subscriber
    subscriber.on('message', (from: string, message: string) => from === channel && heard(message))
    subscriber.subscribe(channel).catch((error: unknown) => (this.#problem = reasonOf(error)))
  }

  /** Resolves true as soon as the store answers, false when it does not within `timeoutMs`. */
  whenUp(timeoutMs: number): Promise<boolean> {
    return whenUp(this, timeoutMs)
  }

  close(): void {
    this.#client.disconnect()
    this.#subscriber?.disconnect()
  }

  async #guard<T>(ask: () => Promise<T>): Promise<T> {
    if (!this.#up) throw new StoreAway(this.#problem)
    if (this.#inFlight >= MAX_IN_FLIGHT) throw new StoreAway('too many calls wait for it')
    this.#inFlight++
    try {
      return await ask()
    } catch (error) {
      const reason = reasonOf(error)
      // A reply is an answer, be it an error: it is the caller's, unless the server says that it does not serve.
      if (error instanceof Error && error.name === 'ReplyError' && !NOT_SERVING.test(reason)) throw error
      throw new StoreAway(reason, error)
    } finally {
      this.#inFlight--
    }
  }

  #say(up: boolean): void {
    if (this.#up === up) return
    this.#up = up
    if (!up) this.#problem = 'the connection closed'
    for (const listener of this.#listeners) listener(up)
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
