// What the neutral side needs of a wire format: errors in the caller's words, and the few places where a reply is touched.
import type { Refusal } from './refusal.ts'
import type { Meter } from './reply.ts'

/** What stands beside an answer that only the gateway knows. */
export interface Decoration {
  readonly provider: string
  readonly cached: boolean
  readonly hitType: 'exact' | 'semantic' | null
}

/** A wire format as callers speak it. */
export interface Dialect {
  readonly name: 'openai-chat'
  /** A refusal as a JSON body. */
  refuse(refusal: Refusal, requestId: string): Buffer
  /** A refusal inside a stream whose head is already sent, with the stream's end. */
  refuseInStream(refusal: Refusal, requestId: string): Buffer
  /** A whole body with the gateway's own members put in front; the rest stays byte for byte. */
  decorate(body: Buffer, decoration: Decoration): Buffer
  /** The stream's last frame with a comment (made only then) put before the end marker; undefined when `frame` does not hold the marker. */
  commentBeforeEnd(frame: Buffer, comment: () => string): Buffer | undefined
  /** A whole reply as the frames of a stream. */
  replay(body: Buffer, wantsUsage: boolean): Buffer[]
  /** Reads a whole reply. Throws an `upstream_invalid` Refusal when it is none. */
  meterOf(body: Buffer): Meter
}
