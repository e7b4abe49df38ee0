// What one reading of a text gives: values that detectors think they saw, and how far back the end of it is undecided.
import type { Finding } from '../../ports/guardrails.ts'
import type { View } from './view.ts'

/**
 * `open` stays this close to the end, unless a secret that has begun goes on. One undecided place is at most 320
 * characters; the rest is for values and blocks that lie across each other, a chain that is never cut in two.
 */
export const HOLD = 2048
/** A secret ends here at the latest: a key block without its end marker counts as far as it goes. */
export const LONGEST = 16_384

/** What is found, lower case; the order is the strength of the evidence. */
export const ENTITIES = ['secret', 'card', 'iban', 'ssn', 'email', 'phone'] as const
export type Entity = (typeof ENTITIES)[number]

interface Range {
  readonly start: number
  readonly end: number
}
interface Candidate extends Range {
  readonly entity: Entity
}

/** Reads a view and notes what it sees. The same characters give the same notes wherever they stand in a text. */
export type Detector = (view: View, sweep: Sweep) => void

/** A smaller number is stronger evidence. */
export function rank(entity: Entity): number {
  return ENTITIES.indexOf(entity)
}

/** Notes of the detectors, all in indexes of the view. */
export class Sweep {
  readonly #candidates: Candidate[] = []
  readonly #blocks: Range[] = []
  #held = Number.POSITIVE_INFINITY
  #heldLong = Number.POSITIVE_INFINITY

  /** A value. */
  add(entity: Entity, start: number, end: number): void {
    this.#candidates.push({ entity, start, end })
  }

  /** A place that is judged as a whole: cut in two, its second half would look like something else. */
  block(start: number, end: number): void {
    this.#blocks.push({ start, end })
  }

  /** From here to the end is undecided; at most HOLD characters. */
  hold(index: number): void {
    this.#held = Math.min(this.#held, index)
  }

  /** A secret that has certainly begun here and may go on; at most LONGEST characters. */
  holdLong(index: number): void {
    this.#heldLong = Math.min(this.#heldLong, index)
  }

  /** The values, the stronger where two overlap, by place in the original. */
  findings(view: View): readonly Finding[] {
    if (this.#candidates.length === 0) return []
    const secrets = merged(this.#candidates.filter(one => one.entity === 'secret'))
    const ibans = this.#candidates.filter(one => one.entity === 'iban')
    const inIban = (one: Candidate) => ibans.some(iban => iban.start <= one.start && one.end <= iban.end)
    let taken: Candidate[] = secrets
    for (const entity of ENTITIES.slice(1)) {
      let end = 0
      const added: Candidate[] = []
      for (const one of this.#candidates.filter(other => other.entity === entity).toSorted(byStart)) {
        if (one.start < end || overlaps(taken, one) || (entity === 'card' && ibans.length > 0 && inIban(one))) continue
        added.push(one)
        end = one.end
      }
      if (added.length > 0) taken = [...taken, ...added].toSorted(byStart)
    }
    return taken.map(({ entity, start, end }) => ({ start: view.start(start), end: view.end(end), entity }))
  }

  /** Where the undecided end begins in the original: never inside a value or a block. */
  open(view: View): number {
    const length = view.text.length
    const ranges = [...this.#candidates, ...this.#blocks].toSorted((a, b) => b.start - a.start)
    const secrets = merged(this.#candidates.filter(one => one.entity === 'secret')).toReversed()
    const near = Math.max(before(ranges, Math.min(this.#held, length)), view.index(view.rawLength - HOLD))
    const far = before(secrets, this.#heldLong < near ? before(ranges, this.#heldLong) : near)
    return far >= length ? view.rawLength : view.start(far)
  }
}

/** By place, the longer first. */
function byStart(a: Range, b: Range): number {
  return a.start - b.start || b.end - a.end
}

/** Overlapping secrets are one: nothing of either may stay. */
function merged(secrets: readonly Candidate[]): Candidate[] {
  const one: Candidate[] = []
  for (const next of secrets.toSorted(byStart)) {
    const last = one.at(-1)
    if (last === undefined || last.end <= next.start) one.push(next)
    else if (next.end > last.end) one[one.length - 1] = { ...last, end: next.end }
  }
  return one
}

/** Moves a place down until no range lies across it. `ranges` by start, the last first. */
function before(ranges: readonly Range[], place: number): number {
  let free = place
  for (const range of ranges) if (range.start < free && free < range.end) free = range.start
  return free
}

/** True when one of `sorted` (by start, disjoint) shares a character with `range`. */
function overlaps(sorted: readonly Range[], range: Range): boolean {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sorted[middle]?.end ?? 0) <= range.start) low = middle + 1
    else high = middle
  }
  const next = sorted[low]
  return next !== undefined && next.start < range.end
}
