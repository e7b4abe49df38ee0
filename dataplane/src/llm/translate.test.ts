// Whatever a caller or a provider sends, a translation gives bytes or a refusal: it never breaks.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Call } from '../exchange/call.ts'
import { readJson } from '../exchange/json.ts'
import { Refusal } from '../exchange/refusal.ts'
import { readMessages } from './formats/anthropic-messages/read.ts'
import { FORMATS } from './formats/formats.ts'
import { readChat } from './formats/openai-chat/read.ts'
import { StreamTranslator, translatedWhole, translateReply, translateRequest } from './translate.ts'

const CHAT = readChat(Buffer.from('{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}'), {})
const MESSAGE = readMessages(
  Buffer.from(
    '{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}],"thinking":{"type":"adaptive"}}',
  ),
  {},
)
const { 'openai-chat': chat, 'anthropic-messages': messages } = FORMATS
const WAYS = [
  { caller: chat, provider: messages, call: CHAT, providerName: 'acme' },
  { caller: messages, provider: chat, call: MESSAGE, providerName: 'acme' },
]
const TERMS = { model: 'm', streamUsage: true }

/** Words of both formats, so that nonsense comes close to sense. */
const WORDS =
  'type role content text id name index delta choices ' +
  'usage message messages tool_calls function arguments tool_use tool_result input ' +
  'thinking signature source user assistant system tool image image_url ' +
  'url message_start message_delta tools content_block_start content_block_delta text_delta input_json_delta partial_json ' +
  'stop_reason finish_reason output_config format response_format json_schema schema content_block '
const word = fc.constantFrom(...WORDS.trim().split(' '))
const nonsense = fc.letrec<{ value: unknown; object: Record<string, unknown> }>(tie => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    word,
    fc.constantFrom(null, true, 0, 1, 7.5, ''),
    fc.array(tie('value'), { maxLength: 4 }),
    tie('object'),
  ),
  object: fc.dictionary(word, tie('value'), { maxKeys: 6 }),
}))

/** Runs it; only a refusal may be thrown. */
function tried<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch (error) {
    if (error instanceof Refusal) return undefined
    throw error
  }
}

describe.each(WAYS)('from $provider.name to $caller.name', direction => {
  const { caller, provider, call } = direction

  it('any body of a request is translated or refused', () => {
    fc.assert(
      fc.property(nonsense.object, more => {
        const body = readJson(Buffer.from(JSON.stringify({ ...call.body.value, ...more })))
        const odd: Call = { ...call, body }
        const out = tried(() => translateRequest(odd, caller, provider, TERMS))
        if (out) expect(typeof JSON.parse(out.body.toString())).toBe('object')
      }),
      { numRuns: 500 },
    )
  })

  it('any whole reply is translated or refused', () => {
    fc.assert(
      fc.property(nonsense.object, nonsense.value, (reply, inner) => {
        for (const body of [reply, { ...reply, content: inner }, { ...reply, choices: inner }, { choices: [reply] }]) {
          tried(() => translateReply(Buffer.from(JSON.stringify(body)), direction))
        }
      }),
      { numRuns: 500 },
    )
  })

  it('any stream is translated', () => {
    fc.assert(
      fc.property(fc.array(nonsense.object, { maxLength: 12 }), events => {
        const translator = new StreamTranslator(direction)
        const frames = events.map(event => Buffer.from(`data: ${JSON.stringify(event)}\n\n`))
        const meter = direction.provider.streamMeter({ provider: 'acme', promptTokens: 0, count: () => 0 })
        for (const frame of frames) meter.add(frame)
        const parts = frames.map(frame => translator.push(frame))
        const text = Buffer.concat([...parts, translator.end()]).toString()
        for (const [, data] of text.matchAll(/^data: (\{.*)$/gm)) JSON.parse(String(data))
        expect(translator.end()).toHaveLength(0)
        translatedWhole(meter.whole(), direction)
      }),
      { numRuns: 300 },
    )
  })
})

describe('a stream that calls a tool without end', () => {
  it('is refused before it fills the memory', () => {
    const translator = new StreamTranslator({ caller: messages, provider: chat, call: MESSAGE, providerName: 'acme' })
    const piece = (args: string): Buffer => {
      const call = { index: 0, id: 'c', function: { name: 'f', arguments: args } }
      return Buffer.from(`data: ${JSON.stringify({ id: 'x', choices: [{ delta: { tool_calls: [call] } }] })}\n\n`)
    }
    const pushAll = (): void => {
      for (let megabytes = 0; megabytes < 40; megabytes++) translator.push(piece('a'.repeat(1024 * 1024)))
    }
    expect(pushAll).toThrow(Refusal)
  })
})
