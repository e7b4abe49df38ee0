import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { splice } from '../../exchange/json-texts.ts'
import * as anthropic from '../../llm/formats/anthropic-messages/lens.ts'
import * as openai from '../../llm/formats/openai-chat/lens.ts'
import { judgeSlots } from './slots.ts'
import { Tally } from './tally.ts'
import { maskedText, watching } from './test-guardrails.ts'

/** A whole reply of each dialect around one text and one tool input. */
const REPLIES = {
  openai: {
    lens: openai,
    of: (text: string, note: string) => ({
      choices: [
        {
          index: 0,
          message: { content: text, tool_calls: [{ function: { arguments: JSON.stringify({ note }) } }] },
          logprobs: [text],
        },
      ],
    }),
    masked: (text: string, note: string) => ({
      choices: [
        {
          index: 0,
          message: { content: text, tool_calls: [{ function: { arguments: JSON.stringify({ note }) } }] },
        },
      ],
    }),
  },
  anthropic: {
    lens: anthropic,
    of: (text: string, note: string) => ({
      content: [
        { type: 'text', text },
        { type: 'tool_use', id: 'XXXX', input: { note } },
      ],
    }),
    masked: undefined,
  },
}

const text = fc
  .array(
    fc.oneof(fc.string({ unit: 'grapheme', maxLength: 6 }), fc.constantFrom(' XXXX ', ' joe@ex.org ', '"', '\\')),
    {
      maxLength: 8,
    },
  )
  .map(parts => parts.join(''))

function redacted({ lens }: { lens: typeof openai | typeof anthropic }, body: string): string {
  const watch = watching('reply', { action: 'Redact' })
  return splice(body, judgeSlots(lens.textsOfReply(body), watch, new Tally(watch)))
}

describe.each(['openai', 'anthropic'] as const)('a whole reply of the %s dialect', name => {
  it('says the same with everything planted masked, and nothing else is written again', () => {
    const reply = REPLIES[name]
    fc.assert(
      fc.property(text, text, fc.constantFrom(0, 1, '\t'), (said, note, indent) => {
        const body = JSON.stringify(reply.of(said, note), null, indent)
        const out = redacted(reply, body)
        const clean = maskedText(said) === said && maskedText(note) === note
        if (clean) expect(out).toBe(body)
        const parsed = JSON.parse(out)
        for (const choice of parsed.choices ?? []) {
          expect(choice.logprobs).toEqual(clean ? [said] : null)
          delete choice.logprobs
        }
        expect(parsed).toEqual((reply.masked ?? reply.of)(maskedText(said), maskedText(note)))
      }),
    )
  })
})

describe('a changed text', () => {
  it('takes its log probabilities along, once for all texts of the choice', () => {
    const body = '{"choices":[{"message":{"content":"XXXX","refusal":"XXXX"},"logprobs":{"content":[]}}]}'
    expect(redacted({ lens: openai }, body)).toBe(
      '{"choices":[{"message":{"content":"[CARD]","refusal":"[CARD]"},"logprobs":null}]}',
    )
  })

  it('found by two guardrails is masked once, under the name of the longer finding', () => {
    const watch = watching('reply', { name: 'a', action: 'Redact', entities: ['Card'] }, { name: 'b', action: 'Block' })
    const longer = { find: () => [{ start: 0, end: 6, entity: 'iban' }], open: () => 0 }
    const guards = watch.guards.map(guard => (guard.name === 'b' ? { ...guard, inspector: longer } : guard))
    const slot = {
      text: 'a XXXX b',
      span: { start: 0, end: 10 },
      form: 'string',
      echo: undefined,
      signed: false,
    } as const
    const tally = new Tally(watch)
    expect(judgeSlots([slot], { ...watch, guards }, tally)).toEqual([{ span: slot.span, text: '"[IBAN] b"' }])
    expect(tally.blocked).toBe(true)
  })
})
