// Events of an Anthropic stream as bytes, and out of them.
import type { JsonObject } from '../../../exchange/json.ts'
import { readEvent, splitEvents, type SseEvent } from '../../../exchange/sse.ts'
import { parseObject } from '../members.ts'

/** An event: its name stands in the field and in the data. */
export function eventText(data: { readonly type: string; readonly [name: string]: unknown }): string {
  return `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`
}

/** The event that ends a stream. */
export const STOP_EVENT = Buffer.from(eventText({ type: 'message_stop' }))

/** The data of an event; undefined for a comment, or what is no JSON object. */
export function eventData(event: SseEvent): JsonObject | undefined {
  return event.data.startsWith('{') ? parseObject(event.data) : undefined
}

/** The events of a frame that have data, in order. */
export function* eventsOf(frame: Buffer): Generator<SseEvent> {
  for (const bytes of splitEvents(frame)) {
    const event = readEvent(bytes)
    if (event.data !== '') yield event
  }
}

/** The frame holds an event of this type. Looks before it parses: most frames do not even name it. */
export function holdsEvent(frame: Buffer, type: string): boolean {
  if (!frame.includes(type)) return false
  for (const event of eventsOf(frame)) if (eventData(event)?.['type'] === type) return true
  return false
}
