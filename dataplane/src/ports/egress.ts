// The one way out: resolve, check, connect, send. LLM, MCP and A2A calls all leave through it (design: Safety).
import type { ReplyHeaders } from '../exchange/reply.ts'

/** A request to an upstream. */
export interface EgressRequest {
  readonly url: string
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer | undefined
  readonly signal: AbortSignal
  /** Private addresses are allowed (a declared provider with `allowPrivateEndpoint`). */
  readonly allowPrivate: boolean
  readonly connectTimeoutMs: number
  /** Until the head of the answer; waiting for a connection is part of it. */
  readonly headersTimeoutMs: number
  /** Between two bytes of the answer. */
  readonly idleTimeoutMs: number
}

/** What came back; `chunks` is pulled (back-pressure) and must be read to its end or returned. */
export interface EgressReply {
  readonly status: number
  readonly headers: ReplyHeaders
  readonly chunks: AsyncIterator<Buffer, undefined>
}

/** Why no answer came. */
export type EgressFailure = 'refused' | 'unreachable' | 'timeout' | 'aborted' | 'broken'

/** Thrown by `send` and by its chunks. */
export class EgressError extends Error {
  readonly failure: EgressFailure

  constructor(failure: EgressFailure, message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'EgressError'
    this.failure = failure
  }
}

export interface Egress {
  /** Sends one request. Rejects with an EgressError; never retries, never follows a redirect. */
  send(request: EgressRequest): Promise<EgressReply>
  close(): Promise<void>
}
