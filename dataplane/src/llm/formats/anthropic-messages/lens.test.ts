import { describe, expect, it } from 'vitest'
import { readJson } from '../../../exchange/json.ts'
import { Refusal } from '../../../exchange/refusal.ts'
import type { EventTexts, TextSlot } from '../../../exchange/texts.ts'
import { textsOfEvent, textsOfReply, textsOfRequest } from './lens.ts'

function shown({ text, form, signed }: TextSlot): string {
  return `${signed === true ? 'signed ' : ''}${form}: ${text}`
}

function ofRequest(body: object): string[] {
  return textsOfRequest(readJson(Buffer.from(JSON.stringify(body)))).map(shown)
}

function ofEvent(data: object): EventTexts | undefined {
  return textsOfEvent({ event: undefined, data: JSON.stringify(data) })
}

describe('the texts of a request', () => {
  it('are what people and models wrote', () => {
    const texts = ofRequest({
      model: 'not',
      system: [{ type: 'text', text: 'system', cache_control: { type: 'ephemeral' } }],
      metadata: { user_id: 'not' },
      thinking: { type: 'enabled', budget_tokens: 1_024 },
      messages: [
        { role: 'user', content: 'plain' },
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'thought', signature: 'not' },
            { type: 'redacted_thinking', data: 'not' },
            { type: 'tool_use', id: 'not', name: 'not', input: { to: 'input', id: 7, deep: [true] } },
          ],
        },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 'not', content: [{ type: 'text', text: 'result' }] },
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'not' } },
            { type: 'document', title: 'title', source: { type: 'text', media_type: 'text/plain', data: 'document' } },
            {
              type: 'search_result',
              source: 'https://not.example',
              title: 'found',
              content: [{ type: 'text', text: 'hit' }],
            },
            { type: 'web_search_tool_result', content: [{ encrypted_content: 'not', title: 'page', url: 'not' }] },
          ],
        },
      ],
      tools: [
        {
          name: 'not',
          description: 'tool',
          input_schema: { type: 'object', properties: { a: { description: 'member' } } },
        },
      ],
      mcp_servers: [{ authorization_token: 'not' }],
    })
    expect(texts.filter(text => text.includes('not'))).toEqual([])
    expect(texts).toEqual([
      'string: system',
      'string: plain',
      'signed string: thought',
      'string: to',
      'string: input',
      'string: id',
      'number: 7',
      'string: deep',
      'string: result',
      'string: title',
      'string: document',
      'string: found',
      'string: hit',
      'string: page',
      'string: tool',
      'string: member',
    ])
  })

  it('are a system prompt that is a string', () => {
    expect(ofRequest({ system: 'system', messages: [] })).toEqual(['string: system'])
  })
})

describe('the texts of a reply', () => {
  it('are those of its blocks', () => {
    const texts = textsOfReply(
      JSON.stringify({
        id: 'not',
        type: 'message',
        content: [
          { type: 'thinking', thinking: 'thought', signature: 'not' },
          { type: 'text', text: 'text', citations: [{ type: 'not', cited_text: 'cited', encrypted_index: 'not' }] },
          { type: 'tool_use', id: 'not', name: 'not', input: { card: 4_111 } },
        ],
        stop_reason: 'not',
      }),
    )
    expect(texts.map(shown)).toEqual([
      'signed string: thought',
      'string: text',
      'string: cited',
      'string: card',
      'number: 4111',
    ])
  })

  it('that is no JSON are a refusal', () => {
    expect(() => textsOfReply('<html>')).toThrow(Refusal)
  })
})

describe('the texts of an event', () => {
  const running = (data: object): unknown[] => {
    const texts = ofEvent(data)
    return [...(texts?.texts.map(text => `${text.channel} ${shown(text)}`) ?? []), texts?.closes]
  }

  it('run on a channel a block and kind', () => {
    expect(running({ type: 'content_block_start', index: 1, content_block: { type: 'text', text: 'a' } })).toEqual([
      '1/text string: a',
      [],
    ])
    expect(running({ type: 'content_block_delta', index: 1, delta: { type: 'text_delta', text: 'b' } })).toEqual([
      '1/text string: b',
      [],
    ])
    expect(
      running({ type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: 'c' } }),
    ).toEqual(['0/thinking signed string: c', []])
    expect(
      running({ type: 'content_block_delta', index: 2, delta: { type: 'input_json_delta', partial_json: '{"' } }),
    ).toEqual(['2/partial_json json: {"', []])
  })

  it('that are whole end with their event', () => {
    const citation = { type: 'char_location', cited_text: 'cited', document_title: 'title' }
    expect(running({ type: 'content_block_delta', index: 1, delta: { type: 'citations_delta', citation } })).toEqual([
      '1/citation/cited_text string: cited',
      '1/citation/document_title string: title',
      ['1/citation/cited_text', '1/citation/document_title'],
    ])
  })

  it.each([
    ['content_block_stop', { type: 'content_block_stop', index: 3 }, ['3']],
    ['message_delta', { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: {} }, ['all']],
    ['message_stop', { type: 'message_stop' }, ['all']],
    ['a signature', { type: 'content_block_delta', index: 0, delta: { type: 'signature_delta', signature: 'x' } }, []],
  ])('end at %s as it says', (_name, data, closes) => {
    expect([running(data).at(-1)].flat()).toEqual(closes)
    expect(ofEvent(data)?.texts).toEqual([])
  })

  it('are undefined for what is no JSON document', () => {
    expect(textsOfEvent({ event: undefined, data: '' })).toBeUndefined()
  })
})
