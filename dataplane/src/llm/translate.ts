// A call in one format answered by a provider of another: request, reply and stream go through the neutral form (L08).
import type { Call } from '../exchange/call.ts'
import { Refusal } from '../exchange/refusal.ts'
import { readEvent, splitEvents } from '../exchange/sse.ts'
import type { EventDecoder, EventEncoder, Format, FrameMeter, PassageTerms } from './formats/format.ts'

/** A request in the provider's words. `dropped` names what those could not carry. */
export interface Translated {
  readonly body: Buffer
  readonly headers: Readonly<Record<string, string>>
  readonly dropped: readonly string[]
}

/** The request of `call` (in format `from`) in format `to`. Throws `request_invalid` for what may not be lost. */
export function translateRequest(call: Call, from: Format, to: Format, terms: PassageTerms): Translated {
  const request = from.decodeRequest(call.body.value, call.headers)
  const { body, headers, dropped } = to.encodeRequest({ ...request, stream: call.streams }, terms)
  return { body: Buffer.from(JSON.stringify(body)), headers, dropped }
}

/** Which reply is translated: from the provider's format to the caller's. */
export interface Direction {
  readonly provider: Format
  readonly caller: Format
  readonly call: Call
  /** For messages. */
  readonly providerName: string
}

/** A whole reply of the provider in the caller's format. Throws an `upstream_invalid` Refusal when it is none. */
export function translateReply(body: Buffer, { provider, caller, call, providerName }: Direction): Buffer {
  return caller.encodeReply(provider.decodeReply(body, providerName), call)
}

/** Translates one stream. Frames are whole events, as they come from the aligner. */
export class StreamTranslator {
  readonly #direction: Direction
  readonly #decoder: EventDecoder
  readonly #encoder: EventEncoder
  /** Keeps what passed, bounded, for `whole`. */
  readonly #kept: FrameMeter

  constructor(direction: Direction) {
    this.#direction = direction
    this.#decoder = direction.provider.decodeEvents()
    this.#encoder = direction.caller.encodeEvents(direction.call)
    this.#kept = direction.provider.streamMeter({ provider: direction.providerName, promptTokens: 0, count: () => 0 })
  }

  /** The caller's events for a frame of the provider; empty when there are none. */
  push(frame: Buffer): Buffer {
    this.#kept.add(frame)
    let text = ''
    for (const bytes of splitEvents(frame)) {
      for (const event of this.#decoder.push(readEvent(bytes))) text += this.#encoder.push(event)
    }
    return Buffer.from(text)
  }

  /** What is left when the provider's stream ended in order. */
  end(): Buffer {
    return Buffer.from(this.#encoder.end())
  }

  /** The whole reply in the caller's format, or undefined when it is incomplete or too long to keep. */
  whole(): Buffer | undefined {
    const whole = this.#kept.whole()
    if (!whole) return undefined
    try {
      return translateReply(whole, this.#direction)
    } catch (error) {
      if (error instanceof Refusal) return undefined // the caller's format has no whole reply like this
      throw error
    }
  }
}
