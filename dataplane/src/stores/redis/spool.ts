// A bounded spool: sends entries in order and many at once as long as the store takes them, keeps them while it does not,
// and until a replica has them where there is one; counts what had to go.
import { type Coverage, Uncovered } from './uncovered.ts'

/** What is sent. `bytes` counts against the spool's bound; only entries of one `group` are sent together. */
export interface Spooled {
  readonly bytes: number
  readonly group: string
}

/** How entries are sent and how many may wait. */
export interface SpoolOptions<Entry extends Spooled> {
  /** Resolves when the store has the entries. Sending again after a failure must be harmless. */
  send(entries: readonly Entry[]): Promise<unknown>
  /** Calls `flush` soon, so that entries that come meanwhile leave together. */
  soon(flush: () => void): void
  /** Whether sending makes sense now. */
  ready(): boolean
  /** None: what the store has is safe. */
  readonly coverage?: Coverage
  readonly maxEntries: number
  readonly maxBytes: number
}

/** Entries on the wire at one time. */
const WINDOW = 512
/** Entries sent together, and bytes after which no more is added. */
const TOGETHER = 64
const TOGETHER_BYTES = 256 * 1024
/** An entry that the store itself refuses this often can never be told. */
const REFUSALS_TO_DROP = 3
/** Of the spool, as much as this may be entries that the store has: the rest is for those that it does not have. */
const UNCOVERED_SHARE = 0.5

interface Place<Entry> {
  readonly entry: Entry
  readonly sequence: number
  refusals: number
}

/** See the file's head. `resume` is called when the store is back, and now and then. */
export class Spool<Entry extends Spooled> {
  readonly #options: SpoolOptions<Entry>
  #waiting: Place<Entry>[] = []
  #failed: Place<Entry>[] = []
  readonly #uncovered = new Uncovered<Place<Entry>>()
  #inFlight = 0
  #sequence = 0
  #bytes = 0
  #lost = 0
  #letGo = 0
  /** Counts the stores: a new one may lack what an earlier one took. */
  #era = 0

  constructor(options: SpoolOptions<Entry>) {
    this.#options = options
  }

  /** Entries that the store does not have yet, or that have to be covered. */
  size(): number {
    return this.#waiting.length + this.#failed.length + this.#inFlight + this.#uncovered.size
  }

  /** Whether the store has entries that have to be covered. */
  waits(): boolean {
    return this.#uncovered.size > 0
  }

  /** Entries that did not fit, or that the store refused for good. */
  lost(): number {
    return this.#lost
  }

  /** Entries that the store took and that went before they were covered: there was no room to wait, or no hope. */
  uncovered(): number {
    return this.#letGo
  }

  /** Takes an entry; false when there was no room for it. */
  add(entry: Entry): boolean {
    const { maxEntries, maxBytes } = this.#options
    if (this.size() >= maxEntries || this.#bytes + entry.bytes > maxBytes) {
      this.#lost++
      return false
    }
    this.#bytes += entry.bytes
    this.#waiting.push({ entry, sequence: this.#sequence++, refusals: 0 })
    if (this.#waiting.length >= TOGETHER) this.resume()
    else this.#options.soon(this.resume)
    return true
  }

  /** Sends what waits, in order; what failed before goes first, when nothing is on the wire any more. */
  resume = (): void => {
    if (this.#failed.length > 0) {
      if (this.#inFlight > 0 || !this.#options.ready()) return
      this.#waiting = [...this.#failed.sort((a, b) => a.sequence - b.sequence), ...this.#waiting]
      this.#failed = []
    }
    const count = this.#options.ready() ? Math.min(WINDOW - this.#inFlight, this.#waiting.length) : 0
    if (count <= 0) return
    for (const places of together(this.#waiting.splice(0, count))) this.#send(places)
  }

  /** What the store had when this number, or a lower one, was given is covered. */
  covered(number: number): void {
    this.#release(this.#uncovered.takeUpTo(number))
  }

  /** The store may have lost what is not covered: it is sent again. */
  again(): void {
    this.#era++
    if (!this.waits()) return
    this.#failed = this.#failed.concat(this.#uncovered.takeAll())
    this.resume()
  }

  /** Nothing will be covered any more: it goes, and is counted. */
  giveUp(): void {
    if (this.waits()) this.#goUncovered(this.#uncovered.takeAll())
  }

  #send(places: readonly Place<Entry>[]): void {
    const era = this.#era
    this.#inFlight += places.length
    this.#options.send(places.map(({ entry }) => entry)).then(
      () => {
        this.#inFlight -= places.length
        this.#taken(places, era)
        if (this.#waiting.length > 0 && this.#failed.length === 0) this.#options.soon(this.resume)
      },
      (error: unknown) => {
        this.#inFlight -= places.length
        const refused = error instanceof Error && error.name === 'ReplyError'
        for (const place of places) this.#keep(place, refused)
      },
    )
  }

  /** The store has these; `era` is when they were sent. */
  #taken(places: readonly Place<Entry>[], era: number): void {
    const { coverage } = this.#options
    if (era !== this.#era) {
      this.#failed = this.#failed.concat(places)
      this.#options.soon(this.resume)
    } else if (coverage?.needed()) this.#keepUncovered(places, coverage.next())
    else this.#release(places)
  }

  #release(places: readonly Place<Entry>[]): void {
    for (const { entry } of places) this.#bytes -= entry.bytes
  }

  #keepUncovered(places: readonly Place<Entry>[], number: number): void {
    const { maxEntries, maxBytes } = this.#options
    this.#uncovered.add(places, number)
    while (this.#uncovered.size > maxEntries * UNCOVERED_SHARE || this.#uncovered.bytes > maxBytes * UNCOVERED_SHARE)
      this.#goUncovered(this.#uncovered.takeOldest())
  }

  #goUncovered(places: readonly Place<Entry>[]): void {
    this.#letGo += places.length
    this.#release(places)
  }

  #keep(place: Place<Entry>, refused: boolean): void {
    if (refused) place.refusals++
    if (place.refusals < REFUSALS_TO_DROP) {
      this.#failed.push(place)
      return
    }
    this.#bytes -= place.entry.bytes
    this.#lost++
  }
}

/** In order within each group. What was refused before goes alone: it may have been somebody else's fault. */
function together<Entry extends Spooled>(places: readonly Place<Entry>[]): Place<Entry>[][] {
  const batches: Place<Entry>[][] = []
  const open = new Map<string, { batch: Place<Entry>[]; bytes: number }>()
  for (const place of places) {
    const { group, bytes } = place.entry
    const last = open.get(group)
    if (place.refusals === 0 && last && last.batch.length < TOGETHER && last.bytes < TOGETHER_BYTES) {
      last.batch.push(place)
      last.bytes += bytes
      continue
    }
    const batch = [place]
    batches.push(batch)
    if (place.refusals === 0) open.set(group, { batch, bytes })
    else open.delete(group)
  }
  return batches
}
