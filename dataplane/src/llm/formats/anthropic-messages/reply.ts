// Whole messages, by way of the stream that would have given them: one translation for both.
import type { Call } from '../../../exchange/call.ts'
import { Refusal } from '../../../exchange/refusal.ts'
import type { NeutralEvent } from '../../neutral.ts'
import { member } from '../members.ts'
import { MessageDecoder } from './decode-events.ts'
import { MessageEncoder } from './encode-events.ts'
import { eventsOf } from './event.ts'
import { MessageFold } from './fold.ts'
import { wholeMeter } from './meter.ts'
import { replayMessage } from './replay.ts'

/** A whole message as events. Throws an `upstream_invalid` Refusal when it is none. */
export function decodeReply(body: Buffer, provider: string): readonly NeutralEvent[] {
  wholeMeter(body, { provider, promptTokens: 0, count: () => 0 })
  const decoder = new MessageDecoder()
  return replayMessage(body).flatMap(frame => [...eventsOf(frame)].flatMap(event => decoder.push(event)))
}

/** The message of these events. Throws an `upstream_invalid` Refusal for a tool call whose arguments are no JSON. */
export function encodeReply(events: readonly NeutralEvent[], call: Call): Buffer {
  const encoder = encoderFor(call)
  const text = events.map(event => encoder.push(event)).join('') + encoder.end()
  const fold = new MessageFold()
  for (const event of eventsOf(Buffer.from(text))) fold.add(event)
  const message = fold.message()
  if (message) return message
  throw new Refusal(
    'upstream_invalid',
    'The provider called a tool with arguments that are no JSON; try the call again.',
  )
}

/** The encoder of what answers this call. */
export function encoderFor(call: Call): MessageEncoder {
  const thinking = call.body.value['thinking']
  const shown = ['enabled', 'adaptive', 'between_tools'].includes(String(member(thinking, 'type')))
  return new MessageEncoder({
    showsThinking: shown && member(thinking, 'display') !== 'omitted',
    promptTokens: call.estimatedPromptTokens,
  })
}
