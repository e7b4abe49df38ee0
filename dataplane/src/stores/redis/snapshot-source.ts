// The configuration as this process follows it: last good from the disk at the start, then whatever is newer in Redis.
import type { ConfigReader } from '@smartflow/core/snapshot/config-store'
import { follow } from '@smartflow/core/snapshot/follow'
import type { Keyring } from '@smartflow/core/snapshot/keyring'
import type { Verifier } from '@smartflow/core/snapshot/signing'
import type { SnapshotData } from '@smartflow/core/snapshot/snapshot-data'
import { SnapshotError } from '@smartflow/core/snapshot/snapshot-error'
import { buildView, type Snapshot } from '@smartflow/core/snapshot/view'
import type { SnapshotSource } from '../../ports/snapshot-source.ts'
import type { Acknowledgement } from './acknowledgement.ts'
import { backoff } from './backoff.ts'
import { type RedisConnection, StoreAway } from './connection.ts'
import { LastGoodFile } from './last-good-file.ts'
import { subscribe } from './subscriber.ts'

/** The head is asked for this often whatever was notified: PUBLISH is only a hint. */
const POLL_MS = 5_000
/** A look that the store did not answer is made again after this, then twice that, at most the time of a poll. */
const RETRY_MS = 100

/** Where from, whom to trust, where to remember. */
export interface SnapshotSourceOptions {
  readonly redis: RedisConnection
  /** Of the same Redis, for a connection of its own: a subscribed one takes no other commands. */
  readonly url: string
  readonly reader: ConfigReader
  /** Channel of hints that something was published. */
  readonly channel: string
  readonly acknowledgement: Acknowledgement
  readonly keyring: Keyring
  readonly verifier: Verifier
  readonly lastGoodFile: string
  /** Milliseconds between two looks at the head; shortened by tests. */
  readonly pollMs?: number
  readonly log: (level: 'info' | 'warn' | 'error', message: string, fields?: Readonly<Record<string, unknown>>) => void
}

/**
 * Follows the head. Whatever goes wrong, the configuration in force stays in force, and `problem` says why. What was kept
 * on disk is served once the store was looked at: because it has nothing newer that can be taken, or is away.
 */
export class RedisSnapshotSource implements SnapshotSource {
  readonly #options: SnapshotSourceOptions
  readonly #first = Promise.withResolvers<void>()
  readonly #lastGood: LastGoodFile
  #looked = false
  #data: SnapshotData | undefined
  #view: Snapshot | undefined
  #problem: string | undefined
  #looking: Promise<void> | undefined
  #again = false
  #stopped = false
  #timer: NodeJS.Timeout | undefined
  #retry: NodeJS.Timeout | undefined
  #unanswered = 0
  #forget: (() => void)[] = []

  constructor(options: SnapshotSourceOptions) {
    this.#options = options
    const lost = 'the last good configuration could not be kept on disk; a restart without the store would not serve'
    this.#lastGood = new LastGoodFile(options.lastGoodFile, error => options.log('error', lost, { error }))
  }

  current(): Snapshot | undefined {
    return this.#looked ? this.#view : undefined
  }

  problem(): string | undefined {
    return this.#problem
  }

  async start(): Promise<void> {
    const { redis, channel, pollMs = POLL_MS } = this.#options
    await this.#loadLastGood()
    const hinted = (): void => {
      this.#unanswered = 0
      this.#look()
    }
    this.#forget = [subscribe(this.#options.url, channel, hinted), redis.onChange(up => up && hinted())]
    this.#timer = setInterval(() => this.#look(), pollMs)
    this.#look()
    return this.#first.promise
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearInterval(this.#timer)
    clearTimeout(this.#retry)
    for (const forget of this.#forget) forget()
    await this.#looking
    await this.#options.acknowledgement.withdraw().catch(() => {}) // it expires by itself
    await this.#lastGood.idle()
  }

  /** One look at a time; a hint that comes meanwhile causes one more. */
  #look(): void {
    if (this.#stopped) return
    if (this.#looking) {
      this.#again = true
      return
    }
    clearTimeout(this.#retry)
    this.#looking = this.#follow()
      .then(answered => this.#lookAfter(answered))
      .finally(() => {
        this.#looking = undefined
        if (!this.#again) return
        this.#again = false
        this.#look()
      })
  }

  /** One command that took too long must not keep a change, a revoked key maybe, from this process until the next poll. */
  #lookAfter(answered: boolean): void {
    this.#unanswered = answered ? 0 : this.#unanswered + 1
    if (answered || this.#stopped) return
    const { pollMs = POLL_MS } = this.#options
    this.#retry = setTimeout(() => this.#look(), backoff(this.#unanswered, { firstMs: RETRY_MS, mostMs: pollMs }))
  }

  /** False: the store did not answer, or did not take what it was told. */
  async #follow(): Promise<boolean> {
    const away = await this.#takeNewer()
    this.#looked = true
    if (this.#view !== undefined) this.#first.resolve()
    if (away) return false // its absence is shown by its own gauge; what was wrong before still is
    const told = this.#options.acknowledgement.tell(this.#data?.version, this.#problem)
    return told.then(
      () => true,
      () => false,
    )
  }

  /** True when the store is away. */
  async #takeNewer(): Promise<boolean> {
    try {
      const { reader, verifier } = this.#options
      const followed = await follow({ reader, verifier, current: this.#data })
      if (followed.outcome === 'newer') {
        await this.#apply(followed.data)
        this.#lastGood.keep(followed.data)
      }
      this.#say(problemOf(followed.outcome, this.#data))
    } catch (error) {
      if (error instanceof StoreAway) return true
      const known = error instanceof SnapshotError
      this.#say(known ? error.message : `the configuration could not be taken: ${String(error)}`, error)
    }
    return false
  }

  async #apply(data: SnapshotData): Promise<void> {
    this.#view = await buildView(data, { keyring: this.#options.keyring, previous: this.#view })
    this.#data = data
    this.#options.log('info', 'configuration in force', { ...data.version, tenants: data.tenants.size })
  }

  async #loadLastGood(): Promise<void> {
    const { lastGoodFile, verifier, log } = this.#options
    try {
      const data = await this.#lastGood.load(verifier)
      if (data !== undefined) await this.#apply(data)
    } catch (error) {
      log('warn', `${lastGoodFile} is not used`, { error })
    }
  }

  #say(problem: string | undefined, error?: unknown): void {
    // Before anything was published all is as it should be: whoever starts first waits for the others.
    const level = this.#data === undefined && error === undefined ? 'warn' : 'error'
    if (problem !== undefined && problem !== this.#problem)
      this.#options.log(level, problem, error === undefined ? {} : { error })
    this.#problem = problem
  }
}

function problemOf(outcome: 'newer' | 'same' | 'older' | 'empty', data: SnapshotData | undefined): string | undefined {
  if (data === undefined) return 'nothing has been published for this gateway yet'
  if (outcome === 'older')
    return 'the store holds an older configuration than the one in force: it was rolled back; the writer will publish above it'
  if (outcome === 'empty')
    return 'the store holds no configuration: it was emptied; the one in force stays until the writer publishes again'
  return undefined
}
