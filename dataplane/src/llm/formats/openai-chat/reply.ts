// Whole completions, by way of the stream that would have given them: one translation for both.
import { Refusal } from '../../../exchange/refusal.ts'
import { readEvent, splitEvents } from '../../../exchange/sse.ts'
import type { NeutralEvent } from '../../neutral.ts'
import { ChunkDecoder } from './decode-events.ts'
import { ChunkEncoder } from './encode-events.ts'
import { ChunkFold } from './fold.ts'
import { wholeMeter } from './meter.ts'
import { replayChunks } from './replay.ts'

/** A whole completion as events. Throws an `upstream_invalid` Refusal when it is none. */
export function decodeReply(body: Buffer, provider: string): readonly NeutralEvent[] {
  wholeMeter(body, { provider, promptTokens: 0, count: () => 0 })
  const decoder = new ChunkDecoder()
  return replayChunks(body, true).flatMap(frame => decoder.push(readEvent(frame)))
}

/** The completion of these events. Throws an `upstream_invalid` Refusal when they are no complete answer. */
export function encodeReply(events: readonly NeutralEvent[]): Buffer {
  const encoder = new ChunkEncoder(true, nowSeconds())
  const text = events.map(event => encoder.push(event)).join('') + encoder.end()
  const fold = new ChunkFold()
  for (const event of splitEvents(Buffer.from(text))) fold.add(readEvent(event).data)
  const completion = fold.completion()
  if (completion) return completion
  throw new Refusal('upstream_invalid', 'The provider gave an answer that has no end; try the call again.')
}

/** Now, as OpenAI dates its answers. */
export function nowSeconds(): number {
  return Math.floor(Date.now() / 1_000)
}
