// The guardrails that this release knows: one inspector factory a type.
import type { GuardrailItem } from '@smartflow/core/snapshot/items'
import type { Guardrails, Inspector } from '../ports/guardrails.ts'
import { piiInspector } from './pii/inspector.ts'

const INSPECTORS: Readonly<Record<GuardrailItem['type'], (guardrail: GuardrailItem) => Inspector>> = {
  PII: piiInspector,
}
const made = new WeakMap<GuardrailItem, Inspector>()

/** The port's one adapter: detectors inside this process. */
export const guardrails: Guardrails = {
  inspector(guardrail) {
    const known = made.get(guardrail)
    if (known !== undefined) return known
    const inspector = INSPECTORS[guardrail.type](guardrail)
    made.set(guardrail, inspector)
    return inspector
  },
}
