// How Anthropic streams behave.
import type { SseEvent } from '../../../exchange/sse.ts'
import type { SaidError, StreamManners } from '../format.ts'
import { member, parseObject, shown, textIn } from '../members.ts'
import { statusOf } from './errors.ts'
import { eventData, holdsEvent, STOP_EVENT } from './event.ts'

/** A stream begins with message_start, or a ping before it, and ends with message_stop. */
export const manners: StreamManners = {
  errorHint: '"error"',

  firstProblem(event) {
    const type = eventData(event)?.['type']
    if (type === undefined) return 'sent a stream whose events are no JSON'
    if (type === 'message_start' || type === 'ping' || type === 'error') return undefined
    return `began its stream with ${shown(type)} in place of "message_start"`
  },

  idles: event => eventData(event)?.['type'] === 'ping',

  errorIn(event: SseEvent): SaidError | undefined {
    const data = eventData(event)
    if (event.event !== 'error' && data?.['type'] !== 'error') return undefined
    const said = readError(event.data)
    return { ...said, status: statusOf(said.type) }
  },

  ends: frame => holdsEvent(frame, 'message_stop'),

  completion: reading => (reading.finish === undefined ? undefined : STOP_EVENT),

  strip: frame => frame,
}

/** What an error body or the data of an error event says. */
export function readError(body: string): SaidError {
  const parsed = parseObject(body)
  const error = member(parsed, 'error') ?? parsed
  return {
    message: (textIn(error) ?? textIn(member(error, 'message')) ?? '').slice(0, 2_000),
    type: textIn(member(error, 'type')),
    code: textIn(member(error, 'code')) ?? textIn(member(member(error, 'details'), 'error_code')),
    param: textIn(member(error, 'param')),
  }
}
