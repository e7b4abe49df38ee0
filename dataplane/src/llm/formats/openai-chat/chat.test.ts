import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Refusal } from '../../../exchange/refusal.ts'
import { of } from '../../../exchange/streams.ts'
import { openEventStream } from '../../event-stream.ts'
import { openaiChat } from './dialect.ts'
import { openaiChatFormat } from './format.ts'
import { StreamMeter, wholeMeter } from './meter.ts'
import { readChat } from './read.ts'
import { replayChunks } from './replay.ts'

const ask = (extra: object = {}): Buffer =>
  Buffer.from(JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: 'hi' }], ...extra }))
const chunk = (delta: object, finish: string | null = null, more: object = {}): string =>
  `data: ${JSON.stringify({ id: 'c1', object: 'chat.completion.chunk', created: 7, model: 'gpt-4o-2024', choices: [{ index: 0, delta, finish_reason: finish }], ...more })}\n\n`
const usage = { prompt_tokens: 9, completion_tokens: 2, total_tokens: 11, prompt_tokens_details: { cached_tokens: 4 } }
const usageEvent = `data: ${JSON.stringify({ id: 'c1', object: 'chat.completion.chunk', created: 7, model: 'gpt-4o-2024', choices: [], usage })}\n\n`
const STREAM = [
  chunk({ role: 'assistant', content: '' }),
  chunk({ content: 'Hel' }),
  chunk({ content: 'lo' }),
  chunk({}, 'stop'),
  usageEvent,
  'data: [DONE]\n\n',
]

const options = {
  provider: 'mock',
  dropUsage: false,
  promptTokens: 5,
  count: (text: string) => text.length,
  broken: (error: unknown) => error,
}

async function read(
  chunks: readonly (string | Buffer)[],
  more: Partial<typeof options> = {},
): Promise<{ text: string; meter: StreamMeter }> {
  const { provider, promptTokens, count, dropUsage, broken } = { ...options, ...more }
  const meter = new StreamMeter(promptTokens, count)
  const call = readChat(ask({ stream: true }), {})
  const manners = openaiChatFormat.manners(call, { model: 'gpt-4o', streamUsage: dropUsage })
  const source = of(...chunks.map(part => Buffer.from(part)))
  const frames = await openEventStream(source, {
    provider,
    format: 'openai-chat',
    native: true,
    manners,
    meter,
    broken,
  })
  const parts: Buffer[] = []
  for (let result = await frames.next(); result.done !== true; result = await frames.next())
    parts.push(result.value.bytes)
  return { text: Buffer.concat(parts).toString(), meter }
}

describe('readChat', () => {
  it('reads what the gateway acts on', () => {
    const call = readChat(
      ask({ stream: true, stream_options: { include_usage: true }, max_tokens: 7, temperature: 0.5 }),
      {
        'cache-control': 'no-store',
        'x-smartflow-tags': 'a, b',
        'x-user-id': 'u1',
        'x-session-id': 's1',
      },
    )
    expect(call).toMatchObject({
      model: 'gpt-4o',
      streams: true,
      wantsUsage: true,
      maxTokens: 7,
      temperature: 0.5,
      tags: ['a', 'b'],
      userId: 'u1',
      conversationId: 's1',
    })
    expect(call.cacheControl).toMatchObject({ read: false, write: false })
  })

  it('lets the header override the model (L11)', () => {
    expect(readChat(ask(), { 'x-smartflow-model': 'gpt-4o-mini' }).model).toBe('gpt-4o-mini')
  })

  it.each([
    ['max_tokens', { max_tokens: -1 }],
    ['max_completion_tokens', { max_completion_tokens: 1.5 }],
    ['temperature', { temperature: 3 }],
    ['model', { model: '' }],
    ['messages', { messages: [] }],
    ['messages[0]', { messages: ['hi'] }],
    ['stream', { stream: 'yes' }],
    ['stream_options', { stream_options: {} }],
    ['n', { n: 0 }],
  ])('refuses an unusable %s and names it', (param, extra) => {
    expect(() => readChat(ask(extra), {})).toThrow(Refusal)
    try {
      readChat(ask(extra), {})
    } catch (error) {
      expect((error as Refusal).status).toBe(400)
      expect((error as Refusal).detail.param).toBe(param)
    }
  })
})

describe('a stream', () => {
  it('leaves byte for byte as it came, however it was cut', async () => {
    const bytes = Buffer.from(STREAM.join(''))
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(bytes.length), { maxLength: 30 }), async places => {
        const cuts = [...new Set(places)].sort((a, b) => a - b)
        const parts = [0, ...cuts]
          .map((from, index) => bytes.subarray(from, cuts[index] ?? bytes.length))
          .filter(part => part.length > 0)
        const { text, meter } = await read(parts)
        expect(text).toBe(bytes.toString())
        expect(meter.read()).toMatchObject({
          usage: { prompt: 9, cachedPrompt: 4, completion: 2, source: 'reported' },
          model: 'gpt-4o-2024',
          finish: 'stop',
        })
      }),
    )
  })

  it('loses only the usage event when the caller did not ask for it, and is billed by it all the same', async () => {
    const { text, meter } = await read(STREAM, { dropUsage: true })
    expect(text).toBe(STREAM.filter(event => event !== usageEvent).join(''))
    expect(meter.read().usage).toMatchObject({ prompt: 9, completion: 2, source: 'reported' })
  })

  it('that was cut short is counted by what passed', async () => {
    const meter = new StreamMeter(5, text => text.length)
    for (const event of STREAM.slice(0, 3)) meter.add(Buffer.from(event))
    expect(meter.read().usage).toEqual({
      prompt: 5,
      cachedPrompt: 0,
      cacheWrite: 0,
      completion: 'Hello'.length,
      reasoning: 0,
      source: 'counted',
    })
    expect(meter.whole()).toBeUndefined()
  })

  it.each([
    ['an error event in place of the first', ['data: {"error":{"message":"overloaded"}}\n\n'], /overloaded/],
    ['text that is no JSON', ['data: <html>\n\n'], /no JSON/],
    ['nothing', [''], /before the first event/],
    ['half an event', [STREAM[0] ?? '', 'data: {"choi'], /middle of an event/],
    ['an end before the answer was complete', STREAM.slice(0, 3), /before the answer was complete/],
  ])('with %s is an upstream error', async (_name, parts, message) => {
    await expect(read(parts.filter(part => part !== ''))).rejects.toThrow(message)
  })

  it('without its end marker gets one when all else was there', async () => {
    const { text } = await read(STREAM.slice(0, -1))
    expect(text).toBe(STREAM.join(''))
  })

  it('folds into the completion it would have been, and plays back as an equal stream', async () => {
    const { meter } = await read(STREAM)
    const whole = meter.whole()
    expect(JSON.parse(String(whole))).toMatchObject({
      object: 'chat.completion',
      choices: [{ message: { role: 'assistant', content: 'Hello' }, finish_reason: 'stop' }],
      usage,
    })
    const replayed = await read(replayChunks(whole ?? Buffer.alloc(0), true))
    expect(JSON.parse(String(replayed.meter.whole()))).toEqual(JSON.parse(String(whole)))
  })

  it('with tool calls folds their pieces together', async () => {
    const tool = (index: number, part: object): string => chunk({ tool_calls: [{ index, ...part }] })
    const { meter } = await read([
      tool(0, { id: 'call_1', type: 'function', function: { name: 'get', arguments: '{"a"' } }),
      tool(0, { function: { arguments: ':1}' } }),
      chunk({}, 'tool_calls'),
      'data: [DONE]\n\n',
    ])
    expect(JSON.parse(String(meter.whole())).choices[0].message.tool_calls).toEqual([
      { id: 'call_1', type: 'function', function: { name: 'get', arguments: '{"a":1}' } },
    ])
    expect(meter.read().toolCalls).toBe(true)
  })
})

describe('usage that cannot be believed', () => {
  it.each([
    [{ prompt_tokens: '1000', completion_tokens: 2 }],
    [{ prompt_tokens: -5, completion_tokens: 2 }],
    [{ completion_tokens: 2 }],
    [{ prompt_tokens: 9 }],
    [{ prompt_tokens: 9, completion_tokens: 100_000_000 }],
    [{ prompt_tokens: 9, completion_tokens: 1e15 }],
  ])('is counted instead: %j', said => {
    const body = { choices: [{ index: 0, message: { role: 'assistant', content: 'four' }, finish_reason: 'stop' }] }
    const meter = wholeMeter(Buffer.from(JSON.stringify({ ...body, usage: said })), {
      provider: 'mock',
      promptTokens: 5,
      count: text => text.length,
    })
    expect(meter.read().usage).toMatchObject({ prompt: 5, completion: 4, source: 'counted' })
  })
})

describe('the dialect', () => {
  it('puts its members in front of a whole body and touches nothing else', () => {
    const body = '{ "id":"x",  "n":1.0 }'
    const decorated = openaiChat.decorate(body, { provider: 'mock', cached: true, hitType: 'exact' })
    expect(decorated).toBe('{"provider":"mock","cached":true,"cache_hit_type":"exact", "id":"x",  "n":1.0 }')
  })

  it('puts a comment before the end marker, and only there', () => {
    const comment = (): string => 'cost 1'
    expect(openaiChat.commentBeforeEnd(Buffer.from('data: x\n\ndata: [DONE]\n\n'), comment)?.toString()).toBe(
      'data: x\n\n: cost 1\n\ndata: [DONE]\n\n',
    )
    expect(openaiChat.commentBeforeEnd(Buffer.from(chunk({ content: 'data: [DONE]' })), comment)).toBeUndefined()
  })

  it('refuses a whole answer that is no completion', () => {
    expect(() => wholeMeter(Buffer.from('<html>'))).toThrow(/not JSON/)
    expect(() => wholeMeter(Buffer.from('{"object":"error"}'))).toThrow(/choices/)
    const options = { provider: 'acme', promptTokens: 1, count: () => 1 }
    expect(() => wholeMeter(Buffer.from('<html>'), options)).toThrow(/"acme" answered/)
  })

  it('counts a whole answer that says nothing of its usage', () => {
    const message = { content: 'one two', tool_calls: [{ id: 'c', function: { name: 'f', arguments: '{}' } }] }
    const body = Buffer.from(JSON.stringify({ choices: [{ message }, { message: { content: ' three' } }] }))
    const counted: string[] = []
    const count = (text: string): number => counted.push(text) + 6
    expect(wholeMeter(body, { provider: 'acme', promptTokens: 5, count }).read().usage).toEqual({
      prompt: 5,
      cachedPrompt: 0,
      cacheWrite: 0,
      completion: 7,
      reasoning: 0,
      source: 'counted',
    })
    expect(counted).toEqual(['one two{"name":"f","arguments":"{}"} three'])
  })
})
