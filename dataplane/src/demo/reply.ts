// Replies of the demo upstream, and what it says.
import { hash } from 'node:crypto'
import { of } from '../exchange/streams.ts'
import type { EgressReply } from '../ports/egress.ts'

const HEADERS = { 'x-smartflow-demo': 'true' }
/** Pause between two stream events, so that a stream looks like one. */
const PAUSE_MS = 10

/** Waits. */
export type Pause = (ms: number) => Promise<void>

/** A whole reply. */
export function json(status: number, body: object): EgressReply {
  return {
    status,
    headers: { ...HEADERS, 'content-type': 'application/json' },
    chunks: of(Buffer.from(JSON.stringify(body))),
  }
}

/** A stream, an event a chunk. */
export function stream(events: readonly string[], pause: Pause): EgressReply {
  const source = of(...events.map(event => Buffer.from(event)))
  return {
    status: 200,
    headers: { ...HEADERS, 'content-type': 'text/event-stream' },
    chunks: {
      async next() {
        await pause(PAUSE_MS)
        return source.next()
      },
      async return() {
        await source.return?.()
        return { done: true, value: undefined }
      },
    },
  }
}

/** Words of the answer, each with its space: one is one token. `said` is what the user said last. */
export function answerTo(said: string, model: string, maxTokens: number): string[] {
  const text = `[demo] This is ${model} in demo mode. You said: ${said === '' ? '(nothing)' : said.slice(0, 500)}`
  return (text.match(/\s*\S+/g) ?? []).slice(0, maxTokens)
}

/** The text of a message's content: a text, or parts that have one. */
export function textOf(content: unknown): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  return content
    .map(part => (typeof part?.text === 'string' ? part.text : ''))
    .join(' ')
    .trim()
}

/** The same for the same question. */
export function digest(...question: readonly unknown[]): string {
  return hash('sha256', JSON.stringify(question), 'hex').slice(0, 24)
}

/** A message as far as the demo reads it. */
export interface Said {
  readonly role?: unknown
  readonly content?: unknown
}

/** What the user said last. */
export function lastSaid(messages: readonly Said[]): string {
  return textOf(messages.findLast(({ role }) => role === 'user')?.content)
}

/** Tokens of the prompt. */
export function promptTokens(messages: readonly Said[]): number {
  const characters = messages.reduce((sum, { content }) => sum + textOf(content).length, 0)
  return Math.ceil(characters / 4) + 4 * messages.length
}
