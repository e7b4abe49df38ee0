// Personal data against the whole pipeline: every value, split at every place, in both dialects, streamed and whole, under
// Redact and Block. None of it reaches the caller, and nothing else changes (P03).
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../dataplane/src/exchange/json.ts'
import { Refusal } from '../dataplane/src/exchange/refusal.ts'
import type { CallRoute } from '../dataplane/src/exchange/route.ts'
import { of } from '../dataplane/src/exchange/streams.ts'
import { readMessages } from '../dataplane/src/llm/formats/anthropic-messages/read.ts'
import { readChat } from '../dataplane/src/llm/formats/openai-chat/read.ts'
import { guardrails } from '../dataplane/src/policies/guardrails.ts'
import { piiValues } from '../dataplane/src/policies/pii/testdata/values.ts'
import type { EgressReply } from '../dataplane/src/ports/egress.ts'
import { answered, type TestWorld, world } from '../dataplane/src/testing.ts'
import { verifies } from './requirements.ts'

const BEFORE = 'Please note: '
const AFTER = ' , and thank you.'
const VALUES = piiValues()

type Action = 'Redact' | 'Block'

/** A dialect as the tests need it: how a provider answers in it, and what of an answer is text. */
interface Wire {
  readonly name: string
  readonly read: CallRoute['read']
  whole(text: string): object
  /** Events of a stream whose text comes in these pieces. */
  stream(pieces: readonly string[]): string[]
  textOfWhole(body: JsonObject): unknown
  textOfEvent(data: JsonObject): string
}

const openai: Wire = {
  name: 'OpenAI chat',
  read: readChat,
  whole: content => ({
    id: 'c',
    object: 'chat.completion',
    created: 1,
    model: 'gpt-test',
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 5, completion_tokens: 5, total_tokens: 10 },
  }),
  stream(pieces) {
    const chunk = (delta: object, finish: string | null): string =>
      `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'gpt-test', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
    const deltas = pieces.map(content => chunk({ content }, null))
    return [chunk({ role: 'assistant', content: '' }, null), ...deltas, chunk({}, 'stop'), 'data: [DONE]\n\n']
  },
  textOfWhole: body => Object(Object(Object(body['choices'])[0])['message'])['content'],
  textOfEvent: data => Object(Object(Object(data['choices'])[0])['delta'])['content'] ?? '',
}

const anthropic: Wire = {
  name: 'Anthropic messages',
  read: readMessages,
  whole: text => ({
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'claude-test',
    content: [{ type: 'text', text }],
    stop_reason: 'end_turn',
    stop_sequence: null,
    usage: { input_tokens: 5, output_tokens: 5 },
  }),
  stream(pieces) {
    const event = (type: string, more: object): string =>
      `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`
    const message = { id: 'msg_1', type: 'message', role: 'assistant', model: 'claude-test', content: [] }
    const usage = { input_tokens: 5, output_tokens: 1 }
    return [
      event('message_start', { message: { ...message, stop_reason: null, stop_sequence: null, usage } }),
      event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
      ...pieces.map(text => event('content_block_delta', { index: 0, delta: { type: 'text_delta', text } })),
      event('content_block_stop', { index: 0 }),
      event('message_delta', { delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 5 } }),
      event('message_stop', {}),
    ]
  },
  textOfWhole: body => Object(Object(body['content'])[0])['text'],
  textOfEvent: data => Object(data['delta'])['text'] ?? '',
}

/** A world with one guardrail over all entities, whose provider speaks the wire's format. */
function guarded(wire: Wire, action: Action): Promise<TestWorld> {
  return world(
    `
apiVersion: smartflow.dev/v1alpha1
kind: AIProvider
metadata: { name: native }
spec:
  preset: ${wire === openai ? 'openai' : 'anthropic'}
  baseURL: https://native.test/v1
  auth: { secretRef: { name: provider } }
  models: { allow: [native-test] }
---
apiVersion: smartflow.dev/v1alpha1
kind: Policy
metadata: { name: strict }
spec:
  allowRewriteNative: true
  guardrails: [{ name: all, type: PII, action: ${action} }]
`,
    { guardrails },
  )
}

function streamed(parts: readonly (string | Buffer)[]): EgressReply {
  const chunks = of(...parts.map(part => Buffer.from(part)))
  return { status: 200, headers: { 'content-type': 'text/event-stream' }, chunks }
}

/** What the caller got of one call: the bytes that left, and the refusal that ended them. */
interface Got {
  readonly text: string
  readonly refusal: Refusal | undefined
}

async function ask(test: TestWorld, wire: Wire, more: object): Promise<Got> {
  const body = { model: 'native-test', ...more, max_tokens: 100 }
  let text = ''
  try {
    const { reply } = await test.call(body, { read: wire.read })
    for (let next = await reply.frames.next(); next.done !== true; next = await reply.frames.next())
      text += next.value.bytes.toString()
    return { text, refusal: undefined }
  } catch (error) {
    if (error instanceof Refusal) return { text, refusal: error }
    throw error
  } finally {
    test.records.length = test.sent.length = test.contents.length = 0
  }
}

/** Data of the events in a text, without the end marker. */
function dataOf(text: string): JsonObject[] {
  return [...text.matchAll(/^data: (\{.*)$/gm)].map(([, data = '']) => JSON.parse(data) as JsonObject)
}

const said = (wire: Wire, text: string): string =>
  dataOf(text)
    .map(data => wire.textOfEvent(data))
    .join('')

const placeholder = (entity: string): string => `${BEFORE}[${entity.toUpperCase()}]${AFTER}`

/** What is wrong with what the caller got under Block, if anything is; `heard` is the text that left before. */
function wrongBlock({ refusal }: Got, heard: string, entity: string): string | undefined {
  if (refusal?.status !== 403 || !refusal.message.includes('compliance')) return `no block: ${String(refusal)}`
  const { violations = [], riskScore = 0 } = refusal.detail
  if (violations.join() !== `strict/all: ${entity}` || riskScore <= 0) return `violations: ${violations.join()}`
  return BEFORE.startsWith(heard) ? undefined : `leaked: ${heard}`
}

/** The same under Redact, of a stream whose events were `sent`. */
function wrongRedact(wire: Wire, { text, refusal }: Got, entity: string, sent: string): string | undefined {
  if (refusal) return `refused: ${refusal.message}`
  const heard = said(wire, text)
  if (heard !== placeholder(entity)) return `text: ${heard}`
  return skeleton(wire, text) === skeleton(wire, sent) ? undefined : `events changed: ${text}`
}

describe.each([openai, anthropic])('personal data in $name', wire => {
  describe.each<Action>(['Redact', 'Block'])('under %s', action => {
    test(
      `does not reach the caller in a stream, split at any place ${verifies('P03')}`,
      { timeout: 240_000 },
      async () => {
        const test = await guarded(wire, action)
        const wrong: string[] = []
        for (const { entity, value } of VALUES) {
          for (const { events, parts } of waysToSplit(wire, value)) {
            test.answer = () => streamed(parts)
            const got = await ask(test, wire, { stream: true })
            const problem =
              action === 'Block'
                ? wrongBlock(got, said(wire, got.text), entity)
                : wrongRedact(wire, got, entity, events.join(''))
            if (problem !== undefined) wrong.push(`${entity} ${value} of ${events.length} events: ${problem}`)
          }
        }
        expect(VALUES.length).toBeGreaterThanOrEqual(500)
        expect(wrong.slice(0, 5)).toEqual([])
      },
    )

    test(`does not reach the caller in a whole answer ${verifies('P03')}`, async () => {
      const test = await guarded(wire, action)
      const wrong: string[] = []
      for (const { entity, value } of VALUES) {
        test.answer = () => answered(200, JSON.stringify(wire.whole(BEFORE + value + AFTER)))
        const got = await ask(test, wire, {})
        const redacted = got.text === JSON.stringify(wire.whole(placeholder(entity))) ? undefined : got.text
        const problem = action === 'Block' ? wrongBlock(got, got.text, entity) : redacted
        if (problem !== undefined) wrong.push(`${entity} ${value}: ${problem}`)
      }
      expect(wrong.slice(0, 5)).toEqual([])
    })

    test(`does not reach the provider in a request ${verifies('P03')}`, async () => {
      const test = await guarded(wire, action)
      const sent: string[] = []
      test.answer = request => {
        sent.push(request.body?.toString() ?? '')
        return answered(200, JSON.stringify(wire.whole('Fine.')))
      }
      const messages = (content: string): object => ({ messages: [{ role: 'user', content }] })
      const wrong: string[] = []
      for (const { entity, value } of VALUES) {
        sent.length = 0
        const got = await ask(test, wire, messages(BEFORE + value + AFTER))
        const masked = { model: 'native-test', ...messages(placeholder(entity)), max_tokens: 100 }
        const redacted = sent.join() === JSON.stringify(masked) ? undefined : sent.join()
        const problem = action === 'Block' ? (wrongBlock(got, '', entity) ?? sent[0]) : redacted
        if (problem !== undefined) wrong.push(`${entity} ${value}: ${problem}`)
      }
      expect(wrong.slice(0, 5)).toEqual([])
    })
  })
})

describe('what hides behind the edges of a reply', () => {
  const card = '4111 1111 1111 1111'
  const key = `-----BEGIN ${'PRIVATE KEY'}-----\n${'Tk1O85xHq7'.repeat(600)}\n-----END ${'PRIVATE KEY'}-----`
  const pieces = (text: string, size: number): string[] => text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? []

  test.each([openai, anthropic])(
    `a secret longer than what may be held back is blocked under Redact, not released by halves ($name) ${verifies('P03')}`,
    async wire => {
      const test = await guarded(wire, 'Redact')
      for (const size of [1, 7, 50, 500, 5_000]) {
        test.answer = () => streamed(wire.stream(['Here it is: ', ...pieces(key, size)]))
        const got = await ask(test, wire, { stream: true })
        expect(got.refusal?.reason ?? 'none').toBe('policy_blocked')
        expect(got.text).not.toContain('Tk1O85xHq7'.slice(0, size))
      }
    },
  )

  test(`events too large to be held are blocked while something is undecided ${verifies('P03')}`, async () => {
    const test = await guarded(openai, 'Redact')
    const events = openai
      .stream(Array.from(`Card ${card} .`))
      .map(event => event.replace('{"id"', `{"pad":"${'x '.repeat(100_000)}","id"`))
    test.answer = () => streamed(events)
    const got = await ask(test, openai, { stream: true })
    expect(said(openai, got.text)).not.toContain('4111')
  })

  test.each([openai, anthropic])(`a byte order mark hides nothing ($name) ${verifies('P03')}`, async wire => {
    const test = await guarded(wire, 'Redact')
    const [first = '', ...rest] = wire.stream([`Card ${card} .`])
    const marked = first.replace(/^event: .*\n/, '')
    test.answer = () => streamed([`\uFEFF${marked}`, ...rest])
    const got = await ask(test, wire, { stream: true })
    expect(got.text).not.toContain('4111')
    test.answer = () => streamed([`\uFEFF${wire.stream([`Card ${card} .`])[wire === openai ? 1 : 2] ?? ''}`, ...rest])
    expect((await ask(test, wire, { stream: true })).text).not.toContain('4111')
  })

  test(`texts beside a delta or a message are read ${verifies('P03')}`, async () => {
    const test = await guarded(openai, 'Redact')
    const chunk = (choice: object): string =>
      `data: ${JSON.stringify({ id: 'c', choices: [{ index: 0, delta: {}, finish_reason: null, ...choice }] })}\n\n`
    const end = openai.stream([]).slice(-2)
    for (const choice of [
      { text: card },
      { message: { role: 'assistant', content: card } },
      { error: { message: card } },
    ]) {
      test.answer = () => streamed([chunk(choice), ...end])
      expect((await ask(test, openai, { stream: true })).text).not.toContain('4111')
      const body = { ...openai.whole('x') } as { choices: object[] }
      test.answer = () =>
        answered(
          200,
          JSON.stringify({ ...body, choices: [{ ...body.choices[0], text: card, error: { message: card } }] }),
        )
      expect((await ask(test, openai, {})).text).not.toContain('4111')
    }
  })

  test.each([openai, anthropic])(`a provider's words in an error are masked ($name) ${verifies('P03')}`, async wire => {
    for (const action of ['Redact', 'Block'] as const) {
      const test = await guarded(wire, action)
      const error = { type: 'invalid_request_error', message: `bad value ${card}` }
      const body = JSON.stringify(wire === openai ? { error } : { type: 'error', error })
      for (const status of [400, 429, 500]) {
        test.answer = () => answered(status, body)
        const { refusal } = await ask(test, wire, {})
        expect(refusal?.message).toContain('[CARD]')
        expect(JSON.stringify([refusal?.message, refusal?.detail.original?.bytes.toString()])).not.toContain('4111')
      }
      test.answer = () => streamed([...wire.stream(['Hello']).slice(0, 3), `event: error\ndata: ${body}\n\n`])
      const broken = await ask(test, wire, { stream: true })
      expect(broken.refusal?.message).toContain('[CARD]')
      expect(broken.refusal?.detail.original).toBeUndefined()
    }
  })
})

/** A stream that says a value: in two events at every place, a letter an event, and all bytes apart. */
function* waysToSplit(wire: Wire, value: string): Iterable<{ events: string[]; parts: readonly (string | Buffer)[] }> {
  const text = BEFORE + value + AFTER
  for (let at = 0; at <= value.length; at++) {
    const from = BEFORE.length + at
    const events = wire.stream([text.slice(0, from), text.slice(from)])
    yield { events, parts: events }
  }
  const letters = wire.stream([...text])
  yield { events: letters, parts: letters }
  const events = wire.stream([text])
  yield { events, parts: [...Buffer.from(events.join(''))].map(byte => Buffer.of(byte)) }
}

/** Every event of a stream, its texts emptied. */
function skeleton(wire: Wire, text: string): string {
  const events = text.split('\n\n').map(event => {
    const data = /^data: (\{.*)$/m.exec(event)?.[1]
    const own = data === undefined ? '' : wire.textOfEvent(JSON.parse(data) as JsonObject)
    return own === '' ? event : event.replace(`:${JSON.stringify(own)}}`, ':""}')
  })
  return events.join('\n\n')
}
