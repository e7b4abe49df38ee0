// A provider's event stream as frames: whole events, unsplit and untouched but for what only the gateway asked for. What
// its events mean, the format's manners say.
import type { FormatName } from '../exchange/dialect.ts'
import { Refusal } from '../exchange/refusal.ts'
import type { Frame } from '../exchange/reply.ts'
import { MAX_EVENT_BYTES, readEvent, SseAligner, splitEvents } from '../exchange/sse.ts'
import type { FrameMeter, StreamManners } from './formats/format.ts'
import { failureIn } from './rejection.ts'

/** How a stream is to be read. */
export interface StreamOptions {
  readonly provider: string
  readonly format: FormatName
  /** The caller speaks the same format. */
  readonly native: boolean
  readonly manners: StreamManners
  readonly meter: FrameMeter
  /** Turns a broken connection into the error that is thrown. */
  broken(error: unknown): unknown
}

/** What a provider sends behind its end still passes for so long; then the answer is over, closed or not. */
const END_GRACE_MS = 1_000

/** Resolves once the first real event is there. An error event in its place rejects with an `upstream_*` Refusal (R04). */
export async function openEventStream(
  chunks: AsyncIterator<Buffer, undefined>,
  options: StreamOptions,
): Promise<AsyncIterator<Frame, undefined>> {
  const stream = new EventStream(chunks, options)
  await stream.open()
  return stream
}

class EventStream implements AsyncIterator<Frame, undefined> {
  readonly #chunks: AsyncIterator<Buffer, undefined>
  readonly #options: StreamOptions
  readonly #aligner = new SseAligner()
  readonly #ready: Frame[] = []
  /** An error event that came behind good ones: thrown when those have been taken. */
  #failure: Refusal | undefined
  /** Runs from the end on. */
  #grace: NodeJS.Timeout | undefined
  #closed = false

  constructor(chunks: AsyncIterator<Buffer, undefined>, options: StreamOptions) {
    this.#chunks = chunks
    this.#options = options
  }

  /** Reads up to the first event with data. */
  async open(): Promise<void> {
    for (let skipped = 0; skipped < MAX_EVENT_BYTES;) {
      const bytes = await this.#pull()
      if (bytes === undefined) throw this.#invalid('ended its stream before the first event')
      const first = splitEvents(bytes)
        .map(event => readEvent(event))
        .find(event => event.data !== '' && !this.#options.manners.idles(event))
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
    const { manners, meter } = this.#options
    const bytes = all.includes(manners.errorHint) ? this.#beforeError(all) : all
    meter.add(bytes)
    if (manners.ends(bytes)) this.#grace ??= setTimeout(() => void this.#chunks.return?.(), END_GRACE_MS)
    const kept = manners.strip(bytes)
    if (kept.length > 0) this.#ready.push({ bytes: kept })
  }

  /** A stream that just stops is an error, unless the answer had finished: then only its end is missing. */
  #end(): void {
    this.#closed = true
    clearTimeout(this.#grace)
    if (this.#grace) return
    if (this.#aligner.rest().length > 0) throw this.#invalid('ended its stream in the middle of an event')
    const missing = this.#options.manners.completion(this.#options.meter.read())
    if (missing === undefined) throw this.#invalid('ended its stream before the answer was complete')
    this.#ready.push({ bytes: missing })
  }

  #checkFirst(event: ReturnType<typeof readEvent>): void {
    const failure = this.#errorIn(event)
    if (failure) throw failure
    const problem = this.#options.manners.firstProblem(event)
    if (problem !== undefined) throw this.#invalid(problem)
  }

  /** The events before the first that says an error; that one ends the stream. */
  #beforeError(bytes: Buffer): Buffer {
    let good = 0
    for (const event of splitEvents(bytes)) {
      this.#failure = this.#errorIn(readEvent(event))
      if (this.#failure) break
      good += event.length
    }
    return bytes.subarray(0, good)
  }

  /** What an event says went wrong, if it does; the provider is then not listened to any longer. */
  #errorIn(event: ReturnType<typeof readEvent>): Refusal | undefined {
    const { manners, provider, format, native } = this.#options
    const said = manners.errorIn(event)
    if (said === undefined) return undefined
    void this.#chunks.return?.()
    return failureIn(said, { provider, format, native, data: event.data })
  }

  #invalid(what: string): Refusal {
    const { provider } = this.#options
    void this.#chunks.return?.()
    return new Refusal('upstream_invalid', `The provider "${provider}" ${what}.`, { provider })
  }
}
