// E-mail addresses. Every @ is judged for itself, by at most 64 characters before it and 256 behind.
import { CONTEXT } from '../../ports/guardrails.ts'
import type { Sweep } from './sweep.ts'
import { isDigit, isWord, type View } from './view.ts'

const FURTHEST = 256
const LONGEST_LABEL = 63
const LONGEST_TOP = 24
/** What stands behind an @ without being a host: a version (`pkg@1.2.0-beta.rc`), an image for dense screens. */
const NO_HOST = /^(?:\d+\.\d|\d+x\.(?:png|jpe?g|gif|webp|svg|avif|pdf)$)/i

/** Latin letters with diacritics. */
function isLatin(code: number): boolean {
  return code >= 0xc0 && code <= 0x24f && code !== 0xd7 && code !== 0xf7
}

function isLocal(code: number): boolean {
  return isWord(code) || code === 46 || code === 45 || code === 43 || code === 37 || isLatin(code)
}

function isLetter(code: number): boolean {
  return (isWord(code) && !isDigit(code) && code !== 95) || isLatin(code)
}

function isLabel(code: number): boolean {
  return (isWord(code) && code !== 95) || code === 45 || isLatin(code)
}

interface Host {
  /** Behind the last letter of the top label; -1 when there is none. */
  readonly end: number
  /** Behind everything that could belong to it. */
  readonly reach: number
}

/** The end of a label whose letters could be a top-level domain, or -1. */
function topEnd(text: string, from: number, to: number): number {
  let end = from
  while (end < to && isLetter(text.charCodeAt(end))) end++
  const size = end - from
  return size >= 2 && size <= LONGEST_TOP && (end === to || text.charCodeAt(end) === 45) ? end : -1
}

function readHost(view: View, at: number): Host {
  const { text } = view
  const limit = view.index(view.start(at) + FURTHEST)
  let reach = at + 1
  while (reach < limit && (isLabel(text.charCodeAt(reach)) || text.charCodeAt(reach) === 46)) reach++
  let end = -1
  let label = at + 1
  for (let labels = 1; label < reach; labels++) {
    const dot = text.indexOf('.', label)
    const stop = dot === -1 || dot > reach ? reach : dot
    if (stop === label || stop - label > LONGEST_LABEL || text.charCodeAt(label) === 45) break
    const top = labels > 1 ? topEnd(text, label, stop) : -1
    if (top !== -1) end = top
    if (text.charCodeAt(stop - 1) === 45) break
    label = stop + 1
  }
  return end !== -1 && NO_HOST.test(text.slice(at + 1, end)) ? { end: -1, reach } : { end, reach }
}

/** Where an address begins: at its name, or at the @ when the name is an earlier address's host; -1 without a name. */
function nameStart(view: View, at: number): number {
  const { text } = view
  const floor = view.index(view.start(at) - CONTEXT)
  let start = at
  while (start > floor && isLocal(text.charCodeAt(start - 1))) start--
  const other = start - 1
  if (start > floor && text.charAt(other) === '@' && (other === floor || isLocal(text.charCodeAt(other - 1)))) {
    const host = readHost(view, other)
    if (host.end !== -1) return host.end
  }
  if (start > 0 && text.charAt(start - 1) === '\\' && 'nrtbf'.includes(text.charAt(start))) start++
  while (start < at && !isWord(text.charCodeAt(start)) && !isLatin(text.charCodeAt(start))) start++
  return start < at ? start : -1
}

/** Notes e-mail addresses; `git@host` of a repository is none. */
export function emails(view: View, sweep: Sweep): void {
  const { text } = view
  for (let at = text.indexOf('@'); at !== -1; at = text.indexOf('@', at + 1)) {
    if (at === 0 || !isLocal(text.charCodeAt(at - 1))) continue
    const start = nameStart(view, at)
    const host = readHost(view, at)
    if (host.reach === text.length) sweep.hold(start === -1 ? at : start)
    if (host.end === -1) continue
    if (start === -1 || text.slice(start, at) === 'git') sweep.block(Math.max(start, at - 1), host.end)
    else sweep.add('email', start, host.end)
  }
  const floor = view.index(view.rawLength - CONTEXT)
  let tail = text.length
  while (tail > floor && isLocal(text.charCodeAt(tail - 1))) tail--
  if (tail < text.length) sweep.hold(tail)
}
