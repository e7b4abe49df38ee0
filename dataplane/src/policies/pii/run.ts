// Groups of digits as the rules for cards, social security and telephone numbers see them.

/** Neighbouring groups of an island, and what stands around them. */
export interface Run {
  readonly digits: string
  /** Digits of each group. */
  readonly sizes: readonly number[]
  /** What stands between the groups. */
  readonly joins: readonly string[]
  /** What joins it to the groups before and behind; '' where the island ends. */
  readonly before: string
  readonly after: string
  /** No letter or digit stands directly before or behind. */
  readonly opens: boolean
  readonly closes: boolean
  /** A plus stands before the first digit. */
  readonly signed: boolean
  /** The two characters before the first digit. */
  readonly lead: string
  /** The text before it, at most CONTEXT characters. */
  context(): string
}
