// An OpenAI chat stream as frames: whole events, unsplit and untouched but for a usage event that only the gateway asked for.
import { Refusal } from '../../../exchange/refusal.ts'
import type { Frame, Meter } from '../../../exchange/reply.ts'
import { MAX_EVENT_BYTES, readEvent, SseAligner, splitEvents } from '../../../exchange/sse.ts'
import { END_EVENT, endMarkerAt } from './end-marker.ts'
import { type Count, StreamMeter } from './meter.ts'

/** How a stream is to be read. */
export interface StreamOptions {
  readonly provider: string
  /** Leave out the usage event (no choices): the caller did not ask for it. */
  readonly dropUsage: boolean
  readonly promptTokens: number
  readonly count: Count
  /** Turns a broken connection into the error that is thrown. */
  broken(error: unknown): unknown
}

/** What a provider sends behind its end marker still passes for so long; then the answer is over, closed or not. */
const END_GRACE_MS = 1_000

const NO_CHOICES = /"choices"\s*:\s*\[\s*\]/

/** Resolves once the first real event is there. An error event in its place rejects with `upstream_failed` (R04). */
export async function streamReply(
  chunks: AsyncIterator<Buffer, undefined>,
  options: StreamOptions,
): Promise<{ frames: AsyncIterator<Frame, undefined>; meter: Meter }> {
  const stream = new ChatStream(chunks, options)
  await stream.open()
  return { frames: stream, meter: stream.meter }
}

class ChatStream implements AsyncIterator<Frame, undefined> {
  readonly meter: StreamMeter
  readonly #chunks: AsyncIterator<Buffer, undefined>
  readonly #options: StreamOptions
  readonly #aligner = new SseAligner()
  readonly #ready: Frame[] = []
  /** An error event that came behind good ones: thrown when those have been taken. */
  #failure: Refusal | undefined
  /** Runs from the end marker on. */
  #grace: NodeJS.Timeout | undefined
  #closed = false

  constructor(chunks: AsyncIterator<Buffer, undefined>, options: StreamOptions) {
    this.#chunks = chunks
    this.#options = options
    this.meter = new StreamMeter(options.promptTokens, options.count)
  }

  /** Reads up to the first event with data. */
  async open(): Promise<void> {
    for (let skipped = 0; skipped < MAX_EVENT_BYTES;) {
      const bytes = await this.#pull()
      if (bytes === undefined) throw this.#invalid('ended its stream before the first event')
      const first = splitEvents(bytes)
        .map(event => readEvent(event).data)
        .find(data => data !== '')
      if (first !== undefined) this.#checkFirst(first)
      this.#emit(bytes)
      if (first !== undefined) return
      skipped += bytes.length
    }
    void this.#chunks.return?.()
    throw this.#invalid('sent a stream of nothing but comments')
  }

  async next(): Promise<IteratorResult<Frame, undefined>> {
    while (this.#ready.length === 0) {
      if (this.#failure) throw this.#failure
      if (this.#closed) return { done: true, value: undefined }
      const bytes = await this.#pull()
      if (bytes === undefined) this.#end()
      else this.#emit(bytes)
    }
    const frame = this.#ready.shift()
    return frame === undefined ? { done: true, value: undefined } : { done: false, value: frame }
  }

  async return(): Promise<IteratorResult<Frame, undefined>> {
    this.#closed = true
    clearTimeout(this.#grace)
    await this.#chunks.return?.()
    return { done: true, value: undefined }
  }

  /** The next whole events; undefined at the end of the stream. */
  async #pull(): Promise<Buffer | undefined> {
    for (;;) {
      let result: IteratorResult<Buffer, undefined>
      try {
        result = await this.#chunks.next()
      } catch (error) {
        if (this.#grace) return undefined // all was said
        throw this.#options.broken(error)
      }
      if (result.done === true) return undefined
      const bytes = this.#align(result.value)
      if (bytes) return bytes
    }
  }

  #align(chunk: Buffer): Buffer | undefined {
    try {
      return this.#aligner.push(chunk)
    } catch {
      void this.#chunks.return?.()
      throw this.#invalid('sent a stream event that does not end')
    }
  }

  #emit(all: Buffer): void {
    const bytes = all.includes('"error"') ? this.#beforeError(all) : all
    this.meter.add(bytes)
    if (endMarkerAt(bytes) >= 0) this.#grace ??= setTimeout(() => void this.#chunks.return?.(), END_GRACE_MS)
    const kept = this.#options.dropUsage && holdsNoChoices(bytes) ? withoutUsageEvent(bytes) : bytes
    if (kept.length > 0) this.#ready.push({ bytes: kept })
  }

  /** A stream that just stops is an error, unless all choices had finished: then only the end marker is missing. */
  #end(): void {
    this.#closed = true
    clearTimeout(this.#grace)
    if (this.#grace) return
    if (this.#aligner.rest().length > 0) throw this.#invalid('ended its stream in the middle of an event')
    if (this.meter.read().finish === undefined) throw this.#invalid('ended its stream before the answer was complete')
    this.#ready.push({ bytes: END_EVENT })
  }

  #checkFirst(data: string): void {
    if (data === '[DONE]') throw this.#invalid('ended its stream before the answer was complete')
    if (!data.startsWith('{')) throw this.#invalid('sent a stream whose events are no JSON')
    const failure = this.#errorIn(data)
    if (failure) throw failure
  }

  /** The events before the first that says an error; that one ends the stream. */
  #beforeError(bytes: Buffer): Buffer {
    let good = 0
    for (const event of splitEvents(bytes)) {
      this.#failure = this.#errorIn(readEvent(event).data)
      if (this.#failure) break
      good += event.length
    }
    return bytes.subarray(0, good)
  }

  /** What an event says went wrong, if it does; the provider is then not listened to any longer. */
  #errorIn(data: string): Refusal | undefined {
    const error: unknown = data.includes('"error"') ? Reflect.get(parse(data), 'error') : undefined
    if (error === undefined || error === null) return undefined
    void this.#chunks.return?.()
    const message: unknown = typeof error === 'object' ? Reflect.get(error, 'message') : error
    const said = typeof message === 'string' ? message.slice(0, 500) : 'it does not say why'
    const { provider } = this.#options
    return new Refusal('upstream_failed', `The provider "${provider}" failed: ${said}`, { provider })
  }

  #invalid(what: string): Refusal {
    const { provider } = this.#options
    return new Refusal('upstream_invalid', `The provider "${provider}" ${what}.`, { provider })
  }
}

/** Cheap look before the split: every chunk has a "usage" member once usage was asked for, only the last has no choices. */
function holdsNoChoices(bytes: Buffer): boolean {
  return bytes.includes('"choices":[]') || bytes.includes('"choices": []')
}

function withoutUsageEvent(bytes: Buffer): Buffer {
  const kept = splitEvents(bytes).filter(event => !isUsageEvent(event))
  return Buffer.concat(kept)
}

function isUsageEvent(event: Buffer): boolean {
  const { data } = readEvent(event)
  return (
    NO_CHOICES.test(data) &&
    typeof Reflect.get(parse(data), 'usage') === 'object' &&
    Reflect.get(parse(data), 'usage') !== null
  )
}

function parse(data: string): object {
  try {
    const value: unknown = JSON.parse(data)
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {} // not JSON: no error object and no usage in it
  }
}
