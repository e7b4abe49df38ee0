// Keeps the objects of one type as the API server has them: a list, then a watch from there, for ever. Handlers are
// only told which object to look at; a list that failed is never an empty one, nor is one that lacks what is there.
import { ApiError } from '../api/api-error.ts'
import type { KubeClient, Selection } from '../api/client.ts'
import { type Clock, systemClock } from '../api/clock.ts'
import { describeKey, type KubeObject, type ObjectKey, type ResourceType } from '../api/resource-type.ts'
import type { WatchEvent } from '../api/watch-stream.ts'
import { foundAfterAll, type Missed } from './absence.ts'
import { type Change, ObjectCache } from './object-cache.ts'

export interface ReflectorOptions extends Selection {
  readonly client: Pick<KubeClient, 'get' | 'list' | 'watch'>
  readonly type: ResourceType
  /** A type of somebody else's that may not be installed. */
  readonly optional?: boolean
  /**
   * Called for each change; must only put the key somewhere. `background`: from the first list or a resync, so that
   * changes that happen now may go first.
   */
  readonly onChange: (key: ObjectKey, change: Change & { readonly background: boolean }) => void
  /** Told when `failing()` begins, changes or ends (undefined), for the log. */
  readonly onFailing?: (problem: string | undefined) => void
  readonly clock?: Clock
  /** From 0 to 1. */
  readonly random?: () => number
}

const PAGE = 500
const LIST_TIMEOUT_MS = 30_000
const RETRY_MS = { least: 800, most: 30_000 }
const ABSENT_MS = 30_000
/** A watch that lived this long was a good one: what comes after begins without waiting. */
const GOOD_WATCH_MS = 5_000
const WATCH_SECONDS = { least: 240, most: 480 }
const RELIST_MS = 10 * 3_600_000
const RESYNC_MS = 10 * 60_000
/** What only a list says to be gone is doubted for this long. */
const DOUBT_MS = 60_000

export class Reflector {
  /** When the first list is there; rejects when it is stopped before. For an optional type also when it is absent. */
  readonly synced: Promise<void>

  readonly #options: ReflectorOptions
  readonly #clock: Clock
  readonly #random: () => number
  readonly #cache: ObjectCache
  readonly #firstSync = Promise.withResolvers<void>()
  readonly #stopped = new AbortController()
  #running: Promise<unknown> | undefined
  #isSynced = false
  #absent = false
  #problem: string | undefined
  /** Where the watch goes on; undefined: a list is due. */
  #version: string | undefined
  #relistAt = 0
  #doubtUntil = -Infinity
  #openedAt: number | undefined
  #attempts = 0
  /** Times that the server said so since the last good watch: one that always does is not asked without a rest. */
  #expired = 0
  /** Ends the watch that stands, for a list. */
  #reopen = new AbortController()
  /** The pages of a list that takes too long expire under it; the next one is asked for in one piece. */
  #inOnePiece = false

  constructor(options: ReflectorOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#random = options.random ?? Math.random
    this.#cache = new ObjectCache(options.type)
    this.synced = this.#firstSync.promise
    this.synced.catch(() => {}) // whoever waits for it is told; nobody has to
  }

  start(): void {
    if (this.#running) throw new Error(`the reflector of ${this.#options.type.plural} was started before`)
    const { signal } = this.#stopped
    this.#running = Promise.all([this.#follow(signal), this.#resync(signal)])
  }

  /** Ends the watch and every timer; no handler is called afterwards. May be called at any time, and more than once. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#running
    this.#firstSync.reject(new Error(`the reflector of ${this.#options.type.plural} was stopped`))
  }

  isSynced(): boolean {
    return this.#isSynced
  }

  /** Why the objects may be out of date just now; undefined while the watch stands. */
  failing(): string | undefined {
    return this.#problem
  }

  /** Whether an optional type is not installed. */
  absent(): boolean {
    return this.#absent
  }

  /**
   * Whether a list of late, and no event of a watch, said that objects are gone; the first list after a start may lack any. A
   * store that was restored, or is being restored, has lists that lack what was there, and knows it by name no more.
   */
  doubtful(): boolean {
    return this.#clock.now() < this.#doubtUntil
  }

  /** Distrusts what is held: lists anew as soon as may be. Until then everything stays as it is. */
  listAgain(): void {
    this.#version = undefined
    this.#reopen.abort()
  }

  get(namespace: string | undefined, name: string): KubeObject | undefined {
    return this.#cache.get(namespace, name)
  }

  /**
   * Takes what a write of our own came to, before the watch tells: whoever looks in between would write it again. Nobody is
   * told, and an object that is not known, or is another one by now, stays so.
   */
  learn(object: KubeObject): void {
    const { namespace, name, uid } = object.metadata
    if (this.#cache.get(namespace, name)?.metadata.uid === uid) this.#cache.put(object)
  }

  list(): Iterable<KubeObject> {
    return this.#cache.values()
  }

  async #follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let pause: number
      this.#openedAt = undefined
      try {
        if (this.#version === undefined || this.#clock.now() >= this.#relistAt) await this.#listAll(signal)
        await this.#watch(signal)
        pause = this.#pauseAfter(undefined)
      } catch (error) {
        if (signal.aborted) return
        pause = this.#pauseAfter(error)
      }
      if (pause > 0) await this.#clock.sleep(pause, signal)
    }
  }

  async #listAll(signal: AbortSignal): Promise<void> {
    const { client, type, namespace, labelSelector, fieldSelector } = this.#options
    const items: KubeObject[] = []
    let next: string | undefined
    let version: string
    do {
      const page = await client
        .list(type, {
          namespace,
          labelSelector,
          fieldSelector,
          ...(!this.#inOnePiece && { limit: PAGE }),
          continue: next,
          timeoutMs: LIST_TIMEOUT_MS,
          signal,
        })
        .catch((error: unknown) => {
          this.#inOnePiece = next !== undefined && error instanceof ApiError && error.reason === 'Expired'
          throw error
        })
      items.push(...page.items)
      version = page.resourceVersion
      next = page.continue
    } while (next !== undefined)
    await this.#mustBeGone(items, signal)
    if (signal.aborted) return
    this.#version = version
    this.#relistAt = this.#clock.now() + RELIST_MS * (0.9 + 0.2 * this.#random())
    this.#inOnePiece = false
    this.#absent = false
    const changes = this.#cache.replace(items)
    const lacks = !this.#isSynced || changes.some(({ kind }) => kind === 'deleted')
    if (lacks) this.#doubtUntil = this.#clock.now() + DOUBT_MS
    this.#tell(changes, !this.#isSynced)
    this.#nowSynced()
  }

  /**
   * What is held and not listed is asked for by name: throws when it is there. Of a selection nothing is asked: who is not
   * selected any more is still there.
   */
  async #mustBeGone(items: readonly KubeObject[], signal: AbortSignal): Promise<void> {
    const { client, type, labelSelector, fieldSelector } = this.#options
    if (labelSelector !== undefined || fieldSelector !== undefined) return
    const listed = new Set(items.map(({ metadata }) => metadata.uid))
    const missed: Missed[] = []
    for (const known of this.#cache.values()) {
      const { namespace, name, uid } = known.metadata
      if (!listed.has(uid)) missed.push({ key: { type, namespace, name }, uid })
    }
    const found = await foundAfterAll(client, missed, { signal })
    if (found !== undefined) throw new ApiError('Transient', `a list lacks ${describeKey(found)}, which is there`)
  }

  async #watch(stopped: AbortSignal): Promise<void> {
    this.#reopen = new AbortController()
    const signal = AbortSignal.any([stopped, this.#reopen.signal])
    const { client, type, namespace, labelSelector, fieldSelector } = this.#options
    const { least, most } = WATCH_SECONDS
    const events = client.watch(type, {
      namespace,
      labelSelector,
      fieldSelector,
      resourceVersion: this.#version,
      timeoutSeconds: Math.round(least + (most - least) * this.#random()),
      signal,
      onOpen: () => {
        this.#openedAt = this.#clock.now()
        this.#fail(undefined)
      },
    })
    for await (const event of events) {
      if (signal.aborted) return
      this.#take(event)
    }
  }

  #take(event: WatchEvent): void {
    if (event.type === 'BOOKMARK') {
      this.#version = event.resourceVersion
      return
    }
    const { object } = event
    const changes = event.type === 'DELETED' ? this.#cache.remove(object) : this.#cache.put(object)
    this.#version = object.metadata.resourceVersion
    this.#tell(changes, false)
  }

  /** Decides how to go on after a watch ended, by itself (undefined) or not. Milliseconds. */
  #pauseAfter(error: unknown): number {
    if (error === undefined) return this.#pauseAfterEnd()
    const known = error instanceof ApiError ? error : undefined
    if (known?.reason === 'Expired') return this.#pauseAfterExpiry()
    if (known?.reason === 'NotFound') {
      this.#version = undefined
      if (this.#options.optional) return this.#notInstalled()
    }
    this.#fail(this.#describe(error))
    return Math.max(this.#nextPause('failed'), known?.retryAfterMs ?? 0)
  }

  #pauseAfterEnd(): number {
    if (!this.#reopen.signal.aborted) return this.#nextPause('as usual')
    // Somebody asked for a list: that says nothing of the watch, and is asked again every second while it has to be.
    this.#forgiveAfterGoodWatch()
    return RETRY_MS.least
  }

  /** Whoever says that a version is too old is there again, however often it was not before. */
  #pauseAfterExpiry(): number {
    this.#version = undefined
    this.#attempts = Math.min(this.#attempts, this.#expired++)
    return this.#nextPause('as usual')
  }

  #nextPause(ended: 'as usual' | 'failed'): number {
    this.#forgiveAfterGoodWatch()
    const attempt = this.#attempts++
    return ended === 'as usual' && attempt === 0 ? 0 : this.#backoff(attempt)
  }

  #forgiveAfterGoodWatch(): void {
    if (this.#openedAt === undefined || this.#clock.now() - this.#openedAt < GOOD_WATCH_MS) return
    this.#attempts = 0
    this.#expired = 0
  }

  /** No such type, so no such objects: nothing that waits for them waits for ever. */
  #notInstalled(): number {
    this.#absent = true
    this.#attempts = 0
    this.#fail(undefined)
    this.#tell(this.#cache.replace([]), false)
    this.#nowSynced()
    return ABSENT_MS * (0.9 + 0.2 * this.#random())
  }

  #backoff(attempt: number): number {
    const { least, most } = RETRY_MS
    return least + this.#random() * (Math.min(most, least * 2 ** (attempt + 1)) - least)
  }

  #describe(error: unknown): string {
    const { type } = this.#options
    const what = `${type.plural}${type.group === '' ? '' : `.${type.group}`}`
    if (error instanceof ApiError && error.reason === 'NotFound') {
      return `${what} of ${type.version} is not installed: install the CustomResourceDefinitions of this release`
    }
    return `${what}: ${error instanceof Error ? error.message : String(error)}`
  }

  #fail(problem: string | undefined): void {
    if (problem === this.#problem) return
    this.#problem = problem
    this.#options.onFailing?.(problem)
  }

  #nowSynced(): void {
    this.#isSynced = true
    this.#firstSync.resolve()
  }

  #tell(changes: readonly Change[], background: boolean): void {
    for (const change of changes) this.#options.onChange(change.key, { ...change, background })
  }

  async #resync(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#clock.sleep(RESYNC_MS, signal)
      if (signal.aborted) return
      if (this.#isSynced) this.#tell(this.#cache.resync(), true)
    }
  }
}
