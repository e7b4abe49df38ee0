// The running text of one channel of a stream: judged as soon as what follows can change nothing, and not before.
import { type Cut, cutText, type TextView, viewOf } from '../../exchange/text-view.ts'
import { counted, findAll, type Findings, openIn } from './findings.ts'
import { CONTEXT, type Finding } from '../../ports/guardrails.ts'
import type { ActiveGuard } from './guards.ts'
import type { Tally } from './tally.ts'

/** An event's part of the text. `decided` is called once, with the text as it may leave. */
export interface Piece {
  readonly text: string
  decided(text: string): void
}

interface Placed {
  readonly piece: Piece
  /** Raw offsets in the channel. */
  readonly start: number
  readonly end: number
}

/** See the file's head. */
export class RunningText {
  readonly #guards: readonly ActiveGuard[]
  readonly #tally: Tally
  readonly #view: TextView
  #pieces: Placed[] = []
  #cuts: Cut[] = []
  /** Of the view, so much left already. */
  #left = 0
  #pushed = 0
  #decided = 0

  constructor(form: 'string' | 'json', guards: readonly ActiveGuard[], tally: Tally) {
    this.#view = viewOf(form)
    this.#guards = guards
    this.#tally = tally
  }

  /** Characters that wait. */
  get waiting(): number {
    return this.#pushed - this.#decided
  }

  push(piece: Piece): void {
    this.#view.push(piece.text)
    const start = this.#pushed
    this.#pushed += piece.text.length
    this.#pieces.push({ piece, start, end: this.#pushed })
  }

  /** Decides what is final. */
  settle(): void {
    const { text } = this.#view
    if (text.length === this.#left) return
    const open = Math.max(this.#left, openIn(this.#guards, text, this.#tally))
    if (open === this.#left) return
    const findings = findAll(this.#guards, text, this.#tally)
    this.#decide(this.#lowered(open, findings), findings)
  }

  /** Decides all of it as it stands: nothing is added to it soon. */
  end(): void {
    if (this.waiting === 0) return
    this.#view.end()
    this.#decide(this.#view.text.length, findAll(this.#guards, this.#view.text, this.#tally))
  }

  /** Decides at least the oldest piece: too much waits. What was found across its end goes with it. */
  force(): void {
    const [oldest] = this.#pieces
    if (!oldest) return
    if (this.#view.rawAt(this.#view.text.length) < oldest.end) this.#view.spill()
    const findings = findAll(this.#guards, this.#view.text, this.#tally)
    this.#decide(this.#raised(this.#view.indexAt(oldest.end), findings), findings)
  }

  /** The index, or before it: no finding and no unit goes across. */
  #lowered(from: number, findings: Findings): number {
    let index = from
    for (;;) {
      const next = this.#view.floor(across(findings, index)?.start ?? index)
      if (next === index) return Math.max(this.#left, index)
      index = next
    }
  }

  /** The index, or behind it. */
  #raised(from: number, findings: Findings): number {
    let index = from
    for (;;) {
      const next = this.#view.ceil(across(findings, index)?.end ?? index)
      if (next === index) return index
      index = next
    }
  }

  #decide(upTo: number, findings: Findings): void {
    for (const { start, end, entity } of counted(findings, { from: this.#left, to: upTo }, this.#tally))
      this.#cuts.push(...this.#view.cuts(start, end, entity.toUpperCase()))
    this.#decided = this.#view.rawAt(upTo)
    const kept = Math.max(0, upTo - CONTEXT)
    if (kept > 0) this.#view.drop(kept)
    this.#left = upTo - kept
    this.#release()
  }

  #release(): void {
    let count = 0
    for (const { piece, start, end } of this.#pieces) {
      if (end > this.#decided) break
      piece.decided(this.#cuts.length === 0 ? piece.text : cutText(piece.text, start, this.#cuts))
      count++
    }
    if (count > 0) this.#pieces = this.#pieces.slice(count)
    const from = this.#pieces[0]?.start ?? this.#decided
    if (this.#cuts.length > 0) this.#cuts = this.#cuts.filter(({ end }) => end > from)
  }
}

function across(findings: Findings, index: number): Finding | undefined {
  for (const { found } of findings) {
    const finding = found.find(({ start, end }) => start < index && end > index)
    if (finding) return finding
  }
  return undefined
}
