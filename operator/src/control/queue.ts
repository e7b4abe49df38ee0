// The work queue: each key waits once, is worked on by one worker at a time, and comes back after a failure, later each
// time. What happens now goes before what a first list or a resync brought.
import { type Clock, systemClock } from '../api/clock.ts'

/** `background` yields to everything else; a key that waits in it is brought forward by a `normal` add. */
export type Priority = 'normal' | 'background'

/** Told what goes on, for metrics. Seconds. */
export interface QueueObserver {
  added(): void
  depth(waiting: number): void
  /** A key was taken after it had waited. */
  taken(waitedSeconds: number): void
  done(workedSeconds: number): void
  retried(): void
}

/** What a handler returns to be called again later although it succeeded. */
export interface Outcome {
  readonly requeueAfterMs?: number
}

/** Makes one key right. Throwing brings the key back after its backoff. */
export type Handler<Key> = (key: Key, signal: AbortSignal) => Promise<Outcome | void>

export interface QueueOptions<Key> {
  readonly observer?: QueueObserver
  /** Told of each failure; the queue goes on. */
  readonly onError: (key: Key, error: unknown, failures: number) => void
  readonly clock?: Clock
  /** From 0 to 1. */
  readonly random?: () => number
}

const BACKOFF_MS = { least: 200, most: 5 * 60_000 }
/** All workers together: so many at once, and so many a second after that. */
const BURST = 1_000
const PER_SECOND = 400

type Work = { readonly priority: Priority; readonly addedAt: number }

export class WorkQueue<Key extends string> {
  readonly #options: QueueOptions<Key>
  readonly #clock: Clock
  readonly #random: () => number
  readonly #waiting = { normal: new Map<Key, Work>(), background: new Map<Key, Work>() }
  readonly #working = new Map<Key, number>()
  /** Keys that were added again while they were worked on. */
  readonly #dirty = new Map<Key, Priority>()
  /** When a key comes back by itself; one time for each key, the earliest. */
  readonly #later = new Map<Key, { at: number; end: AbortController }>()
  readonly #failures = new Map<Key, number>()
  readonly #stop = new AbortController()
  readonly #idle = new Set<() => void>()
  #tokens = BURST
  #filledAt: number
  #workers: Promise<unknown> | undefined

  constructor(options: QueueOptions<Key>) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#random = options.random ?? Math.random
    this.#filledAt = this.#clock.now()
  }

  /** Puts a key in, once however often it is added. Ignored after `drain`. */
  add(key: Key, { priority = 'normal' }: { priority?: Priority } = {}): void {
    if (this.#stop.signal.aborted) return
    this.#options.observer?.added()
    if (this.#working.has(key)) {
      if (this.#dirty.get(key) !== 'normal') this.#dirty.set(key, priority)
      return
    }
    this.#put(key, priority)
  }

  /** Puts a key in after a while, in milliseconds; of several such times of one key the earliest counts. */
  addAfter(key: Key, ms: number): void {
    if (this.#stop.signal.aborted) return
    if (ms <= 0) return this.add(key)
    const at = this.#clock.now() + ms
    const planned = this.#later.get(key)
    if (planned && planned.at <= at) return
    planned?.end.abort()
    const plan = { at, end: new AbortController() }
    this.#later.set(key, plan)
    void this.#comeBack(key, plan, ms)
  }

  /** Works until `drain`; resolves then. The signal of a handler fires when the queue is drained. */
  run(workers: number, handler: Handler<Key>): Promise<void> {
    if (this.#workers) throw new Error('the queue runs already')
    const all = Promise.all(Array.from({ length: workers }, () => this.#work(handler)))
    this.#workers = all
    return all.then(() => {})
  }

  /** Takes nothing more, tells the handlers at work, and waits for them. Keys that wait are dropped. */
  async drain(): Promise<void> {
    this.#stop.abort()
    for (const { end } of this.#later.values()) end.abort()
    this.#later.clear()
    for (const wake of this.#idle) wake()
    await this.#workers
    this.#waiting.normal.clear()
    this.#waiting.background.clear()
    this.#dirty.clear()
  }

  /** True for a key that waits now: it will see whatever is newest when its turn comes. */
  waits(key: Key): boolean {
    return this.#waiting.normal.has(key) || this.#waiting.background.has(key)
  }

  /** Keys that wait now, without those that come back later. */
  get depth(): number {
    return this.#waiting.normal.size + this.#waiting.background.size
  }

  /** Seconds each handler at work has taken so far. */
  unfinished(): number[] {
    const now = this.#clock.now()
    return [...this.#working.values()].map(startedAt => (now - startedAt) / 1_000)
  }

  #put(key: Key, priority: Priority): void {
    const { normal, background } = this.#waiting
    if (normal.has(key)) return
    const known = background.get(key)
    if (known && priority === 'background') return
    background.delete(key)
    this.#waiting[priority].set(key, { priority, addedAt: known?.addedAt ?? this.#clock.now() })
    this.#options.observer?.depth(this.depth)
    const [wake] = this.#idle
    wake?.()
  }

  async #comeBack(key: Key, plan: { at: number; end: AbortController }, ms: number): Promise<void> {
    await this.#clock.sleep(ms, plan.end.signal)
    if (this.#later.get(key) !== plan) return
    this.#later.delete(key)
    this.add(key)
  }

  async #work(handler: Handler<Key>): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      await this.#token()
      const key = this.#take()
      if (key === undefined) {
        this.#tokens++
        await this.#news()
        continue
      }
      await this.#handle(key, handler)
    }
  }

  async #handle(key: Key, handler: Handler<Key>): Promise<void> {
    const startedAt = this.#clock.now()
    let comesBackAfter: number | undefined
    try {
      const outcome = await handler(key, this.#stop.signal)
      this.#failures.delete(key)
      comesBackAfter = outcome ? outcome.requeueAfterMs : undefined
    } catch (error) {
      comesBackAfter = this.#failed(key, error)
    }
    this.#working.delete(key)
    this.#options.observer?.done((this.#clock.now() - startedAt) / 1_000)
    const dirty = this.#dirty.get(key)
    this.#dirty.delete(key)
    if (this.#stop.signal.aborted) return
    // Also when it failed: what changed meanwhile may be what was missing.
    if (dirty) this.#put(key, dirty)
    if (comesBackAfter !== undefined) this.addAfter(key, Math.max(1, comesBackAfter))
  }

  #failed(key: Key, error: unknown): number {
    const failures = (this.#failures.get(key) ?? 0) + 1
    this.#failures.set(key, failures)
    this.#options.observer?.retried()
    this.#options.onError(key, error, failures)
    const { least, most } = BACKOFF_MS
    const bound = Math.min(most, least * 2 ** Math.min(failures - 1, 30))
    return bound * (0.75 + 0.25 * this.#random())
  }

  #take(): Key | undefined {
    const { normal, background } = this.#waiting
    const [next] = normal.size > 0 ? normal : background
    if (!next || this.#stop.signal.aborted) return undefined
    const [key, { priority, addedAt }] = next
    this.#waiting[priority].delete(key)
    const now = this.#clock.now()
    this.#working.set(key, now)
    this.#options.observer?.depth(this.depth)
    this.#options.observer?.taken((now - addedAt) / 1_000)
    return key
  }

  /** Waits for the right to one more handling. */
  async #token(): Promise<void> {
    for (;;) {
      const now = this.#clock.now()
      this.#tokens = Math.min(BURST, this.#tokens + ((now - this.#filledAt) / 1_000) * PER_SECOND)
      this.#filledAt = now
      if (this.#tokens >= 1 || this.#stop.signal.aborted) break
      await this.#clock.sleep(((1 - this.#tokens) / PER_SECOND) * 1_000 + 1, this.#stop.signal)
    }
    this.#tokens--
  }

  #news(): Promise<void> {
    return new Promise(resolve => {
      if (this.depth > 0 || this.#stop.signal.aborted) return resolve()
      const wake = (): void => {
        this.#idle.delete(wake)
        resolve()
      }
      this.#idle.add(wake)
    })
  }
}
