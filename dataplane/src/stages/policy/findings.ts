// Asks guardrails about a text. One that fails is counted, and taken as one that found nothing: the tally knows what that means.
import type { Finding } from '../../ports/guardrails.ts'
import type { ActiveGuard } from './guards.ts'
import type { Tally } from './tally.ts'

/** What each guard found in a text. */
export type Findings = readonly { readonly guard: ActiveGuard; readonly found: readonly Finding[] }[]

export function findAll(guards: readonly ActiveGuard[], text: string, tally: Tally): Findings {
  return guards.map(guard => ({ guard, found: asked(guard, tally, ({ inspector }) => inspector.find(text)) ?? [] }))
}

/** The index up to which what all guards found is final; see Inspector.open. */
export function openIn(guards: readonly ActiveGuard[], text: string, tally: Tally): number {
  let open = text.length
  for (const guard of guards) {
    open = Math.min(open, asked(guard, tally, ({ inspector }) => inspector.open(text)) ?? text.length)
  }
  return open
}

/** Counts findings; gives those that may not stay, in order, as ranges that do not overlap. */
export function counted(
  findings: Findings,
  within: { readonly from: number; readonly to: number },
  tally: Tally,
): readonly Finding[] {
  const masks: Finding[] = []
  for (const { guard, found } of findings) {
    for (const finding of found) {
      if (finding.end <= within.from || finding.end > within.to) continue
      tally.add(guard, finding.entity)
      if (guard.action !== 'AllowAndLog' && !guard.shadow)
        masks.push({ ...finding, start: Math.max(finding.start, within.from) })
    }
  }
  return merged(masks)
}

/** Of several that overlap, the longest gives the name. */
function merged(masks: Finding[]): readonly Finding[] {
  const ranges: Finding[] = []
  for (const mask of masks.sort((a, b) => a.start - b.start)) {
    const last = ranges.at(-1)
    if (!last || last.end <= mask.start) {
      ranges.push(mask)
      continue
    }
    const { entity } = mask.end - mask.start > last.end - last.start ? mask : last
    ranges[ranges.length - 1] = { start: last.start, end: Math.max(last.end, mask.end), entity }
  }
  return ranges
}

function asked<T>(guard: ActiveGuard, tally: Tally, ask: (guard: ActiveGuard) => T): T | undefined {
  try {
    return ask(guard)
  } catch {
    tally.failed(guard)
    return undefined
  }
}
