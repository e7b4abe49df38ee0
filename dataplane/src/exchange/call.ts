// A call as the pipeline sees it, whatever its protocol: bytes as received, parsed once, plus what the caller asked of the gateway.
import type { Dialect } from './dialect.ts'
import type { JsonBody } from './json.ts'

/** Request headers by lower-case name, as received. */
export type CallHeaders = Readonly<Record<string, string | string[] | undefined>>

/** The caller's wishes about the cache (C03). */
export interface CacheControl {
  readonly read: boolean
  readonly write: boolean
  /** Seconds; undefined: as the policy says. */
  readonly ttl: number | undefined
  readonly namespace: string
}

/** One call. Nothing in it is trusted before `identify`; routing never reads the caller's headers. */
export interface Call {
  readonly dialect: Dialect
  /** `count-tokens`: what the prompt of a chat would count; never charged. */
  readonly operation: 'chat' | 'count-tokens'
  /** The model as asked for (header `x-smartflow-model` wins over the body, L11). */
  readonly model: string
  readonly streams: boolean
  /** A stream's caller wants the usage event. */
  readonly wantsUsage: boolean
  /** Upper bound on completion tokens that the caller set, if it did. */
  readonly maxTokens: number | undefined
  /** How many answers were asked for; each is billed. */
  readonly choices: number
  readonly temperature: number | undefined
  readonly body: JsonBody
  /** What of the path's query a provider of the same format has to see, as it came; absent when that is nothing. */
  readonly query?: string
  readonly headers: CallHeaders
  readonly cacheControl: CacheControl
  readonly tags: readonly string[]
  readonly userId: string | undefined
  readonly conversationId: string | undefined
  /** Prompt tokens, estimated from the text without a tokenizer; good enough for a hold. */
  readonly estimatedPromptTokens: number
}
