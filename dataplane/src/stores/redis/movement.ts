// Movements of the books, as settle.lua takes them: many at once, kept compactly for a store that forgets them.
import type { ScriptArgument } from './script-call.ts'

/** What movements on the same limits have in common. Made once for a plan. */
export interface Shape {
  /** Budgets, then rates with a concurrency limit, then rates with a token limit. */
  readonly keys: readonly string[]
  /** See settle.lua. */
  readonly numbers: string
}

/** A change of the books. */
export interface Movement {
  readonly shape: Shape
  readonly id: string
  /** Held for the call, micro-dollars. */
  readonly amount: number
  /** What it came to, micro-dollars. */
  cost: number
  /** What to do when its hold does not stand (any more): nothing, or charge all the same. */
  readonly absent: 0 | 1
  /** To add to the token buckets. */
  readonly tokens: number
  /** Charges of the same kind may be added up while they wait: undefined, or what they have in common. */
  readonly sum: string | undefined
}

/** A movement on its way. */
export interface Entry {
  readonly movement: Movement
  readonly sequence: number
  /** Taken by the store even if it misses what came before: that is not to be had any more. */
  forced: boolean
  refusals: number
}

/** Movements in a row, as one text. */
export interface Packed {
  readonly first: number
  readonly count: number
  readonly shapes: readonly Shape[]
  /** One movement a line (settle.lua). */
  readonly lines: string
}

/** Packs entries whose sequence numbers are consecutive. */
export function pack(entries: readonly Entry[]): Packed {
  const shapes: Shape[] = []
  let lines = ''
  let shape: Shape | undefined
  let place = 0
  for (const { movement } of entries) {
    if (movement.shape !== shape) {
      shape = movement.shape
      place = shapes.indexOf(shape) + 1
      if (place === 0) place = shapes.push(shape)
    }
    const { amount, cost, absent, tokens, id } = movement
    lines += `${place} ${amount} ${cost} ${absent} ${tokens} ${id}\n`
  }
  return { first: entries[0]?.sequence ?? 0, count: entries.length, shapes, lines }
}

/** The entries again. */
export function unpack({ first, shapes, lines }: Packed): Entry[] {
  const entries: Entry[] = []
  for (const line of lines.split('\n')) {
    const [place, amount, cost, absent, tokens, ...id] = line.split(' ')
    const shape = shapes[Number(place) - 1]
    if (shape === undefined) continue
    const movement: Movement = {
      shape,
      id: id.join(' '),
      amount: Number(amount),
      cost: Number(cost),
      absent: absent === '1' ? 1 : 0,
      tokens: Number(tokens),
      sum: undefined,
    }
    entries.push({ movement, sequence: first + entries.length, forced: false, refusals: 0 })
  }
  return entries
}

/** Keys and arguments of settle.lua, behind the process's own keys. */
export function settleCall(packed: Packed, forced: boolean): { keys: string[]; args: ScriptArgument[] } {
  const { first, count, shapes, lines } = packed
  const numbers = shapes.map(shape => shape.numbers)
  return { keys: shapes.flatMap(shape => shape.keys), args: [first, forced ? 1 : 0, count, lines, ...numbers] }
}

interface ToldBatch extends Packed {
  readonly at: number
}

/** Movements that the store took lately, for one that forgets them. Times are milliseconds. */
export class Told {
  #batches: ToldBatch[] = []
  #count = 0

  /** Movements that are remembered. */
  size(): number {
    return this.#count
  }

  /** Sequence number of the newest; 0 for none. */
  newest(): number {
    const last = this.#batches.at(-1)
    return last === undefined ? 0 : last.first + last.count - 1
  }

  /** Takes movements told at the time `at`; they follow those it has. */
  add({ first, count, shapes, lines }: Packed, at: number): void {
    this.#batches.push({ first, count, shapes, lines, at })
    this.#count += count
  }

  /** Lets go of what is older than `since`, and of the oldest beyond `most`. */
  forget(since: number, most: number): void {
    let gone = 0
    for (const { at, count } of this.#batches) {
      if (at >= since && this.#count <= most) break
      this.#count -= count
      gone++
    }
    if (gone > 0) this.#batches.splice(0, gone)
  }

  /** Takes out what came after this sequence number, in order. */
  takeAfter(sequence: number): Entry[] {
    const taken: Entry[] = []
    const keep: ToldBatch[] = []
    for (const batch of this.#batches) {
      if (batch.first + batch.count - 1 <= sequence) {
        keep.push(batch)
        continue
      }
      const entries = unpack(batch)
      const before = entries.filter(entry => entry.sequence <= sequence)
      taken.push(...entries.slice(before.length))
      if (before.length > 0) keep.push({ ...pack(before), at: batch.at })
    }
    this.#batches = keep
    this.#count -= taken.length
    return taken
  }
}
