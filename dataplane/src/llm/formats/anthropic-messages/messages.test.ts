import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { withMembers } from '../../../exchange/json.ts'
import { Refusal, type RefusalReason } from '../../../exchange/refusal.ts'
import { readEvent } from '../../../exchange/sse.ts'
import { anthropicMessages } from './dialect.ts'
import { eventText } from './event.ts'
import { anthropicMessagesFormat as format } from './format.ts'
import { StreamMeter, wholeMeter } from './meter.ts'
import { readCountTokens, readMessages } from './read.ts'

const BODY = { model: 'claude-sonnet-4-5', max_tokens: 100, messages: [{ role: 'user', content: 'hi' }] }
const ask = (extra: object = {}): Buffer => Buffer.from(JSON.stringify({ ...BODY, ...extra }))
const event = (type: string, more: object = {}): string => eventText({ type, ...more })
const usage = { input_tokens: 30, cache_creation_input_tokens: 10, cache_read_input_tokens: 60, output_tokens: 1 }
const START = event('message_start', {
  message: {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'claude-x',
    content: [],
    stop_reason: null,
    usage,
  },
})
const delta = (index: number, said: object): string => event('content_block_delta', { index, delta: said })
const block = (index: number, start: object, ...deltas: object[]): string[] => [
  event('content_block_start', { index, content_block: start }),
  ...deltas.map(said => delta(index, said)),
  event('content_block_stop', { index }),
]
const THOUGHT = block(
  0,
  { type: 'thinking', thinking: '', signature: '' },
  { type: 'thinking_delta', thinking: 'hm' },
  { type: 'signature_delta', signature: 'c2ln' },
)
const TEXT = block(
  1,
  { type: 'text', text: '', citations: [] },
  { type: 'text_delta', text: 'Hel' },
  { type: 'text_delta', text: 'lo' },
  { type: 'citations_delta', citation: { cited_text: 'x' } },
)
const TOOL = block(
  2,
  { type: 'tool_use', id: 'toolu_1', name: 'get', input: {} },
  { type: 'input_json_delta', partial_json: '{"a"' },
  { type: 'input_json_delta', partial_json: ':1}' },
)
const end = (reason: string): string =>
  event('message_delta', { delta: { stop_reason: reason, stop_sequence: null }, usage: { output_tokens: 20 } })
const STOP = event('message_stop')
const STREAM = [START, event('ping'), ...THOUGHT, ...TEXT, ...TOOL, end('tool_use'), STOP]

function meterOf(...events: string[]): StreamMeter {
  const meter = new StreamMeter({ provider: 'acme', promptTokens: 5, count: text => text.length })
  for (const text of events) meter.add(Buffer.from(text))
  return meter
}

const TERMS = { model: 'claude-sonnet-4-5', streamUsage: false }

describe('reading a request', () => {
  it('takes what the gateway acts on', () => {
    const call = readMessages(ask({ stream: true, temperature: 0.5, system: [{ type: 'text', text: 'be brief' }] }), {
      'x-claude-code-session-id': 's1',
      'x-smartflow-tags': 'a',
      'cache-control': 'no-cache',
    })
    expect(call).toMatchObject({
      operation: 'chat',
      model: 'claude-sonnet-4-5',
      streams: true,
      wantsUsage: true,
      maxTokens: 100,
      choices: 1,
      temperature: 0.5,
      tags: ['a'],
      conversationId: 's1',
    })
    expect(call.cacheControl.read).toBe(false)
    expect(call.estimatedPromptTokens).toBeGreaterThan(readMessages(ask(), {}).estimatedPromptTokens)
  })

  it('takes the suffix [1m] off the name, in the body and in the header that overrides it', () => {
    expect(readMessages(ask({ model: 'claude-a[1m]' }), {}).model).toBe('claude-a')
    expect(readMessages(ask(), { 'x-smartflow-model': 'claude-b[1m]' }).model).toBe('claude-b')
  })

  it('needs no max_tokens to count', () => {
    const call = readCountTokens(ask({ max_tokens: undefined }), {})
    expect(call).toMatchObject({ operation: 'count-tokens', streams: false, maxTokens: undefined })
  })

  it('takes a max_tokens of 0, which fills the prompt cache', () => {
    expect(readMessages(ask({ max_tokens: 0 }), {}).maxTokens).toBe(0)
  })

  it.each([
    ['max_tokens', { max_tokens: undefined }],
    ['max_tokens', { max_tokens: 1.5 }],
    ['max_tokens', { max_tokens: '9' }],
    ['temperature', { temperature: 1.1 }],
    ['model', { model: '[1m]' }],
    ['messages', { messages: [] }],
    ['stream', { stream: 1 }],
    ['system', { system: 7 }],
    ['system[0]', { system: [{ type: 'text' }] }],
  ])('refuses an unusable %s and names it', (param, extra) => {
    expect(() => readMessages(ask(extra), {})).toThrow(expect.objectContaining({ status: 400 }))
    expect(() => readMessages(ask(extra), {})).toThrow(expect.objectContaining({ detail: { param } }))
  })
})

describe("a thread's request", () => {
  const thread = { type: 'continue', previous_message_id: 'msg_1' }

  it('may hold no message when it goes on, and only then', () => {
    expect(readMessages(ask({ messages: [], thread }), {}).body.value['messages']).toEqual([])
    expect(() => readMessages(ask({ messages: [], thread: { type: 'create' } }), {})).toThrow(/at least one/)
    expect(() => readMessages(ask({ messages: [], thread: null }), {})).toThrow(/at least one/)
  })

  it('is neither answered from the cache nor kept there', () => {
    expect(readMessages(ask({ thread }), {}).cacheControl).toMatchObject({ read: false, write: false })
    expect(readMessages(ask(), {}).cacheControl).toMatchObject({ read: true, write: true })
  })
})

describe('the query of a request', () => {
  it('is carried on as far as the API knows it', () => {
    expect(readMessages(ask(), {}, 'beta=true').query).toBe('beta=true')
    expect(readMessages(ask(), {}, 'a=1&beta=true&beta=false').query).toBe('beta=true')
    for (const query of ['', 'beta=false', 'x=beta=true', 'beta=true2']) {
      expect(readMessages(ask(), {}, query)).not.toHaveProperty('query')
    }
  })
})

describe('an error', () => {
  it.each([
    ['request_invalid', 400, 'invalid_request_error'],
    ['key_invalid', 401, 'authentication_error'],
    ['policy_blocked', 403, 'permission_error'],
    ['model_not_found', 404, 'not_found_error'],
    ['body_too_large', 413, 'request_too_large'],
    ['rate_limited', 429, 'rate_limit_error'],
    ['budget_exceeded', 429, 'rate_limit_error'],
    ['internal_error', 500, 'api_error'],
    ['upstream_failed', 502, 'api_error'],
    ['draining', 503, 'overloaded_error'],
    ['upstream_timeout', 504, 'timeout_error'],
  ] satisfies [RefusalReason, number, string][])('%s is a %i %s', (reason, status, type) => {
    const refusal = new Refusal(reason, 'Because.')
    expect(refusal.status).toBe(status)
    expect(JSON.parse(anthropicMessages.refuse(refusal, 'req_1').toString())).toMatchObject({
      type: 'error',
      error: { type, message: 'Because.' },
      request_id: 'req_1',
    })
  })

  it('carries what clients of the gateway read', () => {
    const detail = { retryAfter: 3, provider: 'acme', violations: ['pii'], riskScore: 0.9 }
    const { error } = JSON.parse(anthropicMessages.refuse(new Refusal('policy_blocked', 'No.', detail), 'r').toString())
    expect(error).toEqual({
      type: 'permission_error',
      message: 'No.',
      code: 'policy_blocked',
      details: { error_code: 'policy_blocked' },
      retry_after: 3,
      provider: 'acme',
      violations: ['pii'],
      risk_score: 0.9,
    })
  })

  it("of the provider passes as it came, in a stream too, unless it is in another format's words", () => {
    const bytes = Buffer.from('{"type":"error", "error":{"type":"overloaded_error","message":"Overloaded"}}')
    const refusal = new Refusal('upstream_failed', 'x', { original: { format: 'anthropic-messages', bytes } })
    expect(anthropicMessages.refuse(refusal, 'r')).toEqual(bytes)
    expect(anthropicMessages.refuseInStream(refusal, 'r').toString()).toBe(
      `event: error\ndata: ${bytes.toString()}\n\n`,
    )
    const foreign = new Refusal('upstream_failed', 'x', { original: { format: 'openai-chat', bytes } })
    expect(JSON.parse(anthropicMessages.refuse(foreign, 'r').toString()).error.message).toBe('x')
  })

  it('of more than one line is still one event', () => {
    const bytes = Buffer.from('{\n"type":"error"}')
    const refusal = new Refusal('upstream_failed', 'x', { original: { format: 'anthropic-messages', bytes } })
    expect(readEvent(anthropicMessages.refuseInStream(refusal, 'r'))).toEqual({
      event: 'error',
      data: bytes.toString(),
    })
  })
})

describe('a native reply', () => {
  it('stays as it is', () => {
    const body = '{"id":1.0}'
    expect(anthropicMessages.decorate(body, { provider: 'p', cached: true, hitType: 'exact' })).toBe(body)
    expect(anthropicMessages.commentBeforeEnd(Buffer.from(STOP), () => 'cost')).toBeUndefined()
  })

  it('is metered by both parts of its usage, the cache counted in', () => {
    const reading = { prompt: 100, cachedPrompt: 60, cacheWrite: 10, completion: 20, reasoning: 0, source: 'reported' }
    expect(meterOf(...STREAM).read()).toEqual({
      usage: reading,
      model: 'claude-x',
      finish: 'tool_calls',
      toolCalls: true,
    })
    const joined = new StreamMeter({ provider: 'acme', promptTokens: 5, count: () => 0 })
    joined.add(Buffer.from(STREAM.join('')))
    expect(joined.read()).toEqual(meterOf(...STREAM).read())
  })

  it('takes the later figure of a stream that corrects its first', () => {
    const more = { input_tokens: 40, cache_read_input_tokens: null, output_tokens_details: { thinking_tokens: 7 } }
    const last = event('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 9, ...more } })
    expect(meterOf(START, last, STOP).read()).toMatchObject({
      usage: { prompt: 110, cachedPrompt: 60, cacheWrite: 10, completion: 9, reasoning: 7 },
      finish: 'stop',
    })
  })

  it('that was cut short has the prompt that it reported and the text that passed', () => {
    const meter = meterOf(START, ...THOUGHT, ...TEXT, TOOL[0] ?? '')
    expect(meter.read()).toEqual({
      usage: {
        prompt: 100,
        cachedPrompt: 60,
        cacheWrite: 10,
        completion: 'hmHelloget'.length,
        reasoning: 0,
        source: 'counted',
      },
      model: 'claude-x',
      finish: undefined,
      toolCalls: true,
    })
    expect(meter.whole()).toBeUndefined()
    expect(meterOf().read().usage).toMatchObject({ prompt: 5, completion: 0, source: 'counted' })
  })

  it.each([
    ['end_turn', 'stop'],
    ['stop_sequence', 'stop'],
    ['tool_use', 'tool_calls'],
    ['max_tokens', 'length'],
    ['refusal', 'content_filter'],
    ['pause_turn', 'pause'],
    ['of_tomorrow', 'of_tomorrow'],
  ])('that ended for %s finished with %s', (reason, finish) => {
    expect(meterOf(START, end(reason), STOP).read().finish).toBe(finish)
    const whole = { content: [], stop_reason: reason, usage }
    expect(wholeMeter(Buffer.from(JSON.stringify(whole))).read().finish).toBe(finish)
  })

  it('folds into the message it would have been, and plays back as an equal stream', () => {
    const whole = meterOf(...STREAM).whole()
    expect(JSON.parse(String(whole))).toMatchObject({
      id: 'msg_1',
      type: 'message',
      content: [
        { type: 'thinking', thinking: 'hm', signature: 'c2ln' },
        { type: 'text', text: 'Hello', citations: [{ cited_text: 'x' }] },
        { type: 'tool_use', id: 'toolu_1', name: 'get', input: { a: 1 } },
      ],
      stop_reason: 'tool_use',
      usage: { input_tokens: 30, cache_read_input_tokens: 60, output_tokens: 20 },
    })
    const replayed = anthropicMessages.replay(whole ?? Buffer.alloc(0), true).map(String)
    expect(JSON.parse(String(meterOf(...replayed).whole()))).toEqual(JSON.parse(String(whole)))
    expect(anthropicMessages.meterOf(whole ?? Buffer.alloc(0)).read()).toEqual(meterOf(...STREAM).read())
  })

  it('with a block or member that is not known keeps it in the fold; an event that is not known leaves no fold', () => {
    const odd = block(0, { type: 'hologram', data: 'x' })
    const whole = JSON.parse(String(meterOf(START, ...odd, end('end_turn'), STOP).whole()))
    expect(whole.content).toEqual([{ type: 'hologram', data: 'x' }])
    expect(meterOf(START, event('of_tomorrow'), end('end_turn'), STOP).whole()).toBeUndefined()
    expect(meterOf(START, ...block(0, { type: 'text' }, { type: 'new_delta' }), end('end_turn'), STOP).whole()).toBe(
      undefined,
    )
  })

  it('that says nothing of its usage is counted', () => {
    const content = [
      { type: 'text', text: 'one' },
      { type: 'tool_use', name: 'f', input: {} },
    ]
    const counted = wholeMeter(Buffer.from(JSON.stringify({ content })), {
      provider: 'acme',
      promptTokens: 5,
      count: text => text.length,
    })
    expect(counted.read().usage).toMatchObject({ prompt: 5, completion: 'onef{}'.length, source: 'counted' })
  })

  it('that is none is refused', () => {
    const options = { provider: 'acme', promptTokens: 1, count: () => 1 }
    expect(() => wholeMeter(Buffer.from('<html>'), options)).toThrow(/"acme" answered/)
    expect(() => wholeMeter(Buffer.from('{"content":["x"]}'))).toThrow(/no message/)
  })

  it('never breaks its meter, whatever the frames hold', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.constantFrom(...STREAM),
            fc.json().map(json => `data: ${json}\n\n`),
          ),
        ),
        frames => {
          const meter = meterOf(...frames)
          expect(meter.read().usage.completion).toBeGreaterThanOrEqual(0)
          meter.whole()
          const decoder = format.decodeEvents()
          for (const frame of frames) decoder.push(readEvent(Buffer.from(frame)))
        },
      ),
    )
  })
})

describe('the passage', () => {
  const passed = (body: object, headers: Record<string, string> = {}, model = TERMS.model) => {
    const call = readMessages(ask(body), headers)
    const { changes, headers: sent } = format.passage(call, { ...TERMS, model })
    return { body: withMembers(call.body, changes).toString(), headers: sent }
  }

  it('leaves the bytes and the version and betas of the caller alone', () => {
    const headers = { 'anthropic-version': '2026-10-21', 'anthropic-beta': 'a-1, b-2' }
    expect(passed({}, headers)).toEqual({ body: ask().toString(), headers })
  })

  it('names the model as the provider knows it, and a version where the caller has none', () => {
    expect(passed({}, {}, 'claude-at-acme')).toEqual({
      body: ask({ model: 'claude-at-acme' }).toString(),
      headers: { 'anthropic-version': '2023-06-01' },
    })
  })

  it('turns [1m] into its beta, once', () => {
    const beta = 'context-1m-2025-08-07'
    const long = { model: 'claude-sonnet-4-5[1m]' }
    expect(passed(long).headers['anthropic-beta']).toBe(beta)
    expect(passed(long).body).toBe(ask().toString())
    expect(passed(long, { 'anthropic-beta': 'a-1' }).headers['anthropic-beta']).toBe(`a-1,${beta}`)
    expect(passed(long, { 'anthropic-beta': `${beta},a-1` }).headers['anthropic-beta']).toBe(`${beta},a-1`)
  })

  it('leaves out thoughts without a signature, and only those', () => {
    const signed = { type: 'thinking', thinking: 'a', signature: 'c2ln' }
    const turn = (...content: object[]): object => ({ messages: [{ role: 'assistant', content }] })
    const text = { type: 'text', text: 'x' }
    expect(passed(turn({ type: 'thinking', thinking: 'b', signature: '' }, signed, text)).body).toBe(
      ask(turn(signed, text)).toString(),
    )
    expect(passed(turn(signed, text)).body).toBe(ask(turn(signed, text)).toString())
    const nothing = { type: 'thinking', thinking: 'b', signature: '' }
    const said = { role: 'user', content: 'hi' }
    const whole = { messages: [said, { role: 'assistant', content: [nothing] }, { role: 'user', content: [] }] }
    expect(passed(whole).body).toBe(ask({ messages: [said, { role: 'user', content: [] }] }).toString())
  })

  it('goes on without thinking where the turn lost the thought that it began with', () => {
    const unsigned = { type: 'thinking', thinking: 'b', signature: '' }
    const call = { type: 'tool_use', id: 'toolu_1', name: 'f', input: {} }
    const result = { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1' }] }
    const thinking = { type: 'enabled', budget_tokens: 1_024 }
    const off = { type: 'disabled' }
    const turn = (...content: object[]): object[] => [{ role: 'assistant', content }, result]
    const text = { role: 'user', content: 'And?' }
    const cases = [
      { before: turn(unsigned, call), after: turn(call), thinking, left: off },
      { before: turn(unsigned, call), after: turn(call), thinking: { type: 'adaptive' }, left: { type: 'adaptive' } },
      { before: [...turn(unsigned, call), text], after: [...turn(call), text], thinking, left: thinking },
      {
        before: turn(unsigned, { ...unsigned, signature: 'c2ln' }, call),
        after: turn({ ...unsigned, signature: 'c2ln' }, call),
        thinking,
        left: thinking,
      },
    ]
    for (const { before, after, thinking: asked, left } of cases) {
      expect(passed({ messages: before, thinking: asked }).body).toBe(
        ask({ messages: after, thinking: left }).toString(),
      )
    }
  })
})

describe('the manners of a stream', () => {
  const manners = format.manners(readMessages(ask(), {}), TERMS)
  const read = (text: string) => readEvent(Buffer.from(text))

  it('are to begin with message_start, or a ping before it', () => {
    expect(manners.firstProblem(read(START))).toBeUndefined()
    expect(manners.firstProblem(read(event('ping')))).toBeUndefined()
    expect(manners.firstProblem(read(STOP))).toMatch(/message_start/)
    expect(manners.firstProblem(read('data: <html>\n\n'))).toMatch(/no JSON/)
  })

  it('are to say errors as events', () => {
    const error = event('error', { error: { type: 'overloaded_error', message: 'Overloaded' } })
    expect(error).toContain(manners.errorHint)
    expect(manners.errorIn(read(error))).toMatchObject({ type: 'overloaded_error', message: 'Overloaded' })
    expect(manners.errorIn(read(START))).toBeUndefined()
  })

  it('are to end with message_stop, which is added where only that is missing', () => {
    expect(manners.ends(Buffer.from(end('end_turn') + STOP))).toBe(true)
    expect(manners.ends(Buffer.from(delta(0, { type: 'text_delta', text: '"type":"message_stop"' })))).toBe(false)
    expect(manners.completion(meterOf(START, end('end_turn')).read())?.toString()).toBe(STOP)
    expect(manners.completion(meterOf(START).read())).toBeUndefined()
  })
})

describe('an error body', () => {
  it.each([
    ['{"type":"error","error":{"type":"t","message":"m"}}', { message: 'm', type: 't' }],
    ['{"error":"m"}', { message: 'm', type: undefined }],
    ['<html>', { message: '', type: undefined }],
    ['null', { message: '', type: undefined }],
  ])('%s says what it can', (body, said) => {
    expect(format.readError(body)).toMatchObject(said)
  })
})
