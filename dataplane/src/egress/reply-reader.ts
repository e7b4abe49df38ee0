// undici pushes, the pipeline pulls: this handler turns one dispatch into an EgressReply with a bounded buffer between.
import type { Dispatcher } from 'undici'
import { callOff, setDeadline } from '../exchange/deadlines.ts'
import type { ReplyHeaders } from '../exchange/reply.ts'
import { turnsEnd } from '../exchange/turn.ts'
import { EgressError, type EgressReply } from '../ports/egress.ts'

/** The socket is paused while this many bytes wait to be read. */
const HIGH_WATER = 256 * 1024

type Waiting = { resolve(result: IteratorResult<Buffer, undefined>): void; reject(error: unknown): void }

/** What a reader is told beside the bytes. */
export interface ReplyTerms {
  readonly signal: AbortSignal
  /** Until the head is there, counted from now: waiting for a connection is part of it. */
  readonly headersTimeoutMs: number
  /** Between two bytes of the answer; time in which we ourselves hold the sender back does not count. */
  readonly idleTimeoutMs: number
}

/** One use: give it to `dispatch`. Resolves the reply at its head; errors before that reject, later ones break the chunks. */
export class ReplyReader implements Dispatcher.DispatchHandler {
  readonly #signal: AbortSignal
  readonly #resolve: (reply: EgressReply) => void
  readonly #reject: (error: unknown) => void
  readonly #name: (error: unknown) => EgressError
  readonly #onAbort = (): void => this.#giveUp(new EgressError('aborted', 'the caller went away'))
  readonly #onDeadline = (): void => this.#giveUp(new EgressError('timeout', 'no answer in time'))
  readonly #onIdle = (): void => this.#checkIdle()
  readonly #idleTimeoutMs: number
  #lastAt = 0
  #controller: Dispatcher.DispatchController | undefined
  #queue: Buffer[] = []
  #queued = 0
  #ended = false
  #error: EgressError | undefined
  #waiting: Waiting | undefined
  #started = false

  // Three callbacks keep this class free of URLs and pools.
  constructor(
    { signal, headersTimeoutMs, idleTimeoutMs }: ReplyTerms,
    resolve: (reply: EgressReply) => void,
    reject: (error: unknown) => void,
    name: (error: unknown) => EgressError,
  ) {
    this.#signal = signal
    this.#idleTimeoutMs = idleTimeoutMs
    this.#resolve = resolve
    this.#reject = reject
    this.#name = name
    setDeadline(this.#onDeadline, headersTimeoutMs)
    signal.addEventListener('abort', this.#onAbort)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#error) controller.abort(this.#error) // given up while it waited for a connection
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: ReplyHeaders): void {
    if (status < 200) return
    callOff(this.#onDeadline)
    this.#lastAt = performance.now()
    setDeadline(this.#onIdle, this.#idleTimeoutMs)
    this.#started = true
    // A whole answer is there with its head when the turn ends; answers of one turn are taken together.
    void turnsEnd().then(() =>
      this.#resolve({ status, headers, chunks: { next: () => this.#next(), return: () => this.#leave() } }),
    )
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#lastAt = performance.now()
    const waiting = this.#waiting
    if (waiting) {
      this.#waiting = undefined
      waiting.resolve({ done: false, value: chunk })
      return
    }
    this.#queue.push(chunk)
    this.#queued += chunk.length
    if (this.#queued > HIGH_WATER) controller.pause()
  }

  onResponseEnd(): void {
    this.#finish()
    this.#waiting?.resolve({ done: true, value: undefined })
    this.#waiting = undefined
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: unknown): void {
    this.#fail(this.#name(error))
  }

  #next(): Promise<IteratorResult<Buffer, undefined>> {
    const chunk = this.#queue.shift()
    if (chunk) {
      this.#queued -= chunk.length
      if (this.#queued === 0) this.#lastAt = performance.now() // from here on the sender is waited for again
      if (this.#queue.length === 0 && !this.#ended) this.#controller?.resume()
      return Promise.resolve({ done: false, value: chunk })
    }
    if (this.#error) return Promise.reject(this.#error)
    if (this.#ended) return Promise.resolve({ done: true, value: undefined })
    return new Promise((resolve, reject) => (this.#waiting = { resolve, reject }))
  }

  #leave(): Promise<IteratorResult<Buffer, undefined>> {
    if (!this.#ended) this.#controller?.abort(new EgressError('aborted', 'the reply was not read to its end'))
    this.#queue = []
    return Promise.resolve({ done: true, value: undefined })
  }

  /** One deadline for the whole answer, put off by what came meanwhile: bytes come far more often than it is looked at. */
  #checkIdle(): void {
    const quiet = this.#queued > 0 ? 0 : performance.now() - this.#lastAt
    if (quiet < this.#idleTimeoutMs) setDeadline(this.#onIdle, this.#idleTimeoutMs - quiet)
    else this.#giveUp(new EgressError('timeout', 'nothing came for too long'))
  }

  #giveUp(error: EgressError): void {
    if (this.#controller) this.#controller.abort(error)
    else this.#fail(error)
  }

  #fail(error: EgressError): void {
    this.#finish()
    this.#error = error
    if (!this.#started) this.#reject(error)
    this.#waiting?.reject(error)
    this.#waiting = undefined
  }

  #finish(): void {
    this.#ended = true
    callOff(this.#onDeadline)
    callOff(this.#onIdle)
    this.#signal.removeEventListener('abort', this.#onAbort)
  }
}
