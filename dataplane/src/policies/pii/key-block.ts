// Private keys between their BEGIN and END lines. Held to the END line, or as far as a secret may go.
import { LONGEST, type Sweep } from './sweep.ts'
import type { View } from './view.ts'

const BEGIN = /-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----/g
const END = '-----END'
const LINE = '-----'
const LONGEST_LABEL = 64
/** An end of a text that may become a BEGIN line. */
const BEGUN = /-----(?:B|BE|BEG|BEGI|BEGIN|BEGIN [A-Z0-9 ]{0,50}-{0,4})$/
const LONGEST_BEGIN = 80

/** Where a BEGIN line without its END starts in the view, or -1: enough to know that all behind it is undecided. */
export function openKeyBlock(view: View): number {
  const last = view.text.lastIndexOf('-----BEGIN')
  if (last === -1 || view.text.includes(END, last)) return -1
  BEGIN.lastIndex = last
  const begin = BEGIN.exec(view.text)
  return begin?.index === last && view.rawLength - view.start(last) < LONGEST ? last : -1
}

/** Notes private keys. */
export function keyBlocks(view: View, sweep: Sweep): void {
  const { text } = view
  BEGIN.lastIndex = 0
  for (let begin = BEGIN.exec(text); begin !== null; begin = BEGIN.exec(text)) {
    const from = begin.index
    const limit = view.index(view.start(from) + LONGEST)
    const mark = text.indexOf(END, BEGIN.lastIndex)
    const label = mark + END.length
    const line = mark === -1 || label > limit ? -1 : text.slice(label, label + LONGEST_LABEL).indexOf(LINE)
    const cut = mark !== -1 && line === -1 && label + LONGEST_LABEL <= text.length
    const end = Math.min(limit, line !== -1 ? label + line + LINE.length : cut ? label : text.length)
    if (end === text.length && line === -1 && view.rawLength - view.start(from) < LONGEST) sweep.holdLong(from)
    sweep.add('secret', from, end)
    BEGIN.lastIndex = end
  }
  const tail = Math.max(0, text.length - LONGEST_BEGIN)
  const begun = BEGUN.exec(text.slice(tail))
  if (begun !== null) sweep.hold(tail + begun.index)
}
