// The detector of personal data: which entities are looked for, and both questions of the port answered by one sweep.
import type { GuardrailItem } from '@smartflow/core/snapshot/items'
import type { Inspector } from '../../ports/guardrails.ts'
import { announced } from './assignment.ts'
import { emails } from './email.ts'
import { type Glance, glanceAt } from './glance.ts'
import { ibans } from './iban.ts'
import { keyBlocks, openKeyBlock } from './key-block.ts'
import { numbers } from './numbers.ts'
import { type Detector, ENTITIES, type Entity, Sweep } from './sweep.ts'
import { tokens } from './token.ts'
import { View } from './view.ts'

/** Characters of a BEGIN line that suffice to know where it starts. */
const MARKED = 5

/** A detector, and what tells at a glance that it would find nothing; undefined: only it can tell. */
export interface Watched {
  readonly detect: Detector
  readonly seenBy: keyof Glance | undefined
}

/** Those that look for some entities. */
export function detectorsOf(entities: ReadonlySet<Entity>): readonly Watched[] {
  const detectors: Watched[] = []
  if (entities.has('secret')) {
    detectors.push({ detect: keyBlocks, seenBy: 'keyBlock' }, { detect: tokens, seenBy: undefined })
    detectors.push({ detect: announced, seenBy: 'value' })
  }
  if (entities.has('iban')) detectors.push({ detect: ibans, seenBy: 'iban' })
  if (entities.has('email')) detectors.push({ detect: emails, seenBy: 'email' })
  const numbered = entities.has('card') || entities.has('ssn') || entities.has('phone')
  if (numbered) detectors.push({ detect: numbers(entities), seenBy: 'number' })
  return detectors
}

/** Looks for a guardrail's entities; what counts as one is in docs/policies.md. */
export function piiInspector(guardrail: Pick<GuardrailItem, 'entities'>): Inspector {
  const wanted = new Set(guardrail.entities.map(entity => entity.toLowerCase()))
  const detectors = detectorsOf(new Set(ENTITIES.filter(entity => wanted.has(entity))))
  const sweepOf = (view: View) => {
    const sweep = new Sweep()
    for (const { detect } of detectors) detect(view, sweep)
    return sweep
  }
  return {
    find(text) {
      const view = new View(text)
      const glance = glanceAt(view.text)
      const sweep = new Sweep()
      for (const { detect, seenBy } of detectors) if (seenBy === undefined || glance[seenBy]) detect(view, sweep)
      return sweep.findings(view)
    },
    open(text) {
      const view = new View(text)
      const block = wanted.has('secret') ? openKeyBlock(view) : -1
      if (block === -1) return sweepOf(view).open(view)
      // A key may be long and come in small pieces: what stands behind its first line is not read again for each.
      const front = new View(text.slice(0, view.start(block + MARKED - 1) + 1))
      return Math.min(view.start(block), sweepOf(front).open(front))
    },
  }
}
