// The neutral form of a model call: what every wire format can be read into and written from, so that N formats need N
// codecs and not N × M (L08). It names what the gateway understands; a codec refuses, or names as dropped, the rest.
import type { JsonObject } from '../exchange/json.ts'

/** A part of a message. `cache`: a prompt-cache breakpoint stands behind it (the provider's own member, as it came). */
export type NeutralPart =
  | { readonly kind: 'text'; readonly text: string; readonly cache?: unknown }
  /** `url` is https or a data URL; `detail` as OpenAI has it. */
  | { readonly kind: 'image'; readonly url: string; readonly detail?: string; readonly cache?: unknown }
  /** A document: a data URL, an https URL, or plain text. */
  | {
      readonly kind: 'file'
      readonly url?: string
      readonly text?: string
      readonly name?: string
      readonly cache?: unknown
    }
  | { readonly kind: 'audio'; readonly data: string; readonly format: string }
  | {
      readonly kind: 'tool-call'
      readonly id: string
      readonly name: string
      /** JSON text. */ readonly args: string
      readonly cache?: unknown
    }
  | {
      readonly kind: 'tool-result'
      readonly id: string
      readonly parts: readonly NeutralPart[]
      readonly isError: boolean
      readonly cache?: unknown
    }
  /** What a model thought; the signature binds it to the provider that gave it. */
  | { readonly kind: 'thinking'; readonly text: string; readonly signature?: string }
  | { readonly kind: 'redacted-thinking'; readonly data: string }
  | { readonly kind: 'refusal'; readonly text: string }

/** System texts stand in `NeutralRequest.system`, tool results in user messages. */
export interface NeutralMessage {
  readonly role: 'user' | 'assistant'
  readonly parts: readonly NeutralPart[]
}

export interface NeutralTool {
  readonly name: string
  readonly description?: string
  /** JSON Schema of its arguments. */
  readonly schema: JsonObject
  readonly strict?: boolean
  readonly cache?: unknown
}

export type NeutralToolChoice =
  | { readonly kind: 'auto' | 'none' | 'required' }
  | { readonly kind: 'tool'; readonly name: string }

/** A request. Absent members were not sent. */
export interface NeutralRequest {
  readonly model: string
  readonly system: readonly { readonly text: string; readonly cache?: unknown }[]
  readonly messages: readonly NeutralMessage[]
  readonly tools: readonly NeutralTool[]
  readonly toolChoice?: NeutralToolChoice
  readonly parallelTools?: boolean
  readonly stream: boolean
  readonly maxTokens?: number
  readonly temperature?: number
  readonly topP?: number
  readonly topK?: number
  readonly stop?: readonly string[]
  /** Reasoning: an effort by name, or a budget of tokens; `off` switches it off. */
  readonly reasoning?: { readonly effort?: string; readonly budgetTokens?: number; readonly off?: boolean }
  readonly answer?:
    | { readonly kind: 'json' }
    | { readonly kind: 'schema'; readonly name: string; readonly schema: JsonObject; readonly strict?: boolean }
  /** Who the end user is, as the caller tells the provider. */
  readonly user?: string
  readonly serviceTier?: string
  /** Members of the caller's format that no other format has, by name: what `encodeRequest` of another format cannot carry. */
  readonly foreign: readonly string[]
}

/** Why a reply ended, in OpenAI's words and those that only others have. */
export type NeutralFinish =
  | 'stop'
  | 'stop-sequence'
  | 'length'
  | 'tool-calls'
  | 'content-filter'
  | 'refusal'
  | 'pause'
  | 'context-length'

/** Tokens so far; cumulative. `prompt` includes both kinds of cached tokens. */
export interface NeutralUsage {
  readonly prompt: number
  readonly cachedPrompt: number
  readonly cacheWrite: number
  readonly completion: number
  readonly reasoning: number
}

/** What happens in a reply, in order; `choice` counts from 0, `tool` numbers the tool calls of a choice. */
export type NeutralEvent =
  | {
      readonly kind: 'start'
      readonly id: string
      readonly model: string
      /** Epoch seconds. */ readonly created?: number
    }
  | { readonly kind: 'text'; readonly choice: number; readonly text: string }
  | { readonly kind: 'refusal'; readonly choice: number; readonly text: string }
  | { readonly kind: 'thinking'; readonly choice: number; readonly text: string }
  | { readonly kind: 'thinking-signature'; readonly choice: number; readonly signature: string }
  | { readonly kind: 'redacted-thinking'; readonly choice: number; readonly data: string }
  | {
      readonly kind: 'tool-start'
      readonly choice: number
      readonly tool: number
      readonly id: string
      readonly name: string
    }
  | {
      readonly kind: 'tool-args'
      readonly choice: number
      readonly tool: number
      /** A piece of JSON text. */ readonly json: string
    }
  | { readonly kind: 'finish'; readonly choice: number; readonly reason: NeutralFinish; readonly stopSequence?: string }
  | { readonly kind: 'usage'; readonly usage: NeutralUsage }
  /** Nothing to say, but the connection lives. */
  | { readonly kind: 'ping' }
  | { readonly kind: 'end' }
