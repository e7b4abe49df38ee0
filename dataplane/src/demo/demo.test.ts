import { describe, expect, it } from 'vitest'
import { demoEgress } from './demo.ts'

const MESSAGES = [{ role: 'user', content: [{ type: 'text', text: 'How are you?' }] }]
const TOOLS = [{ name: 'weather', input_schema: { type: 'object' } }]

async function ask(path: string, body: object): Promise<{ status: number; headers: object; text: string }> {
  const { status, headers, chunks } = await demoEgress(async () => {}).send({
    url: `https://demo.test/v1${path}`,
    method: 'POST',
    headers: {},
    body: Buffer.from(JSON.stringify({ model: 'claude-x', max_tokens: 100, messages: MESSAGES, ...body })),
    signal: new AbortController().signal,
    allowPrivate: false,
    connectTimeoutMs: 1,
    headersTimeoutMs: 1,
    idleTimeoutMs: 1,
  })
  const parts: Buffer[] = []
  for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) parts.push(next.value)
  return { status, headers, text: Buffer.concat(parts).toString() }
}

describe('the demo upstream', () => {
  it('answers messages and says that it is the demo', async () => {
    const { status, headers, text } = await ask('/messages', {})
    expect(status).toBe(200)
    expect(headers).toMatchObject({ 'x-smartflow-demo': 'true' })
    expect(JSON.parse(text)).toMatchObject({
      type: 'message',
      role: 'assistant',
      content: [{ type: 'text', text: '[demo] This is claude-x in demo mode. You said: How are you?' }],
      stop_reason: 'end_turn',
    })
    expect((await ask('/messages', {})).text).toBe(text)
  })

  it('streams the same answer with the same usage', async () => {
    const whole = JSON.parse((await ask('/messages', {})).text)
    const { headers, text } = await ask('/messages', { stream: true })
    expect(headers).toMatchObject({ 'content-type': 'text/event-stream', 'x-smartflow-demo': 'true' })
    const events = [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(String(data)))
    expect(events.map(({ delta }) => delta?.text ?? '').join('')).toBe(whole.content[0].text)
    expect(events.at(-2).usage.output_tokens).toBe(whole.usage.output_tokens)
    expect(events[0].message.usage.input_tokens).toBe(whole.usage.input_tokens)
    expect(events.at(-1)).toEqual({ type: 'message_stop' })
  })

  it.each([{ type: 'tool', name: 'weather' }, { type: 'any' }])('calls the tool that it must: %o', async choice => {
    const asked = { tools: TOOLS, tool_choice: choice }
    const { content, stop_reason: reason } = JSON.parse((await ask('/messages', asked)).text)
    expect(content).toMatchObject([{ type: 'tool_use', name: 'weather', input: {} }])
    expect(reason).toBe('tool_use')
    expect((await ask('/messages', { ...asked, stream: true })).text).toContain('"input_json_delta"')
  })

  it('keeps to max_tokens', async () => {
    expect(JSON.parse((await ask('/messages', { max_tokens: 2 })).text)).toMatchObject({
      content: [{ text: '[demo] This' }],
      stop_reason: 'max_tokens',
      usage: { output_tokens: 2 },
    })
  })

  it('counts the tokens of a prompt as its answers report them', async () => {
    const counted = JSON.parse((await ask('/messages/count_tokens', { system: 'Be brief.' })).text)
    const answered = JSON.parse((await ask('/messages', { system: 'Be brief.' })).text)
    expect(counted).toEqual({ input_tokens: answered.usage.input_tokens })
  })

  it('still answers chat completions, and nothing else', async () => {
    expect(JSON.parse((await ask('/chat/completions', {})).text).choices[0].message.content).toMatch(/^\[demo\]/)
    expect((await ask('/embeddings', {})).status).toBe(404)
  })

  it('has a model that never answers, to watch a failover', async () => {
    const { status, text } = await ask('/chat/completions', { model: 'unavailable' })
    expect(status).toBe(503)
    expect(JSON.parse(text)).toMatchObject({ error: { code: 'unavailable' } })
  })
})
