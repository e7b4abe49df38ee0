// Events on objects, for people who look with kubectl. The same event again within ten minutes counts up the first one;
// how many there are is bounded, and a failure to write one is counted and otherwise of no consequence.
import { randomBytes } from 'node:crypto'
import { ApiError } from '../api/api-error.ts'
import type { KubeClient } from '../api/client.ts'
import { type Clock, systemClock } from '../api/clock.ts'
import { type KubeObject, type NewObject, type ObjectKey, TYPES } from '../api/resource-type.ts'
import { microTime } from './lease.ts'

export interface EventNote {
  readonly type: 'Normal' | 'Warning'
  /** CamelCase, for machines. */
  readonly reason: string
  /** For people; cut at 1024 characters. */
  readonly message: string
  /** What was done or tried, CamelCase: "Publish", "Revoke". */
  readonly action: string
}

/** Kubernetes takes events on objects without a namespace in this one only. */
const CLUSTER_SCOPED_NAMESPACE = 'default'

export interface EventsOptions {
  readonly client: Pick<KubeClient, 'create' | 'patchJson'>
  /** Name of this process: the pod. */
  readonly instance: string
  /** Told of each event that could not be written, or was dropped. */
  readonly onProblem: (problem: string) => void
  readonly clock?: Clock
}

const CONTROLLER = 'smartflow.dev/operator'
const SAME_MS = 10 * 60_000
/** Events that are remembered to count them up; the one that was quiet longest is forgotten beyond this. */
const MAX_REMEMBERED = 2_000
/** Events that wait to be written; beyond this they are dropped. */
const MAX_WAITING = 200
const BURST = 25
const PER_SECOND = 2
const MAX_MESSAGE = 1_024
/** What the API server allows for an object's name, less our suffix. */
const MAX_NAME = 240

interface Remembered {
  readonly key: ObjectKey
  written: boolean
  count: number
  lastAt: number
  /** Is or will be in the queue. */
  waits: boolean
}

interface Waiting {
  readonly event: Remembered
  readonly create: NewObject
}

export class Events {
  readonly #options: EventsOptions
  readonly #clock: Clock
  readonly #remembered = new Map<string, Remembered>()
  readonly #waiting: Waiting[] = []
  readonly #stopped = new AbortController()
  #writing: Promise<void> | undefined
  #tokens = BURST
  #filledAt: number

  constructor(options: EventsOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#filledAt = this.#clock.now()
  }

  /** Notes an event; never waits and never throws. */
  emit(regarding: KubeObject, note: EventNote): void {
    if (this.#stopped.signal.aborted) return
    const name = [regarding.metadata.uid, note.type, note.reason, note.action, note.message].join('\n')
    const event = this.#recall(name) ?? this.#newEvent(regarding)
    this.#remember(name, event)
    event.count++
    event.lastAt = this.#clock.now()
    if (event.waits) return
    if (this.#waiting.length >= MAX_WAITING) {
      this.#remembered.delete(name)
      this.#options.onProblem(`event ${note.reason} dropped: ${MAX_WAITING} wait to be written`)
      return
    }
    event.waits = true
    this.#waiting.push({ event, create: this.#bodyOf(event.key, regarding, note) })
    this.#writing ??= this.#write()
  }

  /** When all that waits now is written. */
  async settled(): Promise<void> {
    await this.#writing
  }

  /** Ends writing; what waits is dropped. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    this.#waiting.length = 0
    await this.#writing
  }

  #recall(name: string): Remembered | undefined {
    const known = this.#remembered.get(name)
    return known && this.#clock.now() - known.lastAt < SAME_MS ? known : undefined
  }

  #newEvent({ metadata }: KubeObject): Remembered {
    const namespace = metadata.namespace ?? CLUSTER_SCOPED_NAMESPACE
    const name = `${metadata.name.slice(0, MAX_NAME)}.${randomBytes(6).toString('hex')}`
    return { key: { type: TYPES.Event, namespace, name }, written: false, count: 0, lastAt: 0, waits: false }
  }

  #remember(name: string, event: Remembered): void {
    this.#remembered.delete(name)
    this.#remembered.set(name, event)
    const [quietest] = this.#remembered.keys()
    if (this.#remembered.size > MAX_REMEMBERED && quietest !== undefined) this.#remembered.delete(quietest)
  }

  async #write(): Promise<void> {
    const { signal } = this.#stopped
    for (;;) {
      await this.#token(signal)
      const next = this.#waiting.shift()
      if (!next || signal.aborted) break
      next.event.waits = false
      await this.#writeOne(next, signal).catch((error: unknown) =>
        this.#options.onProblem(
          `event ${next.event.key.name}: ${error instanceof Error ? error.message : String(error)}`,
        ),
      )
    }
    this.#writing = undefined
  }

  async #writeOne({ event, create }: Waiting, signal: AbortSignal): Promise<void> {
    const series = { count: event.count, lastObservedTime: this.#dateOf(event) }
    if (event.written) {
      try {
        await this.#options.client.patchJson(event.key, [{ op: 'add', path: '/series', value: series }], { signal })
        return
      } catch (error) {
        // The API server forgets events after an hour.
        if (!(error instanceof ApiError && error.reason === 'NotFound')) throw error
      }
    }
    await this.#options.client.create(event.count > 1 ? { ...create, series } : create, { signal })
    event.written = true
  }

  #dateOf({ lastAt }: Remembered): string {
    return microTime(this.#clock.date() - Math.round(this.#clock.now() - lastAt))
  }

  #bodyOf({ namespace, name }: ObjectKey, { apiVersion, kind, metadata }: KubeObject, note: EventNote): NewObject {
    return {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { name, namespace },
      eventTime: microTime(this.#clock.date()),
      reportingController: CONTROLLER,
      reportingInstance: this.#options.instance.slice(0, 128),
      type: note.type,
      reason: note.reason,
      action: note.action,
      note: note.message.slice(0, MAX_MESSAGE),
      regarding: {
        apiVersion,
        kind,
        name: metadata.name,
        ...(metadata.namespace !== undefined && { namespace: metadata.namespace }),
        uid: metadata.uid,
        resourceVersion: metadata.resourceVersion,
      },
    }
  }

  async #token(signal: AbortSignal): Promise<void> {
    const now = this.#clock.now()
    this.#tokens = Math.min(BURST, this.#tokens + ((now - this.#filledAt) / 1_000) * PER_SECOND)
    this.#filledAt = now
    if (this.#waiting.length === 0) return
    this.#tokens--
    if (this.#tokens < 0) await this.#clock.sleep((-this.#tokens / PER_SECOND) * 1_000, signal)
  }
}
