import { describe, expect, it } from 'vitest'
import type { FormatName } from '../../exchange/dialect.ts'
import type { Admitted } from '../../exchange/stage.ts'
import { watchOf } from './guards.ts'
import { riskOf } from './risk.ts'
import { guardrail, testGuardrails } from './test-guardrails.ts'

function exchange(
  dialect: FormatName,
  formats: readonly FormatName[],
  more: { rewrite?: boolean; guards?: readonly Parameters<typeof guardrail>[0][] } = {},
): Admitted {
  const guards = (more.guards ?? [{}]).map(fields => ({ policy: 'p', item: guardrail(fields) }))
  const rights = { policy: { guards, allowRewriteNative: more.rewrite ?? false }, targets: [{ formats }] }
  // Only what is looked at.
  return { call: { dialect: { name: dialect } }, rights } as unknown as Admitted
}

function actions(of: Admitted): unknown {
  const watch = watchOf({ guardrails: testGuardrails }, of, 'reply')
  return [watch?.guards.map(({ action }) => action), watch?.signed.map(({ action }) => action)]
}

describe('Redact', () => {
  it.each([
    [
      'of a call that may reach its own signing format',
      exchange('anthropic-messages', ['anthropic-messages']),
      'Block',
      'Block',
    ],
    [
      'there, with allowRewriteNative, but for what is signed',
      exchange('anthropic-messages', ['anthropic-messages'], { rewrite: true }),
      'Redact',
      'Block',
    ],
    ['of a call that is translated', exchange('anthropic-messages', ['openai-chat']), 'Redact', 'Redact'],
    ['of another dialect', exchange('openai-chat', ['openai-chat', 'anthropic-messages']), 'Redact', 'Redact'],
  ])('%s', (_name, of, text, signed) => {
    expect(actions(of)).toEqual([[text], [signed]])
  })
})

describe('a direction', () => {
  it('is looked at by the guardrails for it, and not at all without one', () => {
    const of = (direction: 'Request' | 'Response' | 'Both'): Admitted =>
      exchange('openai-chat', [], { guards: [{ direction }] })
    const looks = (item: 'Request' | 'Response' | 'Both', at: 'request' | 'reply'): boolean =>
      watchOf({ guardrails: testGuardrails }, of(item), at) !== undefined
    expect([looks('Request', 'request'), looks('Request', 'reply')]).toEqual([true, false])
    expect([looks('Response', 'request'), looks('Response', 'reply')]).toEqual([false, true])
    expect([looks('Both', 'request'), looks('Both', 'reply')]).toEqual([true, true])
  })
})

describe('riskOf', () => {
  it('goes from 0 to 1 with what was found and how much of it', () => {
    const figures = [
      [],
      [{ entity: 'email', count: 1 }],
      [{ entity: 'email', count: 3 }],
      [{ entity: 'email', count: 1_000 }],
      [{ entity: 'card', count: 1 }],
      [
        { entity: 'card', count: 3 },
        { entity: 'ssn', count: 3 },
      ],
    ].map(riskOf)
    expect(figures).toEqual([0, 0.3, 0.66, 0.66, 0.8, 1])
  })
})
