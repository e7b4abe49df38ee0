// A reply is a status, headers and frames; a whole reply is one frame. Streaming is the only path.
import type { Micros } from '@smartflow/core/money'
import type { Target } from './target.ts'
import type { Usage } from './usage.ts'

/** Bytes as they came. A stream's frame ends on an event boundary and may hold several events. */
export interface Frame {
  readonly bytes: Buffer
}

/** What a reply came to: usage, the model's name as the provider gives it, and why it stopped. */
export interface Reading {
  readonly usage: Usage
  readonly model: string | undefined
  readonly finish: string | undefined
  /** Holds tool calls. */
  readonly toolCalls: boolean
}

/** Knows what has passed so far; may be asked at any time, and is right however the reply ended. */
export interface Meter {
  read(): Reading
  /** The body as one whole reply, or undefined when it is incomplete or too long to keep. */
  whole(): Buffer | undefined
}

/** What the caller is charged for the reply as it stands now. `priced: false`: the price is unknown (K07). */
export interface Charge {
  readonly cost: Micros
  readonly priced: boolean
}

/** Reply headers by lower-case name. */
export type ReplyHeaders = Record<string, string | string[]>

/** The answer on its way out. */
export interface Reply {
  readonly status: number
  readonly headers: ReplyHeaders
  /** True: an event stream. False: the frames are one body. */
  readonly streams: boolean
  readonly frames: AsyncIterator<Frame, undefined>
  readonly meter: Meter
  /** Which target answered; undefined for the cache. Set by `route`. */
  readonly servedBy?: Target
  /** Set by `admit`: the charge for what has passed so far. */
  readonly charge?: () => Charge
}
