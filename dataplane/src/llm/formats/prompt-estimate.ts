// What a prompt may count in tokens, from its length alone: good enough for a hold.
import type { JsonBody } from '../../exchange/json.ts'

/** Tokens that an image, a file or a sound counts for; the provider's usage says the truth afterwards. */
const TOKENS_PER_ATTACHMENT = 1_100
const BYTES_PER_TOKEN = 4

/** What a message costs beside its content. */
export const TOKENS_PER_MESSAGE = 4

/** Tokens of a text. */
export function textTokens(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN)
}

/** Tokens of a text or a list of parts. A part without a text, or content of its own, counts as an attachment. */
export function contentTokens(content: unknown): number {
  if (typeof content === 'string') return textTokens(content)
  if (!Array.isArray(content)) return 0
  let tokens = 0
  for (const part of content) tokens += partTokens(part)
  return tokens
}

/** Tokens of top-level members that stand in the prompt as JSON: tools, schemas. */
export function memberTokens(body: JsonBody, names: readonly string[]): number {
  let tokens = 0
  for (const name of names) {
    const span = body.members.get(name)
    if (span) tokens += Math.ceil((span.end - span.start) / BYTES_PER_TOKEN)
  }
  return tokens
}

function partTokens(part: unknown): number {
  if (typeof part !== 'object' || part === null) return TOKENS_PER_ATTACHMENT
  for (const name of ['text', 'content', 'thinking']) {
    const inner: unknown = Reflect.get(part, name)
    if (typeof inner === 'string' || Array.isArray(inner)) return contentTokens(inner)
  }
  const input: unknown = Reflect.get(part, 'input')
  return input === undefined ? TOKENS_PER_ATTACHMENT : textTokens(JSON.stringify(input))
}
