// What the neutral side needs of a wire format: errors in the caller's words, and the few places where a reply is touched.
import type { FormatName } from '@smartflow/core/providers'
import type { JsonBody } from './json.ts'
import type { Refusal } from './refusal.ts'
import type { Meter } from './reply.ts'
import type { SseEvent } from './sse.ts'
import type { EventTexts, TextSlot } from './texts.ts'

/** The wire formats of model calls, as providers' rows name them. */
export type { FormatName }

/** What stands beside an answer that only the gateway knows. */
export interface Decoration {
  readonly provider: string
  readonly cached: boolean
  readonly hitType: 'exact' | 'semantic' | null
}

/** A wire format as callers speak it. */
export interface Dialect {
  readonly name: FormatName
  /** A refusal as a JSON body. */
  refuse(refusal: Refusal, requestId: string): Buffer
  /** A refusal inside a stream whose head is already sent, with the stream's end. */
  refuseInStream(refusal: Refusal, requestId: string): Buffer
  /** A whole body, its bytes as the characters of a string (latin1), with the gateway's own members put in front; the rest stays byte for byte. */
  decorate(body: string, decoration: Decoration): string
  /** The stream's last frame with a comment (made only then) put before the end marker; undefined when `frame` does not hold the marker. */
  commentBeforeEnd(frame: Buffer, comment: () => string): Buffer | undefined
  /** A whole reply as the frames of a stream. */
  replay(body: Buffer, wantsUsage: boolean): Buffer[]
  /** Reads a whole reply. Throws an `upstream_invalid` Refusal when it is none. */
  meterOf(body: Buffer): Meter
  /** What people and models wrote in a request: messages, system prompt, tool calls and results; ids, roles and media are left out. */
  textsOfRequest(body: JsonBody): readonly TextSlot[]
  /** The same of a whole reply, given as the text of its body. */
  textsOfReply(body: string): readonly TextSlot[]
  /** The same of a stream event; undefined for one without a JSON document. */
  textsOfEvent(event: SseEvent): EventTexts | undefined
}
