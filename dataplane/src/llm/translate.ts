// A call in one format answered by a provider of another: request, reply and stream go through the neutral form (L08).
import type { Call } from '../exchange/call.ts'
import { Refusal } from '../exchange/refusal.ts'
import { readEvent, splitEvents } from '../exchange/sse.ts'
import type { EventDecoder, EventEncoder, Format, PassageTerms } from './formats/format.ts'

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

/** A whole reply that passed as a translated stream, for the cache: undefined when the caller's format has no words for it. */
export function translatedWhole(body: Buffer | undefined, direction: Direction): Buffer | undefined {
  if (!body) return undefined
  try {
    return translateReply(body, direction)
  } catch (error) {
    if (error instanceof Refusal) return undefined
    throw error
  }
}

/** Translates one stream. Frames are whole events, as they come from the aligner. */
export class StreamTranslator {
  readonly #decoder: EventDecoder
  readonly #encoder: EventEncoder

  constructor({ provider, caller, call }: Direction) {
    this.#decoder = provider.decodeEvents()
    this.#encoder = caller.encodeEvents(call)
  }

  /** The caller's events for a frame of the provider; empty when there are none. */
  push(frame: Buffer): Buffer {
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
}
