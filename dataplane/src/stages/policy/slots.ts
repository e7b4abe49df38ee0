// Judges texts that are there as a whole: a body's, and those of an event that do not go on.
import { type Cut, cutText, viewOf } from '../../exchange/text-view.ts'
import type { Span, TextSlot } from '../../exchange/texts.ts'
import { counted, findAll } from './findings.ts'
import type { Watch } from './guards.ts'
import type { Tally } from './tally.ts'

/** Raw JSON in place of a value. */
export interface Replacement {
  readonly span: Span
  readonly text: string
}

/** Replacements that mask what may not stay; what only was recorded stays. */
export function judgeSlots(slots: readonly TextSlot[], watch: Watch, tally: Tally): Replacement[] {
  const changed: { slot: TextSlot; text: string }[] = []
  for (const slot of slots) {
    const text = judged(slot, watch, tally)
    if (text !== undefined) changed.push({ slot, text })
  }
  return replacementsOf(changed)
}

/** Texts as they are to be, and null for what says the same again. A changed number becomes a string. */
export function replacementsOf(changed: readonly { readonly slot: TextSlot; readonly text: string }[]): Replacement[] {
  const replacements: Replacement[] = []
  const echoes = new Map<number, Span>()
  for (const { slot, text } of changed) {
    replacements.push({ span: slot.span, text: JSON.stringify(text) })
    if (slot.echo) echoes.set(slot.echo.start, slot.echo)
  }
  return [...replacements, ...[...echoes.values()].map(span => ({ span, text: 'null' }))]
}

/** The text with masks, or undefined when it stays as it is. */
export function judged(
  { text, form, signed }: Pick<TextSlot, 'text' | 'form' | 'signed'>,
  watch: Pick<Watch, 'guards' | 'signed'>,
  tally: Tally,
): string | undefined {
  const view = viewOf(form === 'json' ? 'json' : 'string')
  view.push(text)
  view.end()
  const findings = findAll(signed ? watch.signed : watch.guards, view.text, tally)
  const masks = counted(findings, { from: 0, to: view.text.length }, tally)
  const [first] = masks
  if (!first) return undefined
  if (form === 'number') return `[${first.entity.toUpperCase()}]`
  const cuts: Cut[] = masks.flatMap(({ start, end, entity }) => view.cuts(start, end, entity.toUpperCase()))
  return cutText(text, 0, cuts)
}
