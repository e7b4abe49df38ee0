import type { Dispatcher } from 'undici'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { turnsEnd } from '../exchange/turn.ts'
import type { EgressReply } from '../ports/egress.ts'
import { EgressError } from '../ports/egress.ts'
import { ReplyReader } from './reply-reader.ts'

const IDLE_MS = 1_000

/** A reader whose head has come, with its reply and what undici was told to abort with. */
async function started(): Promise<{
  reader: ReplyReader
  controller: Dispatcher.DispatchController
  reply: EgressReply
  aborted: unknown[]
}> {
  const aborted: unknown[] = []
  const controller = { pause() {}, resume() {}, abort: (reason: unknown) => aborted.push(reason) } as never
  const replies: EgressReply[] = []
  const terms = { signal: new AbortController().signal, headersTimeoutMs: IDLE_MS, idleTimeoutMs: IDLE_MS }
  const named = (error: unknown): EgressError => new EgressError('broken', String(error))
  const reader = new ReplyReader(
    terms,
    reply => replies.push(reply),
    () => {},
    named,
  )
  reader.onRequestStart(controller)
  reader.onResponseStart(controller, 200, {})
  await turnsEnd()
  const [reply] = replies
  if (!reply) throw new Error('the head gave no reply')
  return { reader, controller, reply, aborted }
}

/** Deadlines are looked at when the turn's sockets have been read. */
async function pass(ms: number): Promise<void> {
  vi.advanceTimersByTime(ms)
  await turnsEnd()
}

describe('the idle time-out of an answer', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] }))
  afterEach(() => void vi.useRealTimers())

  it('ends an answer of which nothing comes', async () => {
    const { aborted } = await started()
    await pass(IDLE_MS - 1)
    expect(aborted).toHaveLength(0)
    await pass(IDLE_MS)
    expect(aborted).toMatchObject([{ failure: 'timeout' }])
  })

  it('does not count the time in which the reader held the sender back', async () => {
    const { reader, controller, reply, aborted } = await started()
    reader.onResponseData(controller, Buffer.alloc(10))
    await pass(IDLE_MS * 1.95)
    await reply.chunks.next()
    await pass(IDLE_MS * 0.5)
    expect(aborted).toHaveLength(0)
    await pass(IDLE_MS * 2)
    expect(aborted).toMatchObject([{ failure: 'timeout' }])
  })
})
