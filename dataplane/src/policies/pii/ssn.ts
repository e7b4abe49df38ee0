// US social security numbers: as they are written, or nine digits behind a word that says so.
import type { Run } from './run.ts'

const CONTEXT_WORD =
  /(?<![a-z])(?:ssns?|social[\s_.-]{0,2}sec(?:urity)?(?:[\s_.-]{0,2}(?:number|num|nr|no))?)(?![a-z])[^\d]{0,24}$/i
/** Numbers that were never given out: area 000, 666 and 9xx, group 00, serial 0000. */
const NEVER = /^(?:000|666|9)|^...00|0000$/

function isAlone(run: Run): boolean {
  return run.opens && run.closes && run.before !== '-' && run.before !== '.' && run.after !== '-' && run.after !== '.'
}

/** True for a social security number. Groups by space in a row of other numbers are one only behind the word. */
export function isSsn(run: Run): boolean {
  if (run.digits.length !== 9 || NEVER.test(run.digits) || !isAlone(run)) return false
  const bare = run.sizes.length === 1
  if (!bare && run.sizes.join(',') !== '3,2,4') return false
  const [first, second] = run.joins
  if (first !== second || (!bare && first !== '-' && first !== '.' && first !== ' ')) return false
  const shown = !bare && (first !== ' ' || (run.before === '' && run.after === '')) && !/[-.]$/.test(run.lead)
  return shown || CONTEXT_WORD.test(run.context())
}
