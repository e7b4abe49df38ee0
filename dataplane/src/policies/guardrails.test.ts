// The table of guardrails: one inspector an item, and what it finds is what the item asks for.
import type { GuardrailItem } from '@smartflow/core/snapshot/items'
import { expect, test } from 'vitest'
import { guardrails } from './guardrails.ts'

function item(entities: GuardrailItem['entities']): GuardrailItem {
  return {
    name: 'pii',
    type: 'PII',
    direction: 'Both',
    mode: 'Enforce',
    action: 'Redact',
    onError: 'Block',
    entities,
  }
}

test('the same item has the same inspector, another item its own', () => {
  const one = item(['Email'])
  expect(guardrails.inspector(one)).toBe(guardrails.inspector(one))
  expect(guardrails.inspector(item(['Email']))).not.toBe(guardrails.inspector(one))
})

test('an inspector looks for what its item lists, names in lower case', () => {
  const text = 'jane@example.com 4111 1111 1111 1111'
  expect(guardrails.inspector(item(['Email'])).find(text)).toEqual([{ start: 0, end: 16, entity: 'email' }])
  expect(guardrails.inspector(item(['Card'])).find(text)).toEqual([{ start: 17, end: 36, entity: 'card' }])
})
