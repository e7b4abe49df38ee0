// The configuration as this process follows it: last good from the disk at the start, then whatever is newer in Redis.
import { readFile, rename, writeFile } from 'node:fs/promises'
import { configKeys } from '@smartflow/core/snapshot/keys'
import type { ConfigReader } from '@smartflow/core/snapshot/config-store'
import { compareVersions, follow } from '@smartflow/core/snapshot/follow'
import type { Keyring } from '@smartflow/core/snapshot/keyring'
import { loadLastGood, saveLastGood } from '@smartflow/core/snapshot/last-good'
import type { Verifier } from '@smartflow/core/snapshot/signing'
import type { SnapshotData } from '@smartflow/core/snapshot/snapshot-data'
import { SnapshotError } from '@smartflow/core/snapshot/snapshot-error'
import { buildView, type Snapshot } from '@smartflow/core/snapshot/view'
import type { SnapshotSource } from '../../ports/snapshot-source.ts'
import { type RedisConnection, StoreAway } from './connection.ts'
import { subscribe } from './subscriber.ts'

/** The head is asked for this often whatever was notified: PUBLISH is only a hint. */
const POLL_MS = 5_000
/** An acknowledgement that is not renewed is forgotten after this. */
const ACK_SECONDS = 45

/** Where from, whom to trust, where to remember. */
export interface SnapshotSourceOptions {
  readonly redis: RedisConnection
  /** Of the same Redis, for a connection of its own: a subscribed one takes no other commands. */
  readonly url: string
  readonly reader: ConfigReader
  readonly gateway: string
  /** Names this process in its acknowledgement. */
  readonly process: string
  readonly keyring: Keyring
  readonly verifier: Verifier
  readonly lastGoodFile: string
  /** Milliseconds between two looks at the head; shortened by tests. */
  readonly pollMs?: number
  readonly log: (level: 'info' | 'warn' | 'error', message: string, fields?: Readonly<Record<string, unknown>>) => void
}

/** Follows the head. Whatever goes wrong, the configuration in force stays in force, and `problem` says why. */
export class RedisSnapshotSource implements SnapshotSource {
  readonly #options: SnapshotSourceOptions
  readonly #first = Promise.withResolvers<void>()
  #data: SnapshotData | undefined
  #view: Snapshot | undefined
  #problem: string | undefined
  #looking: Promise<void> | undefined
  #again = false
  #stopped = false
  #timer: NodeJS.Timeout | undefined
  #forget: (() => void)[] = []

  constructor(options: SnapshotSourceOptions) {
    this.#options = options
  }

  current(): Snapshot | undefined {
    return this.#view
  }

  problem(): string | undefined {
    return this.#problem
  }

  async start(): Promise<void> {
    const { redis, gateway, pollMs = POLL_MS } = this.#options
    await this.#loadLastGood()
    this.#forget = [
      subscribe(this.#options.url, configKeys.notify(gateway), () => this.#look()),
      redis.onChange(up => up && this.#look()),
    ]
    this.#timer = setInterval(() => this.#look(), pollMs)
    this.#look()
    // One look first, so that a start does not serve what was last good when something newer is there.
    await this.#looking
    return this.#first.promise
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearInterval(this.#timer)
    for (const forget of this.#forget) forget()
    await this.#looking
    const { redis, gateway, process } = this.#options
    await redis.send('del', [configKeys.ack(gateway, process)]).catch(() => {}) // it expires by itself
  }

  /** One look at a time; a hint that comes meanwhile causes one more. */
  #look(): void {
    if (this.#stopped) return
    if (this.#looking) {
      this.#again = true
      return
    }
    this.#looking = this.#follow().finally(() => {
      this.#looking = undefined
      if (!this.#again) return
      this.#again = false
      this.#look()
    })
  }

  async #follow(): Promise<void> {
    try {
      const { reader, verifier } = this.#options
      const followed = await follow({ reader, verifier, current: this.#data })
      if (followed.outcome === 'newer') await this.#apply(followed.data)
      this.#say(problemOf(followed.outcome, this.#data))
    } catch (error) {
      if (error instanceof StoreAway) return // its absence is shown by its own gauge; what was wrong before still is
      const known = error instanceof SnapshotError
      this.#say(known ? error.message : `the configuration could not be taken: ${String(error)}`, error)
    }
    await this.#acknowledge().catch(() => undefined) // said again with the next look
  }

  async #apply(data: SnapshotData): Promise<void> {
    const view = await buildView(data, { keyring: this.#options.keyring, previous: this.#view })
    if (this.#data && compareVersions(data.version, this.#data.version) <= 0) return
    this.#data = data
    this.#view = view
    this.#first.resolve()
    this.#options.log('info', 'configuration in force', { ...data.version, tenants: data.tenants.size })
    await this.#save(data)
  }

  async #loadLastGood(): Promise<void> {
    const { lastGoodFile, verifier, log } = this.#options
    let text: string
    try {
      text = await readFile(lastGoodFile, 'utf8')
    } catch {
      return // a first start: there is none yet
    }
    try {
      await this.#apply(await loadLastGood(text, verifier))
    } catch (error) {
      log('warn', `${lastGoodFile} is not used`, { error })
    }
  }

  async #save(data: SnapshotData): Promise<void> {
    const { lastGoodFile, log } = this.#options
    const draft = `${lastGoodFile}.${process.pid}`
    try {
      await writeFile(draft, saveLastGood(data), { mode: 0o600, flush: true })
      await rename(draft, lastGoodFile)
    } catch (error) {
      log(
        'error',
        'the last good configuration could not be kept on disk; a restart without the store would not serve',
        { error },
      )
    }
  }

  async #acknowledge(): Promise<void> {
    if (!this.#data) return
    const { redis, gateway, process } = this.#options
    const { epoch, generation, digest } = this.#data.version
    const key = configKeys.ack(gateway, process)
    const fields = [
      'epoch',
      epoch,
      'gen',
      generation,
      'digest',
      digest,
      'at',
      Date.now(),
      'problem',
      this.#problem ?? '',
    ]
    await Promise.all([redis.send('hset', [key, ...fields]), redis.send('expire', [key, ACK_SECONDS])])
  }

  #say(problem: string | undefined, error?: unknown): void {
    if (problem !== undefined && problem !== this.#problem)
      this.#options.log('error', problem, error === undefined ? {} : { error })
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
