// Secrets that show what they are by how they begin: keys of providers and platforms, and signed tokens (JWT).
import { CONTEXT } from '../../ports/guardrails.ts'
import { LONGEST, type Sweep } from './sweep.ts'
import { isWord, type View } from './view.ts'

/** Beginnings of secrets with as much of the rest as makes them certain; found wherever they stand, also inside words. */
const CERTAIN = new RegExp(
  [
    'sk-(?:ant|sf|proj|svcacct|admin|or-v1)-[\\w-]{16}',
    'gh[pousr]_[A-Za-z0-9]{30}',
    'github_pat_\\w{30}',
    'glpat-[\\w-]{20}',
    'xox[abeoprs]-[\\w-]{10}',
    'xapp-\\d-[\\w-]{10}',
    'AIza[\\w-]{30}',
    'GOCSPX-[\\w-]{20}',
    'ya29\\.[\\w-]{20}',
    'A[KS]IA[A-Z0-9]{16}',
    '[rs]k_(?:live|test)_[A-Za-z0-9]{16}',
    'whsec_[A-Za-z0-9]{20}',
    'npm_[A-Za-z0-9]{36}',
    'hf_[A-Za-z]{30}',
    'gsk_[A-Za-z0-9]{40}',
    'xai-[A-Za-z0-9]{40}',
    'pypi-AgE[\\w-]{20}',
    'dop_v1_[0-9a-f]{32}',
    'shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}',
    'SG\\.[\\w-]{16,32}\\.[\\w-]{32}',
    'eyJ[\\w-]{8,200}\\.eyJ[\\w-]{8}',
  ].join('|'),
  'g',
)
/** Beginnings that the end of a text may still make certain. */
const BEGUN =
  /sk-|gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|xapp-|AIza|GOCSPX-|ya29\.|A[KS]IA|[rs]k_|whsec_|npm_|hf_|gsk_|xai-|pypi-|dop_v1_|shp[acps]|SG\.|eyJ/
/** The form that many share: `sk-` and letters and digits; only as a word of its own. */
const COMMON = /sk-(?=[\w-]{20})/g
const COMMON_LONGEST = 256
/** How far behind its beginning a secret is certain, in characters of the original. */
const DECIDED = 320
const SAMPLE = 64
const FEWEST_KINDS = 8

function isToken(code: number): boolean {
  return isWord(code) || code === 45 || code === 46
}

function tokenEnd(text: string, from: number, limit: number): number {
  let end = from
  while (end < text.length && end < limit && isToken(text.charCodeAt(end))) end++
  return end
}

function withoutStops(text: string, end: number): number {
  let last = end
  while (text.charCodeAt(last - 1) === 46) last--
  return last
}

/** Words such as `sk-proj-put-your-key-here` are no secrets: a digit or a capital, and enough different characters. */
function isRandom(text: string): boolean {
  return /[\dA-Z]/.test(text.slice(3)) && new Set(text).size >= FEWEST_KINDS
}

function certain(view: View, sweep: Sweep): void {
  const { text } = view
  CERTAIN.lastIndex = 0
  for (let match = CERTAIN.exec(text); match !== null; match = CERTAIN.exec(text)) {
    const from = match.index
    const sure = from + match[0].length
    if (view.span(from, sure) > DECIDED || !isRandom(text.slice(from, tokenEnd(text, from, from + SAMPLE)))) {
      CERTAIN.lastIndex = from + 1
      continue
    }
    const end = tokenEnd(text, sure, view.index(view.start(from) + LONGEST))
    if (end === text.length) sweep.holdLong(from)
    sweep.add('secret', from, Math.max(withoutStops(text, end), sure))
    CERTAIN.lastIndex = end
  }
}

function common(view: View, sweep: Sweep): void {
  const { text } = view
  COMMON.lastIndex = 0
  let end = 0
  for (let match = COMMON.exec(text); match !== null; match = COMMON.exec(text)) {
    const from = match.index
    if (from >= end) end = tokenEnd(text, from, text.length)
    if (view.span(from, end) > COMMON_LONGEST) continue
    const key = text.slice(from, withoutStops(text, end))
    if (!/\d/.test(key) || !/[A-Za-z0-9]{16}/.test(key) || !isRandom(key)) continue
    if (view.opens(from)) sweep.add('secret', from, from + key.length)
    else sweep.block(from, end)
  }
}

/** Notes keys and tokens by their beginnings. */
export function tokens(view: View, sweep: Sweep): void {
  certain(view, sweep)
  common(view, sweep)
  const { text } = view
  const floor = view.index(view.rawLength - DECIDED)
  let tail = text.length
  while (tail > floor && isToken(text.charCodeAt(tail - 1))) tail--
  // The last characters of the text may be the first of a beginning.
  const begun = BEGUN.exec(text.slice(tail))
  if (begun !== null) sweep.hold(tail + begun.index)
  sweep.hold(Math.max(tail, view.index(view.rawLength - CONTEXT)))
}
