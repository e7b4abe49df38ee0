// What the tests want of a model client, whichever language and dialect it has.
import type { FormatName } from '@smartflow/core/providers'
import type { ToolCall } from '../e2e/plays.ts'

/** One question. */
export interface Ask {
  readonly model: string
  readonly text: string
  readonly stream: boolean
  readonly system?: string
  /** A PNG in base64 beside the text. */
  readonly image?: string
  /** Offers the tool `weather` with the member `place`. */
  readonly tools?: boolean
  readonly maxTokens?: number
  readonly stop?: string
}

/** The answer as the client understood it. */
export interface Said {
  readonly text: string
  /** How many pieces of text came; 1 for a whole answer. */
  readonly pieces: number
  readonly calls: readonly ToolCall[]
  readonly finish: 'stop' | 'length' | 'tools'
  /** `prompt` with all that is cached. */
  readonly tokens: { readonly prompt: number; readonly cached: number; readonly completion: number }
}

/** What a call raised. `type` is the name of its class. */
export interface Raised {
  readonly type: string
  readonly status: number | undefined
  readonly message: string
}

/** Errors that a client has a class for. */
export type Trouble =
  | 'unauthorized'
  | 'forbidden'
  | 'not-found'
  | 'limited'
  | 'too-large'
  | 'bad-request'
  | 'bad-gateway'
  | 'overloaded'

/** A client that has a base URL and a key, and repeats nothing. */
export interface ModelClient {
  ask(ask: Ask): Promise<Said>
  /** The same with the tools' results given back: each call of `weather` is answered by "rain in <place>". */
  loop(ask: Ask): Promise<Said>
  /** What it raises; rejects when it raises nothing. */
  raised(ask: Ask): Promise<Raised>
  /** Reads the first piece of a stream, then leaves it. */
  leave(ask: Ask): Promise<string>
}

/** A kind of client. */
export interface ClientKind {
  readonly name: string
  readonly dialect: FormatName
  /** The class of an error, by what happened. */
  readonly errors: Readonly<Record<Trouble, string>>
  connect(base: string, token: string): ModelClient
}

/** The tool that is offered. */
export const WEATHER = {
  name: 'weather',
  description: 'The weather of a place',
  schema: {
    type: 'object' as const,
    properties: { place: { type: 'string' } },
    required: ['place'],
    additionalProperties: false,
  },
}

/** What the tool answers. */
export function weatherIn(input: unknown): string {
  return `rain in ${String(Object(input).place)}`
}

/** Runs a call that has to raise. */
export async function raisedBy(
  call: PromiseLike<unknown>,
  read: (error: Error) => Omit<Raised, 'type' | 'message'>,
): Promise<Raised> {
  const error = await Promise.resolve(call).then(
    value => {
      throw new Error(`nothing was raised: ${JSON.stringify(value)}`)
    },
    (reason: unknown) => reason,
  )
  if (!(error instanceof Error)) throw new Error(`something else than an Error was raised: ${String(error)}`)
  if (error.message.startsWith('nothing was raised')) throw error
  return { type: error.constructor.name, message: error.message, ...read(error) }
}
