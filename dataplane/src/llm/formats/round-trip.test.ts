// What holds for every translation: a request survives each format that can say it, and a stream's cuts never show.
import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { FormatName } from '../../exchange/dialect.ts'
import { SseAligner } from '../../exchange/sse.ts'
import type { NeutralMessage, NeutralPart, NeutralRequest } from '../neutral.ts'
import { StreamTranslator } from '../translate.ts'
import { readMessages } from './anthropic-messages/read.ts'
import { FORMATS } from './formats.ts'
import { readChat } from './openai-chat/read.ts'

const words = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter(text => text.trim() !== '')
const name = fc.stringMatching(/^[a-z_]{1,12}$/)
const schema = fc.constantFrom(
  { type: 'object', properties: {} },
  { type: 'object', properties: { a: { type: 'string' } } },
)
const cache = fc.constantFrom({}, {}, { cache: { type: 'ephemeral' } })

const text = words.map((said): NeutralPart => ({ kind: 'text', text: said }))
const image = fc
  .constantFrom('data:image/png;base64,iVBORw0KGgo=', 'https://img.example/a.png')
  .map((url): NeutralPart => ({ kind: 'image', url }))
const file = name.map((title): NeutralPart => ({
  kind: 'file',
  url: 'data:application/pdf;base64,JVBERi0=',
  name: title,
}))
const args = fc.dictionary(name, fc.oneof(words, fc.integer())).map(value => JSON.stringify(value))

/** What the formats differ in. */
interface Dialectal {
  readonly results: fc.Arbitrary<readonly NeutralPart[]>
  readonly isError: fc.Arbitrary<boolean>
  readonly thoughts: fc.Arbitrary<readonly NeutralPart[]>
  readonly mark: fc.Arbitrary<object>
}

/** A turn of the assistant and what the user says to it; results of its calls come first. */
function turn({ results, isError, thoughts, mark }: Dialectal): fc.Arbitrary<NeutralMessage[]> {
  const call = fc.record({ id: fc.stringMatching(/^[a-z0-9]{8}$/), name, args, parts: results, isError })
  return fc
    .record({
      thoughts,
      answer: text,
      calls: fc.uniqueArray(call, { selector: ({ id }) => id, maxLength: 3 }),
      says: fc.tuple(fc.oneof(text, image, file), mark).map(([part, more]) => ({ ...part, ...more })),
    })
    .map(({ thoughts: thought, answer, calls, says }) => [
      {
        role: 'assistant',
        parts: [...thought, answer, ...calls.map(({ id, name: tool, args: json }) => toolCall(id, tool, json))],
      },
      {
        role: 'user',
        parts: [
          ...calls.map(({ id, parts, isError: failed }) => ({
            kind: 'tool-result' as const,
            id,
            parts,
            isError: failed,
          })),
          says,
        ],
      },
    ])
}

function toolCall(id: string, tool: string, json: string): NeutralPart {
  return { kind: 'tool-call', id, name: tool, args: json }
}

function conversation(dialectal: Dialectal): fc.Arbitrary<NeutralMessage[]> {
  const turns = fc.array(turn(dialectal), { maxLength: 3 })
  return fc
    .tuple(fc.array(fc.oneof(text, image), { minLength: 1, maxLength: 3 }), turns)
    .map(([parts, more]) => [{ role: 'user', parts }, ...more.flat()])
}

const tools = fc.array(
  fc.record({ name, schema, description: words, strict: fc.boolean() }, { requiredKeys: ['name', 'schema'] }),
  { minLength: 1, maxLength: 3 },
)
const choice = fc.oneof(
  fc.constantFrom({ kind: 'auto' } as const, { kind: 'required' } as const),
  name.map(tool => ({ kind: 'tool', name: tool }) as const),
)
const common = {
  model: fc.constant('a-model'),
  stream: fc.boolean(),
  foreign: fc.constant([]),
  tools,
  toolChoice: choice,
  parallelTools: fc.constant(false),
  maxTokens: fc.integer({ min: 1, max: 9_000 }),
  temperature: fc.constantFrom(0, 0.5, 1),
  stop: fc.array(words, { minLength: 1, maxLength: 3 }),
  user: fc.string({ minLength: 1, maxLength: 64 }),
  serviceTier: fc.constantFrom('auto', 'default'),
}
const requiredKeys = ['model', 'system', 'messages', 'tools', 'toolChoice', 'stream', 'maxTokens', 'foreign'] as const

/** OpenAI's tool results are messages of their own: of one role in a row, as in the neutral form. */
function inTurns(messages: readonly NeutralMessage[]): NeutralMessage[] {
  const turns: NeutralMessage[] = []
  for (const { role, parts } of messages) {
    const last = turns.at(-1)
    if (last?.role === role) turns[turns.length - 1] = { role, parts: [...last.parts, ...parts] }
    else turns.push({ role, parts })
  }
  return turns
}

const sayable: Readonly<Record<FormatName, fc.Arbitrary<NeutralRequest>>> = {
  'openai-chat': fc.record(
    {
      ...common,
      system: fc.array(fc.record({ text: words }), { maxLength: 1 }),
      messages: conversation({
        results: text.map(part => [part]),
        isError: fc.constant(false),
        thoughts: fc.constant([]),
        mark: fc.constant({}),
      }),
      topP: fc.constantFrom(0.1, 1),
      reasoning: fc.record({ effort: fc.constantFrom('low', 'xhigh') }),
      answer: fc.oneof(
        fc.constant({ kind: 'json' } as const),
        fc.record({ kind: fc.constant('schema' as const), name, schema, strict: fc.boolean() }),
      ),
    },
    { requiredKeys: [...requiredKeys] },
  ),
  'anthropic-messages': fc.record(
    {
      ...common,
      system: fc.array(
        fc.tuple(words, cache).map(([said, more]) => ({ text: said, ...more })),
        { maxLength: 3 },
      ),
      messages: conversation({
        results: fc.array(fc.oneof(text, image), { maxLength: 2 }),
        isError: fc.boolean(),
        thoughts: fc.array(
          fc.oneof(
            fc.tuple(words, name).map(([said, signature]) => ({ kind: 'thinking' as const, text: said, signature })),
            name.map(data => ({ kind: 'redacted-thinking' as const, data })),
          ),
          { maxLength: 2 },
        ),
        mark: cache,
      }),
      topK: fc.integer({ min: 0, max: 100 }),
      answer: fc.record({ kind: fc.constant('schema' as const), name: fc.constant('answer'), schema }),
    },
    { requiredKeys: [...requiredKeys] },
  ),
}

beforeAll(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1), toFake: ['Date'] })
})
afterAll(() => {
  vi.useRealTimers()
})

describe.each(['openai-chat', 'anthropic-messages'] as const)('%s', format => {
  it('says every request that it can say so that it reads the same again', () => {
    fc.assert(
      fc.property(sayable[format], request => {
        const encoded = FORMATS[format].encodeRequest(request, { model: 'a-model', streamUsage: true })
        const body = JSON.parse(JSON.stringify(encoded.body))
        expect(encoded.dropped).toEqual([])
        const decoded = FORMATS[format].decodeRequest(body, encoded.headers)
        expect({ ...decoded, messages: inTurns(decoded.messages) }).toEqual(request)
      }),
      { numRuns: 300 },
    )
  })
})

describe('a stream', () => {
  const folder = new URL('./testdata/streams/', import.meta.url)
  const names = readdirSync(folder).filter(file => file.endsWith('.in.json'))

  it.each(names.map(file => file.slice(0, -'.in.json'.length)))(
    '%s is translated the same however it was cut',
    file => {
      const read = (ending: string): string => readFileSync(new URL(`${file}.${ending}`, folder), 'utf8')
      const { caller, provider, body } = JSON.parse(read('in.json'))
      const source = Buffer.from(read('provider.sse'))
      const call = (caller === 'openai-chat' ? readChat : readMessages)(Buffer.from(JSON.stringify(body)), {})
      fc.assert(
        fc.property(fc.array(fc.nat(source.length), { maxLength: 40 }), places => {
          const direction = { caller: FORMATS[caller as FormatName], provider: FORMATS[provider as FormatName], call }
          const translator = new StreamTranslator({ ...direction, providerName: 'acme' })
          const aligner = new SseAligner()
          const cuts = [0, ...places.sort((a, b) => a - b), source.length]
          const parts = cuts.slice(1).map((to, index) => {
            const frame = aligner.push(source.subarray(cuts[index], to))
            return frame ? translator.push(frame) : Buffer.alloc(0)
          })
          expect(Buffer.concat([...parts, translator.end()]).toString()).toBe(read('caller.sse'))
        }),
        { numRuns: 25 },
      )
    },
  )
})
