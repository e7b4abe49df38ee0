// Numbers in groups: cards, social security numbers and telephone numbers. An island is groups of digits with what may
// stand between them; what it holds is decided as a whole, so that a text in pieces is read like the whole text.
import { isCard } from './card.ts'
import { isPhone, phoneLead } from './phone.ts'
import type { Run } from './run.ts'
import { isSsn } from './ssn.ts'
import { CONTEXT } from '../../ports/guardrails.ts'
import { type Detector, type Entity, rank, type Sweep } from './sweep.ts'
import { isDigit, type View } from './view.ts'

/** Islands up to this many characters are decided as a whole. */
const ISLAND = 256
/** In longer islands (a column of numbers without a line break) every group is judged by its neighbours this far off. */
const NEAR = 60
const FEWEST_DIGITS = 7
const MOST_DIGITS = 19
/** Groups of a value that does not begin its island: only what a plus or a word announces has more. */
const MOST_GROUPS = 5
const DIGIT = /\d/g
const SINGLE = ' -./()'
const PAIRS: ReadonlySet<string> = new Set([' (', ') ', ')-', ')/', ').', '-(', '.('])

interface Island {
  readonly view: View
  /** Where a sign or bracket before the first digit stands, else the first digit. */
  readonly start: number
  readonly starts: readonly number[]
  readonly ends: readonly number[]
  readonly end: number
  /** True when more text could add to it. */
  readonly open: boolean
}

/** The join at `index`, '' when nothing is joined there, undefined when the text ends before that is known. */
function joinAt(text: string, index: number): string | undefined {
  if (index >= text.length) return undefined
  if (!SINGLE.includes(text.charAt(index))) return ''
  if (index + 1 >= text.length) return undefined
  if (isDigit(text.charCodeAt(index + 1))) return text.charAt(index)
  const pair = text.slice(index, index + 2)
  if (!PAIRS.has(pair)) return ''
  if (index + 2 >= text.length) return undefined
  return isDigit(text.charCodeAt(index + 2)) ? pair : ''
}

function readIsland(view: View, first: number): Island {
  const { text } = view
  const starts: number[] = []
  const ends: number[] = []
  let index = first
  let join: string | undefined = ''
  do {
    starts.push(index)
    while (index < text.length && isDigit(text.charCodeAt(index))) index++
    ends.push(index)
    join = joinAt(text, index)
    index += join?.length ?? 0
  } while (join !== undefined && join !== '')
  let start = first
  if (start > 0 && text.charAt(start - 1) === '+') start--
  if (start > 0 && text.charAt(start - 1) === '(') start--
  return { view, start, starts, ends, end: index, open: join === undefined }
}

function joinOf(island: Island, before: number): string {
  return island.view.text.slice(island.ends[before - 1], island.starts[before])
}

class Groups implements Run {
  digits = ''
  readonly sizes: number[] = []
  readonly joins: string[] = []
  readonly #island: Island
  readonly #from: number
  #last: number

  constructor(island: Island, from: number) {
    this.#island = island
    this.#from = from
    this.#last = from - 1
  }

  grow(): void {
    this.#last++
    const start = this.#island.starts[this.#last] ?? 0
    const end = this.#island.ends[this.#last] ?? 0
    if (this.#last > this.#from) this.joins.push(joinOf(this.#island, this.#last))
    this.sizes.push(end - start)
    this.digits += this.#island.view.text.slice(start, Math.min(end, start + MOST_DIGITS + 1))
  }

  get before(): string {
    return this.#from === 0 ? '' : joinOf(this.#island, this.#from)
  }

  get after(): string {
    return this.#last + 1 < this.#island.starts.length ? joinOf(this.#island, this.#last + 1) : ''
  }

  get opens(): boolean {
    return this.#from > 0 || this.#island.view.opens(this.#island.starts[0] ?? 0)
  }

  get closes(): boolean {
    return this.#island.view.closes(this.#island.ends[this.#last] ?? 0)
  }

  get signed(): boolean {
    const sign = (this.#island.starts[0] ?? 0) - 1
    return this.#from === 0 && this.#island.view.text.charAt(sign) === '+' && this.#island.view.opens(sign)
  }

  get lead(): string {
    const start = this.#island.starts[this.#from] ?? 0
    return this.#island.view.text.slice(Math.max(0, start - 2), start)
  }

  context(): string {
    const { view, starts } = this.#island
    const start = starts[this.#from] ?? 0
    return view.text.slice(view.index(view.start(start) - CONTEXT), start)
  }
}

type Found = (entity: Entity, from: number, to: number, lead: number) => void

/** Tries every run of groups that is short enough. */
function tryRuns(island: Island, entities: ReadonlySet<Entity>, longest: number, found: Found): void {
  const { view, starts, ends } = island
  for (let from = 0; from < starts.length; from++) {
    const run = new Groups(island, from)
    const begin = from === 0 ? island.start : (starts[from] ?? 0)
    const limit = from === 0 ? starts.length : Math.min(starts.length, from + MOST_GROUPS)
    for (let to = from; to < limit && run.digits.length <= MOST_DIGITS; to++) {
      if (view.span(begin, ends[to] ?? 0) > longest) break
      run.grow()
      if (run.digits.length < FEWEST_DIGITS) continue
      if (entities.has('card') && isCard(run)) found('card', from, to, 0)
      if (entities.has('ssn') && isSsn(run)) found('ssn', from, to, 0)
      if (entities.has('phone') && isPhone(run)) found('phone', from, to, phoneLead(run))
    }
  }
}

/** A long island: every group that belongs to a value is a finding of its own. */
function markGroups(island: Island, entities: ReadonlySet<Entity>, sweep: Sweep): void {
  const { view, starts, ends, end } = island
  const marks = new Map<number, Entity>()
  // A text that begins with invisible characters may have lost the digits before them: what reaches beyond its context
  // is not judged by what is left.
  const first = starts[0] ?? 0
  const hidden = view.start(first) > view.end(first)
  const beheaded = hidden && first === 0
  tryRuns(island, entities, NEAR, (entity, from, to) => {
    if (beheaded && from === 0 && view.end(ends[to] ?? 0) > CONTEXT) return
    if (hidden && from === 0) sweep.block(first, ends[to] ?? first)
    for (let group = from; group <= to; group++) {
      const other = marks.get(group)
      if (other === undefined || rank(entity) < rank(other)) marks.set(group, entity)
    }
  })
  for (const [group, entity] of marks) sweep.add(entity, starts[group] ?? end, ends[group] ?? end)
  const kept = view.index(view.end(end) - ISLAND - 1)
  if (island.open) sweep.hold(kept)
  else sweep.block(kept, end)
}

function readNumbers(island: Island, entities: ReadonlySet<Entity>, sweep: Sweep): void {
  if (island.view.span(island.start, island.end) > ISLAND) {
    markGroups(island, entities, sweep)
    return
  }
  if (island.open) sweep.hold(island.start)
  let digits = 0
  for (let i = 0; i < island.starts.length; i++) digits += (island.ends[i] ?? 0) - (island.starts[i] ?? 0)
  if (digits < FEWEST_DIGITS) return
  sweep.block(island.start, island.end)
  tryRuns(island, entities, ISLAND, (entity, from, to, lead) => {
    sweep.add(entity, (island.starts[from] ?? 0) - lead, island.ends[to] ?? island.end)
  })
}

/** Notes the numbers of some entities. */
export function numbers(entities: ReadonlySet<Entity>): Detector {
  return (view, sweep) => {
    const { text } = view
    DIGIT.lastIndex = 0
    while (DIGIT.test(text)) {
      const island = readIsland(view, DIGIT.lastIndex - 1)
      DIGIT.lastIndex = island.end
      readNumbers(island, entities, sweep)
    }
    const sign = text.endsWith('+') ? 1 : 0
    const bracket = text.charAt(text.length - 1 - sign) === '(' ? 1 : 0
    if (sign + bracket > 0) sweep.hold(text.length - sign - bracket)
  }
}
