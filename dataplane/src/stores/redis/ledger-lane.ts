// What one process has to tell one tenant's books, in order and exactly once: its movements and its lease.
import type { RedisConnection } from './connection.ts'
import { loadScript } from './connection.ts'
import { Planner } from '../plan.ts'
import type { LedgerNames } from './ledger-names.ts'
import { type Entry, type Movement, pack, type Packed, settleCall, Told } from './movement.ts'

const settleScript = loadScript(new URL('./settle.lua', import.meta.url))
const renewScript = loadScript(new URL('./renew.lua', import.meta.url))
const announceScript = loadScript(new URL('./announce.lua', import.meta.url))

/** Movements on the wire at one time, a tenant. */
const WINDOW = 1024
/** Movements told together at most; so many do not wait for more. */
const TOGETHER = 64
/** Holds said again in one call. */
const ANNOUNCED_AT_ONCE = 200
/** What is remembered may grow by this factor before it is cut, so that cutting is rare. */
const SLACK = 1.25
/** A movement that the server itself refuses this often can never be told. */
const REFUSALS_TO_DROP = 3

/** A hold that stands as far as this process knows; `describe` gives what the store remembers of it. */
export interface Standing {
  describe(): string
}

/** What a process's lanes share. `waiting` and `lost` count movements; times are milliseconds. */
export interface LaneOffice {
  readonly redis: RedisConnection
  readonly process: string
  readonly leaseMs: number
  /** Movements that may wait, all lanes together. */
  readonly queueLimit: number
  /** How long told movements are kept for a store that forgets them, and how many. */
  readonly memoryMs: number
  readonly memoryLimit: number
  readonly now: () => number
  waiting: number
  lost: number
}

/** See the file's head. */
export class LedgerLane {
  readonly names: LedgerNames
  readonly planner: Planner
  readonly #office: LaneOffice
  #sequence = 0
  /** In order, not yet told; those before `#next` are on the wire. */
  #queue: Entry[] = []
  #next = 0
  /** Those that further charges may be added to. */
  readonly #sums = new Map<string, Movement>()
  #inFlight = 0
  readonly #told = new Told()
  readonly #standing = new Set<Standing>()
  #ended = 0
  #broken = false
  #mending = false
  #trusted = true
  #open = 0

  constructor(names: LedgerNames, office: LaneOffice) {
    this.names = names
    this.planner = new Planner(names.prefix)
    this.#office = office
  }

  /** False while the store may have forgotten something of ours: its answers must not be believed. */
  trusted(): boolean {
    return this.#trusted
  }

  /** A call is about to be admitted. */
  opens(): void {
    this.#open++
  }

  /** It was refused, or settled. */
  closes(): void {
    this.#open--
  }

  /** No call is under way: whoever asks now comes after all that was settled, and is answered accordingly. */
  quiet(): boolean {
    return this.#open === 0
  }

  /** A hold was taken. */
  stands(hold: Standing): void {
    this.#standing.add(hold)
  }

  /** A hold is about to be settled. */
  ends(hold: Standing): void {
    if (this.#standing.delete(hold)) this.#ended++
  }

  /** Tells a movement as soon as the store takes it. Counted as lost when too many wait already. */
  tell(movement: Movement): void {
    if (this.#addUp(movement)) return
    if (this.#office.waiting >= this.#office.queueLimit) {
      this.#office.lost++
      return
    }
    this.#office.waiting++
    this.#sequence++
    this.#queue.push({ movement, sequence: this.#sequence, forced: false, refusals: 0 })
    if (movement.sum !== undefined) this.#sums.set(movement.sum, movement)
    if (this.unsent() >= TOGETHER) this.flush()
    else this.#office.redis.later(this.flush)
  }

  /** Movements that are not on the wire. */
  unsent(): number {
    return this.#queue.length - this.#next
  }

  /** Sends what waits, as far as the store takes it. */
  flush = (): void => {
    while (!this.#broken && this.#office.redis.up() && this.#inFlight < WINDOW) {
      const entries = this.#together()
      if (entries.length === 0) return
      this.#next += entries.length
      this.#send(entries)
    }
  }

  /** The connection was lost and is back: nothing is believed until it was compared. */
  reconnected(): void {
    this.#forgetOld()
    if (this.#queue.length === 0 && this.#told.size() === 0 && this.#standing.size === 0) return
    this.#distrust()
  }

  /** Once a second: renews the lease while there is something to lease or to miss. */
  async tick(): Promise<void> {
    this.#forgetOld()
    if (!this.#office.redis.up()) return
    if (this.#broken) return this.#mendWhenQuiet()
    if (this.#standing.size > 0 || this.#told.size() > 0) await this.#renew()
  }

  #addUp({ sum, cost }: Movement): boolean {
    const known = sum === undefined ? undefined : this.#sums.get(sum)
    if (known === undefined) return false
    known.cost += cost
    return true
  }

  /** The next that may go together: consecutive ones. What the server refused before goes alone. */
  #together(): Entry[] {
    const from = this.#next
    const first = this.#queue[from]
    if (first === undefined) return []
    let to = from + 1
    for (; first.refusals === 0 && to - from < TOGETHER; to++) {
      const entry = this.#queue[to]
      if (entry === undefined || entry.refusals > 0 || entry.sequence !== first.sequence + to - from) break
    }
    return this.#queue.slice(from, to)
  }

  #send(entries: readonly Entry[]): void {
    for (const { movement } of entries) if (movement.sum !== undefined) this.#sums.delete(movement.sum)
    this.#inFlight += entries.length
    const packed = pack(entries)
    const forced = entries[0]?.forced ?? false
    const { keys, args } = settleCall(packed, forced)
    this.#office.redis.run(settleScript, [this.names.process, this.names.holds, ...keys], args).then(
      reply => this.#answered(packed, forced, reply),
      (error: unknown) => this.#failed(entries, error),
    )
  }

  /** The reply says which movement was the newest that the store knew before, and how many keys it could not change. */
  #answered(packed: Packed, forced: boolean, reply: unknown): void {
    this.#inFlight -= packed.count
    const seen = typeof reply === 'number' ? reply : numberAt(reply, 0)
    this.#office.lost += numberAt(reply, 1)
    if (seen < packed.first - 1 && !forced) {
      this.#tellUpTo(seen)
      return this.#distrust()
    }
    if (this.#queue[0]?.sequence === packed.first) this.#take(packed)
    else this.#tellUpTo(packed.first + packed.count - 1)
    if (this.#broken) this.#mendWhenQuiet()
    else if (this.unsent() > 0) this.#office.redis.later(this.flush)
  }

  #failed(entries: readonly Entry[], error: unknown): void {
    this.#inFlight -= entries.length
    if (error instanceof Error && error.name === 'ReplyError') for (const entry of entries) entry.refusals++
    this.#broken = true
    this.#mendWhenQuiet()
  }

  #distrust(): void {
    this.#broken = true
    this.#trusted = false
    this.#mendWhenQuiet()
  }

  /** Everything up to this sequence number is told. */
  #tellUpTo(sequence: number): void {
    while (true) {
      let count = 0
      const first = this.#queue[0]?.sequence ?? Infinity
      while (first + count <= sequence && this.#queue[count]?.sequence === first + count) count++
      if (count === 0) return
      this.#take(pack(this.#queue.slice(0, count)))
    }
  }

  /** The first of the queue are told. */
  #take(packed: Packed): void {
    this.#told.add(packed, this.#office.now())
    this.#drop(packed.count)
    if (this.#told.size() > this.#office.memoryLimit * SLACK) this.#forgetOld()
  }

  #drop(count: number): void {
    this.#queue.splice(0, count)
    this.#next = Math.max(0, this.#next - count)
    this.#office.waiting -= count
  }

  #forgetOld(): void {
    const { memoryMs, memoryLimit, now } = this.#office
    this.#told.forget(now() - memoryMs, memoryLimit)
  }

  #mendWhenQuiet(): void {
    if (this.#inFlight > 0 || this.#mending || !this.#office.redis.up()) return
    this.#mending = true
    this.#mend()
      .catch(() => undefined) // the store went again: the next tick or reconnection tries once more
      .finally(() => (this.#mending = false))
  }

  /** Says again what lives, learns what the store forgot, and tells that first. */
  async #mend(): Promise<void> {
    const seen = await this.#announce()
    this.#tellUpTo(seen)
    const forgotten = this.#told.takeAfter(seen)
    this.#queue = [...forgotten, ...this.#queue]
    this.#office.waiting += forgotten.length
    if ((this.#queue[0]?.refusals ?? 0) >= REFUSALS_TO_DROP) {
      this.#drop(1)
      this.#office.lost++
    }
    const first = this.#queue[0]
    if (first !== undefined && first.sequence > seen + 1) first.forced = true
    this.#next = 0
    this.#broken = false
    this.#trusted = true
    this.flush()
  }

  async #announce(): Promise<number> {
    const { redis, process, leaseMs } = this.#office
    const holds = [...this.#standing].map(hold => hold.describe())
    const keys = [this.names.processes, this.names.process, this.names.holds]
    const newestTold = this.#told.newest()
    let seen = 0
    for (let at = 0; at === 0 || at < holds.length; at += ANNOUNCED_AT_ONCE) {
      const some = holds.slice(at, at + ANNOUNCED_AT_ONCE)
      const more = at + ANNOUNCED_AT_ONCE < holds.length ? 1 : 0
      const reply = await redis.run(announceScript, keys, [process, leaseMs, newestTold, more, ...some])
      seen = numberAt(reply, 1)
    }
    return seen
  }

  async #renew(): Promise<void> {
    const { redis, process, leaseMs } = this.#office
    const keys = [this.names.processes, this.names.process, this.names.holds]
    const told = this.#told.newest()
    const endedBefore = this.#ended
    const standing = this.#standing.size
    const reply = await redis.run(renewScript, keys, [process, leaseMs])
    const mustStand = standing - (this.#ended - endedBefore)
    const swept = numberAt(reply, 3) === 1
    if (numberAt(reply, 1) >= told && numberAt(reply, 2) >= mustStand && !swept) return
    if (swept) this.#broken = true
    else this.#distrust()
    this.#mendWhenQuiet()
  }
}

function numberAt(reply: unknown, place: number): number {
  const value: unknown = Array.isArray(reply) ? reply[place] : undefined
  return typeof value === 'number' ? value : 0
}
