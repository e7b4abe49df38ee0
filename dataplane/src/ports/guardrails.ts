// What finds things in texts that a policy does not want to pass. Policies say what is looked for; this says where it is.
import type { GuardrailItem } from '@smartflow/core/snapshot/items'

/**
 * Characters of the original text before a value that may decide about it; no inspector looks further back. Who reads a
 * text in pieces keeps this many in front of what it has not released.
 */
export const CONTEXT = 64

/** Something found: [start, end) in the text, and what it is ("card", "email"). */
export interface Finding {
  readonly start: number
  readonly end: number
  /** Lower case; upper case in brackets it is the replacement: `[CARD]`. */
  readonly entity: string
}

/** A guardrail ready to read. Pure: the same text gives the same findings. */
export interface Inspector {
  /** Findings in the order of `start`; they do not overlap. Whether one is there may depend on the letters around it. */
  find(text: string): readonly Finding[]
  /**
   * For a text that goes on: the index from which its end could still become, extend or undo a finding; `text.length`
   * when whatever follows changes nothing. Findings that end at or before it are final.
   */
  open(text: string): number
}

/** The port. */
export interface Guardrails {
  /** The inspector of a guardrail; the same object for the same item. */
  inspector(guardrail: GuardrailItem): Inspector
}
