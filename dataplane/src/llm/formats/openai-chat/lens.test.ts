import { describe, expect, it } from 'vitest'
import { readJson } from '../../../exchange/json.ts'
import { Refusal } from '../../../exchange/refusal.ts'
import type { EventTexts } from '../../../exchange/texts.ts'
import { textsOfEvent, textsOfReply, textsOfRequest } from './lens.ts'

function ofRequest(body: object): string[] {
  return textsOfRequest(readJson(Buffer.from(JSON.stringify(body)))).map(({ text, form }) => `${form}: ${text}`)
}

function ofEvent(data: object | string): EventTexts | undefined {
  return textsOfEvent({ event: undefined, data: typeof data === 'string' ? data : JSON.stringify(data) })
}

describe('the texts of a request', () => {
  it('are what people and models wrote', () => {
    const texts = ofRequest({
      model: 'not',
      user: 'not',
      messages: [
        { role: 'system', content: 'system' },
        { role: 'developer', name: 'not', content: 'developer' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'part' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,bm90', detail: 'not' } },
            { type: 'input_audio', input_audio: { data: 'bm90', format: 'wav' } },
            { type: 'file', file: { file_data: 'data:application/pdf;base64,bm90', file_id: 'not' } },
          ],
        },
        {
          role: 'assistant',
          content: null,
          refusal: 'refusal',
          reasoning_content: 'thought',
          tool_calls: [{ id: 'not', type: 'function', function: { name: 'not', arguments: '{"a":1}' } }],
          function_call: { name: 'not', arguments: '{"b":2}' },
        },
        { role: 'tool', tool_call_id: 'not', content: 'result' },
      ],
      input: 'input',
      x_prompt: { deep: ['extra'] },
      max_tokens: 4_000,
    })
    expect(texts.filter(text => text.includes('not') || text.includes('bm90'))).toEqual([])
    expect(texts).toEqual([
      'string: system',
      'string: developer',
      'string: part',
      'string: wav',
      'string: refusal',
      'string: thought',
      'json: {"a":1}',
      'json: {"b":2}',
      'string: result',
      'string: input',
      'string: extra',
    ])
  })

  it('are of tools and schemas the descriptions and the data, not the keywords', () => {
    const parameters = {
      type: 'object',
      required: ['not'],
      properties: { description: { type: 'string', description: 'member', enum: ['one', 2] } },
    }
    expect(
      ofRequest({
        tools: [{ type: 'function', function: { name: 'not', description: 'tool', parameters } }],
        response_format: { type: 'json_schema', json_schema: { name: 'not', schema: { title: 'title' } } },
      }),
    ).toEqual(['string: tool', 'string: member', 'string: one', 'number: 2', 'string: title'])
  })
})

describe('the texts of a reply', () => {
  it('are of every choice, and stand where their spans say', () => {
    const body = JSON.stringify({
      id: 'not',
      model: 'not',
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            content: 'a\u0001"b',
            annotations: [{ type: 'not', url_citation: { url: 'not', title: 'title' } }],
          },
          logprobs: { content: [{ token: 'not' }] },
          finish_reason: 'stop',
        },
        {
          index: 1,
          message: { content: null, tool_calls: [{ id: 'not', function: { name: 'not', arguments: '{}' } }] },
        },
      ],
      citations: ['beside'],
      usage: { prompt_tokens: 1 },
    })
    const texts = textsOfReply(body)
    expect(texts.map(({ text, form }) => [text, form])).toEqual([
      ['a\u0001"b', 'string'],
      ['title', 'string'],
      ['{}', 'json'],
      ['beside', 'string'],
    ])
    for (const { text, span } of texts) expect(JSON.parse(body.slice(span.start, span.end))).toBe(text)
    const echo = texts[0]?.echo
    expect(echo && body.slice(echo.start, echo.end)).toBe('{"content":[{"token":"not"}]}')
    expect(texts[2]?.echo).toBeUndefined()
  })

  it('that is no JSON, or too deep to be read, are a refusal and not none', () => {
    for (const body of ['<html>', `{"choices":${'['.repeat(5_000)}`]) expect(() => textsOfReply(body)).toThrow(Refusal)
  })
})

describe('the texts of an event', () => {
  it('run on channels by choice, member and tool', () => {
    const texts = ofEvent({
      choices: [
        {
          index: 2,
          delta: { role: 'assistant', content: 'a', refusal: null, reasoning_content: 'b' },
          finish_reason: null,
        },
        {
          index: 0,
          delta: { tool_calls: [{ index: 3, id: 'not', function: { name: 'not', arguments: '{"' } }] },
          finish_reason: 'tool_calls',
        },
      ],
    })
    expect(texts?.texts.map(({ channel, text, form }) => [channel, text, form])).toEqual([
      ['2/content', 'a', 'string'],
      ['2/reasoning_content', 'b', 'string'],
      ['0/tool_calls/3/function/arguments', '{"', 'json'],
    ])
    expect(texts?.closes).toContain('0')
    expect(texts?.closes).not.toContain('2')
  })

  it('end all at the end marker, and not at a chunk without choices', () => {
    expect(ofEvent('[DONE]')).toMatchObject({ texts: [], closes: 'all' })
    expect(ofEvent({ choices: [], usage: {} })?.closes).not.toBe('all')
  })

  it('are undefined for what is no JSON document', () => {
    expect(ofEvent('')).toBeUndefined()
    expect(ofEvent('hello')).toBeUndefined()
  })
})
