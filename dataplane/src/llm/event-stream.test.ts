import { describe, expect, test } from 'vitest'
import { of } from '../exchange/streams.ts'
import { openEventStream } from './event-stream.ts'
import { FORMATS } from './formats/formats.ts'
import { readMessages } from './formats/anthropic-messages/read.ts'

const format = FORMATS['anthropic-messages']
const PING = 'event: ping\ndata: {"type":"ping"}\n\n'
const ERROR = 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'

function open(...events: string[]): ReturnType<typeof openEventStream> {
  const ask = { model: 'claude-x', max_tokens: 5, stream: true, messages: [{ role: 'user', content: 'hi' }] }
  const call = readMessages(Buffer.from(JSON.stringify(ask)), {}, '')
  return openEventStream(of(...events.map(event => Buffer.from(event))), {
    provider: 'mock',
    format: format.name,
    native: true,
    manners: format.manners(call, { model: 'claude-x', streamUsage: false }),
    meter: format.streamMeter({ provider: 'mock', promptTokens: 1, count: () => 1 }),
    broken: error => error,
  })
}

describe('the first event of a stream', () => {
  test('is none that only says that the connection lives (R04)', async () => {
    await expect(open(PING, PING, ERROR)).rejects.toMatchObject({ reason: 'upstream_failed' })
    await expect(open(PING)).rejects.toMatchObject({ reason: 'upstream_invalid' })
  })

  test('lets the pings before it pass', async () => {
    const start = 'event: message_start\ndata: {"type":"message_start","message":{"id":"m","content":[]}}\n\n'
    const frames = await open(PING, start)
    expect((await frames.next()).value?.bytes.toString()).toBe(PING)
    expect((await frames.next()).value?.bytes.toString()).toBe(start)
  })
})
