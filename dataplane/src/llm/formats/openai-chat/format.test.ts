import { describe, expect, it } from 'vitest'
import { withMembers } from '../../../exchange/json.ts'
import { Refusal } from '../../../exchange/refusal.ts'
import { readEvent } from '../../../exchange/sse.ts'
import { readMessages } from '../anthropic-messages/read.ts'
import { openaiChatFormat as format } from './format.ts'
import { usageOf } from './meter.ts'
import { readChat } from './read.ts'

const BODY = { model: 'gpt-4o', messages: [{ role: 'user', content: 'hi' }] }
const call = (extra: object = {}) => readChat(Buffer.from(JSON.stringify({ ...BODY, ...extra })), {})
const chunk = (more: object): string => `data: ${JSON.stringify({ id: 'c', ...more })}\n\n`
const TEXT = chunk({ choices: [{ index: 0, delta: { content: 'x' } }], usage: null })
const USAGE = chunk({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 1 } })
const DONE = 'data: [DONE]\n\n'
const read = (text: string) => readEvent(Buffer.from(text))

describe('the passage', () => {
  const passed = (extra: object, streamUsage: boolean, model = 'gpt-4o'): unknown => {
    const asked = call(extra)
    const { changes, headers } = format.passage(asked, { model, streamUsage })
    expect(headers).toEqual({})
    return JSON.parse(withMembers(asked.body, changes).toString())
  }

  it('changes nothing that need not change', () => {
    expect(format.passage(call(), { model: 'gpt-4o', streamUsage: true }).changes.size).toBe(0)
  })

  it('names the model as the provider knows it', () => {
    expect(passed({}, true, 'gpt-at-acme')).toEqual({ ...BODY, model: 'gpt-at-acme' })
  })

  it('asks for the usage of a stream where the provider understands that', () => {
    const stream = { stream: true, stream_options: { include_obfuscation: false } }
    expect(passed(stream, true)).toMatchObject({ stream_options: { include_obfuscation: false, include_usage: true } })
    expect(passed(stream, false)).toEqual({ ...BODY, ...stream })
  })
})

describe('the manners of a stream', () => {
  const manners = format.manners(call({ stream: true }), { model: 'm', streamUsage: true })

  it('drop the usage event that only the gateway asked for', () => {
    const frame = Buffer.from(TEXT + USAGE + DONE)
    expect(manners.strip(frame).toString()).toBe(TEXT + DONE)
    const wanted = call({ stream: true, stream_options: { include_usage: true } })
    expect(format.manners(wanted, { model: 'm', streamUsage: true }).strip(frame)).toBe(frame)
    expect(format.manners(call({ stream: true }), { model: 'm', streamUsage: false }).strip(frame)).toBe(frame)
  })

  it('keep the usage event for a caller of another format, whose stream is translated', () => {
    const bytes = Buffer.from(JSON.stringify({ ...BODY, max_tokens: 1, stream: true }))
    const foreign = format.manners(readMessages(bytes, {}), { model: 'm', streamUsage: true })
    expect(foreign.strip(Buffer.from(USAGE)).toString()).toBe(USAGE)
  })

  it('are to begin with a chunk', () => {
    expect(manners.firstProblem(read(TEXT))).toBeUndefined()
    expect(manners.firstProblem(read(DONE))).toMatch(/before the answer was complete/)
    expect(manners.firstProblem(read('data: <html>\n\n'))).toMatch(/no JSON/)
  })

  it('are to say errors as an object or a text', () => {
    expect(manners.errorIn(read(chunk({ error: { message: 'm', type: 't', code: 'c' } })))).toMatchObject({
      message: 'm',
      type: 't',
      code: 'c',
    })
    expect(manners.errorIn(read(chunk({ error: 'm' })))?.message).toBe('m')
    expect(manners.errorIn(read(chunk({ error: null })))).toBeUndefined()
    expect(manners.errorIn(read(TEXT))).toBeUndefined()
  })

  it('are to end with [DONE], which is added where only that is missing', () => {
    expect(manners.ends(Buffer.from(TEXT + DONE))).toBe(true)
    expect(manners.ends(Buffer.from(TEXT))).toBe(false)
    const meter = format.streamMeter({ provider: 'p', promptTokens: 1, count: () => 1 })
    meter.add(Buffer.from(TEXT))
    expect(manners.completion(meter.read())).toBeUndefined()
    meter.add(Buffer.from(chunk({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })))
    expect(manners.completion(meter.read())?.toString()).toBe(DONE)
  })
})

describe('what a reply came to', () => {
  it('counts tokens written to the cache apart', () => {
    const details = { cached_tokens: 60, cache_write_tokens: 30 }
    expect(usageOf({ prompt_tokens: 100, completion_tokens: 2, prompt_tokens_details: details })).toMatchObject({
      prompt: 100,
      cachedPrompt: 60,
      cacheWrite: 30,
    })
    const tooMuch = { cached_tokens: 90, cache_write_tokens: 90 }
    expect(usageOf({ prompt_tokens: 100, completion_tokens: 2, prompt_tokens_details: tooMuch })).toMatchObject({
      cacheWrite: 10,
    })
  })

  it('keeps thoughts in the fold', () => {
    const meter = format.streamMeter({ provider: 'p', promptTokens: 1, count: text => text.length })
    meter.add(Buffer.from(chunk({ choices: [{ index: 0, delta: { reasoning_content: 'hm' } }] })))
    expect(meter.read().usage.completion).toBe(2)
    meter.add(Buffer.from(TEXT + chunk({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }) + DONE))
    const [choice] = JSON.parse(String(meter.whole())).choices
    expect(choice.message).toMatchObject({ content: 'x', reasoning_content: 'hm' })
  })
})

describe('an error', () => {
  it('says what a policy found', () => {
    const refusal = new Refusal('policy_blocked', 'No.', { violations: ['pii'], riskScore: 0.9 })
    expect(JSON.parse(format.dialect.refuse(refusal, 'r').toString()).error).toMatchObject({
      violations: ['pii'],
      risk_score: 0.9,
    })
  })

  it.each([
    ['{"error":{"message":"m","code":"c","param":"p"}}', { message: 'm', code: 'c', param: 'p' }],
    ['{"message":"m"}', { message: 'm', code: undefined }],
    ['[]', { message: '' }],
  ])('%s of a provider says what it can', (body, said) => {
    expect(format.readError(body)).toMatchObject(said)
  })
})
