// Finds out when the store's replicas have what the store has: asks the store a few times a second, and only while
// somebody waits for it. It is asked on the connection that the writes take, so that the answer is about the same server.
import { StoreAway } from './connection.ts'
import { readReplication, type Replication } from './replication.ts'
import type { Coverage } from './uncovered.ts'

/** Whom to ask. */
export interface ReplicaSource {
  /** The text of `INFO replication`, asked behind all that was written before. */
  info(): Promise<unknown>
  /** Makes replicas acknowledge now what they acknowledge once a second anyway. May fail: then it takes that second. */
  hurry(): Promise<unknown>
  close(): void
}

/** Whom to tell. */
export interface ReplicaWatchOptions {
  readonly source: ReplicaSource
  /** Whether anything waits to be covered. */
  waiting(): boolean
  /** All that was given this number by `next`, or a lower one, is on a replica, or there never was a replica. */
  covered(number: number): void
  /** The store is another one, or began anew: it may not have what waits. */
  moved(): void
  /** There were replicas, but have been none for a while: nothing that waits will be covered. */
  alone(): void
  /** Milliseconds on a clock that never jumps. */
  readonly now: () => number
}

/** Between two rounds while something waits. */
const ROUND_MS = 200
/** Replicas that come or go are noticed within this. */
const LOOK_MS = 5_000
/** A replica that was there so lately is expected back: its store is not yet one without replicas. */
const GRACE_MS = 60_000

/** How far the store was at a look. */
interface Mark {
  readonly number: number
  readonly offset: number
}

/** See the file's head. Until a first look tells otherwise the store has replicas. */
export class ReplicaWatch implements Coverage {
  readonly #options: ReplicaWatchOptions
  #id: string | undefined
  #needed = true
  /** Of the next look: it will be about all that the store took before. */
  #number = 1
  /** Where replicas are not yet: the oldest, so that a slow one gets somewhere, and the newest. */
  #marks: Mark[] = []
  #seenAt = -Infinity
  #lookedAt = -Infinity
  #timer: NodeJS.Timeout | undefined
  #running = false
  #closed = false

  constructor(options: ReplicaWatchOptions) {
    this.#options = options
  }

  needed(): boolean {
    return this.#needed
  }

  next(): number {
    this.#start()
    return this.#number
  }

  /** Call it about once a second, and `look` whenever the store is back. */
  tick(): void {
    if (this.#options.now() - this.#lookedAt >= LOOK_MS) void this.look()
  }

  /** Asks once, and tells what follows from the answer. */
  async look(): Promise<void> {
    const number = this.#number++
    let reply: unknown
    try {
      reply = await this.#options.source.info()
    } catch (error) {
      if (error instanceof StoreAway) return // its absence is shown by its own gauge; asked again when it is back
    }
    // A store that refuses to say, or says something else, is taken for one without replicas.
    this.#judge(number, typeof reply === 'string' ? readReplication(reply) : undefined)
  }

  /** Ends its timer, and the source. */
  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#options.source.close()
  }

  #judge(number: number, seen: Replication | undefined): void {
    this.#lookedAt = this.#options.now()
    if (seen?.id !== this.#id) this.#newHistory(seen?.id)
    if (seen?.primary === false) return // it takes no writes, and so covers none
    if (seen !== undefined && seen.replicas > 0) this.#seenAt = this.#lookedAt
    this.#needed = this.#lookedAt - this.#seenAt < GRACE_MS
    if (this.#needed && seen !== undefined) this.#compare(number, seen)
    else if (this.#seenAt === -Infinity) this.#options.covered(Infinity)
    else this.#options.alone()
  }

  #newHistory(id: string | undefined): void {
    const known = this.#id !== undefined
    this.#id = id
    this.#marks = []
    this.#seenAt = -Infinity
    if (known) this.#options.moved()
  }

  #compare(number: number, { offset, acknowledged }: Replication): void {
    const marks = [...this.#marks, { number, offset }]
    const reached = marks.findLast(mark => acknowledged >= mark.offset)
    const ahead = marks.filter(mark => acknowledged < mark.offset)
    this.#marks = ahead.length > 2 ? [...ahead.slice(0, 1), ...ahead.slice(-1)] : ahead
    if (reached !== undefined) this.#options.covered(reached.number)
  }

  #start(): void {
    if (this.#running || this.#closed) return
    this.#running = true
    this.#timer = setTimeout(() => void this.#round(), ROUND_MS).unref()
  }

  /** The first look learns how far the replicas have to come, the second whether they did. */
  async #round(): Promise<void> {
    await this.look()
    if (this.#options.waiting() && !this.#closed) {
      await this.#options.source.hurry().catch(() => undefined) // said in its description: it takes longer then
      await this.look()
    }
    this.#running = false
    if (this.#options.waiting()) this.#start()
  }
}
