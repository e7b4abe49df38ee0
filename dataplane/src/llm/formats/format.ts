// What a wire format is to the rest: four functions over the neutral form, and what keeps a call in its own format whole.
import type { Call, CallHeaders } from '../../exchange/call.ts'
import type { Dialect, FormatName } from '../../exchange/dialect.ts'
import type { JsonObject } from '../../exchange/json.ts'
import type { Meter, Reading } from '../../exchange/reply.ts'
import type { SseEvent } from '../../exchange/sse.ts'
import type { NeutralEvent, NeutralRequest } from '../neutral.ts'

/** Counts the tokens of a text; only asked when the provider sent no usage. */
export type Count = (text: string) => number

/** Who sent a reply, and how it is counted when it says nothing of its usage. */
export interface MeterOptions {
  readonly provider: string
  /** Stands in for the provider's figure. */
  readonly promptTokens: number
  readonly count: Count
}

/** A meter that is given each frame of a stream as it passes; frames end on event boundaries. */
export interface FrameMeter extends Meter {
  add(frame: Buffer): void
}

/** How a call leaves in the format it came in: members of its body that change (raw JSON by name), and headers. */
export interface Passage {
  readonly changes: ReadonlyMap<string, string>
  readonly headers: Readonly<Record<string, string>>
  /** What had to be left out all the same (L08). */
  readonly dropped: readonly string[]
}

/** What the passage depends on beside the call. */
export interface PassageTerms {
  /** The model's name at the provider. */
  readonly model: string
  /** The provider understands `stream_options.include_usage`. */
  readonly streamUsage: boolean
}

/** What a provider's error body says. */
export interface SaidError {
  readonly message: string
  readonly type: string | undefined
  readonly code: string | undefined
  readonly param: string | undefined
  /** The status that the format gives such an error, where an event's type says it. */
  readonly status?: number | undefined
}

/** How streams of the format behave: what a reader of frames has to know. */
export interface StreamManners {
  /** Frames without this text hold no error event: a cheap look before the split. */
  readonly errorHint: string
  /** What is wrong with a stream that begins with this event, as it stands behind "The provider x ", if anything is. */
  firstProblem(event: SseEvent): string | undefined
  /** The event only says that the connection lives: it commits to nothing. */
  idles(event: SseEvent): boolean
  /** What an error event says; undefined for any other event. */
  errorIn(event: SseEvent): SaidError | undefined
  /** The frame holds the event that ends the stream. */
  ends(frame: Buffer): boolean
  /** What is missing of a stream that stopped without its end: the bytes of that end, or undefined when the answer itself is incomplete. */
  completion(reading: Reading): Buffer | undefined
  /** The frame without what only the gateway asked for. */
  strip(frame: Buffer): Buffer
}

/** Reads a provider's stream; one a stream. */
export interface EventDecoder {
  push(event: SseEvent): readonly NeutralEvent[]
}

/** Writes a caller's stream; one a stream. Gives the bytes of whole events, possibly none. */
export interface EventEncoder {
  push(event: NeutralEvent): string
  /** What is left when the source ended in order. */
  end(): string
}

/** A request in a format. `dropped` names what it could not carry (L08): never silently. */
export interface Encoded {
  readonly body: JsonObject
  readonly headers: Readonly<Record<string, string>>
  readonly dropped: readonly string[]
}

/** One wire format. */
export interface Format {
  readonly name: FormatName
  readonly dialect: Dialect
  /** Its clients match errors by status and words: those of a provider of the same format stay as they came (L02). */
  readonly passesErrors: boolean

  /** Throws `request_invalid` Refusals for what the neutral form cannot say and must not lose. */
  decodeRequest(body: JsonObject, headers: CallHeaders): NeutralRequest
  /** The same throws for what the format cannot say and must not lose. */
  encodeRequest(request: NeutralRequest, terms: PassageTerms): Encoded
  decodeEvents(): EventDecoder
  encodeEvents(call: Call): EventEncoder
  /** A whole reply as the events of a stream. Throws an `upstream_invalid` Refusal when it is none. */
  decodeReply(body: Buffer, provider: string): readonly NeutralEvent[]
  /** Events of a complete reply as a whole one. Throws an `upstream_invalid` Refusal when the format has no words for it. */
  encodeReply(events: readonly NeutralEvent[], call: Call): Buffer

  passage(call: Call, terms: PassageTerms): Passage
  /** Of a stream that answers `call`; `strip` does something only when that call leaves as it came. */
  manners(call: Call, terms: PassageTerms): StreamManners
  /** Throws an `upstream_invalid` Refusal when the body is no reply. */
  wholeMeter(body: Buffer, options: MeterOptions): Meter
  streamMeter(options: MeterOptions): FrameMeter
  /** What an error body says; empty texts when it is none. Never throws. */
  readError(body: string): SaidError
}
