// How OpenAI chat streams behave.
import { readEvent, type SseEvent, splitEvents } from '../../../exchange/sse.ts'
import type { SaidError, StreamManners } from '../format.ts'
import { member, objectIn, parseObject, textIn } from '../members.ts'
import { END_EVENT, endMarkerAt } from './end-marker.ts'

const NO_CHOICES = /"choices"\s*:\s*\[\s*\]/

/** A stream of chunks that ends with `[DONE]`. `dropsUsage`: the usage event was only asked for by the gateway. */
export function mannersOf(dropsUsage: boolean): StreamManners {
  return {
    errorHint: '"error"',
    firstProblem,
    idles: () => false,
    errorIn,
    ends: frame => endMarkerAt(frame) >= 0,
    // All choices have finished: only the end marker is missing.
    completion: reading => (reading.finish === undefined ? undefined : END_EVENT),
    strip: frame => (dropsUsage && holdsNoChoices(frame) ? withoutUsageEvent(frame) : frame),
  }
}

function firstProblem({ data }: SseEvent): string | undefined {
  if (data === '[DONE]') return 'ended its stream before the answer was complete'
  return data.startsWith('{') ? undefined : 'sent a stream whose events are no JSON'
}

function errorIn({ data }: SseEvent): SaidError | undefined {
  if (!data.includes('"error"')) return undefined
  const error = member(parseObject(data), 'error')
  return error === undefined || error === null ? undefined : saidIn(error)
}

/** What an error body says: `{error: {message, …}}`, `{error: "…"}`, or the members themselves. */
export function readError(body: string): SaidError {
  const parsed = parseObject(body)
  return saidIn(member(parsed, 'error') ?? parsed)
}

function saidIn(error: unknown): SaidError {
  const message = textIn(error) ?? textIn(member(error, 'message')) ?? ''
  return {
    message: message.slice(0, 2_000),
    type: textIn(member(error, 'type')),
    code: textIn(member(error, 'code')),
    param: textIn(member(error, 'param')),
  }
}

/** Cheap look before the split: every chunk has a "usage" member once usage was asked for, only the last has no choices. */
function holdsNoChoices(bytes: Buffer): boolean {
  return bytes.includes('"choices":[]') || bytes.includes('"choices": []')
}

function withoutUsageEvent(bytes: Buffer): Buffer {
  return Buffer.concat(splitEvents(bytes).filter(event => !isUsageEvent(event)))
}

function isUsageEvent(event: Buffer): boolean {
  const { data } = readEvent(event)
  return NO_CHOICES.test(data) && objectIn(parseObject(data)?.['usage']) !== undefined
}
