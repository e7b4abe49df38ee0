// Guardrails for tests of the policy stage: they find `XXXX` as a card and plain addresses as emails.
import type { GuardrailItem } from '@smartflow/core/snapshot/items'
import type { Finding, Guardrails } from '../../ports/guardrails.ts'
import type { ActiveGuard, Watch } from './guards.ts'

const PATTERNS = { Card: /\bX{4}\b/g, Email: /[a-z0-9.]+@[a-z0-9]+\.[a-z]{2,}/g }
/** Whatever both patterns could go on with, or could be undone by. */
const RUN = /[\w.@]*$/

/** A guardrail named `broken` always fails. */
export const testGuardrails: Guardrails = {
  inspector: item => ({
    find: text => (item.name === 'broken' ? fail() : findIn(text, item.entities)),
    open: text => text.search(RUN),
  }),
}

/** The text with all that is found masked. */
export function maskedText(text: string): string {
  return text.replaceAll(PATTERNS.Card, '[CARD]').replaceAll(PATTERNS.Email, '[EMAIL]')
}

export function guardrail(fields: Partial<GuardrailItem> = {}): GuardrailItem {
  return {
    name: 'sensitive',
    type: 'PII',
    direction: 'Both',
    mode: 'Enforce',
    action: 'Redact',
    onError: 'Block',
    entities: ['Card', 'Email'],
    ...fields,
  }
}

/** A watch of guards of one policy. */
export function watching(direction: Watch['direction'], ...items: readonly Partial<GuardrailItem>[]): Watch {
  const guards = items.map((fields): ActiveGuard => {
    const item = guardrail(fields)
    const { name, action, onError } = item
    return {
      policy: 'p',
      name,
      action,
      onError,
      shadow: item.mode === 'Shadow',
      inspector: testGuardrails.inspector(item),
    }
  })
  return { direction, guards, signed: guards }
}

function findIn(text: string, entities: GuardrailItem['entities']): Finding[] {
  const found: Finding[] = []
  for (const entity of entities) {
    const pattern = entity === 'Card' || entity === 'Email' ? PATTERNS[entity] : undefined
    if (!pattern) continue
    for (const match of text.matchAll(pattern))
      found.push({ start: match.index, end: match.index + match[0].length, entity: entity.toLowerCase() })
  }
  return found.sort((a, b) => a.start - b.start)
}

function fail(): never {
  throw new Error('this guardrail is broken')
}
