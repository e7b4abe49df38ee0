// Reads an OpenAI chat completion request: checks what the gateway acts on, carries the rest along untouched (L01).
import type { CacheControl, Call, CallHeaders } from '../../../exchange/call.ts'
import { type JsonBody, type JsonObject, readJson } from '../../../exchange/json.ts'
import { Refusal } from '../../../exchange/refusal.ts'
import { openaiChat } from './dialect.ts'

/** Tokens that an image, a file or a sound counts for in a hold; the provider's usage says the truth afterwards. */
const TOKENS_PER_ATTACHMENT = 1_100
const TOKENS_PER_MESSAGE = 4
const BYTES_PER_TOKEN = 4
/** Beyond what any model gives or takes; products of such figures stay exact. */
const MAX_TOKENS = 100_000_000
/** The most answers that OpenAI gives to one call. */
const MAX_CHOICES = 128

/** A call out of the body of `POST /v1/chat/completions`. Throws `body_invalid` or `request_invalid` Refusals. */
export function readChat(bytes: Buffer, headers: CallHeaders): Call {
  const body = readJson(bytes)
  const { value } = body
  const model = header(headers, 'x-smartflow-model') ?? value['model']
  if (typeof model !== 'string' || model === '' || model.length > 256) {
    throw wrong('model', 'name a model, for example "gpt-4o"')
  }
  const messages = readMessages(value)
  const streams = optional(value, 'stream', 'boolean') ?? false
  return {
    dialect: openaiChat,
    operation: 'chat',
    model,
    streams,
    wantsUsage: readWantsUsage(value, streams),
    choices: count(value, 'n', MAX_CHOICES) ?? 1,
    maxTokens: count(value, 'max_completion_tokens', MAX_TOKENS) ?? count(value, 'max_tokens', MAX_TOKENS),
    temperature: range(value, 'temperature', 0, 2),
    body,
    headers,
    cacheControl: readCacheControl(headers),
    tags: (header(headers, 'x-smartflow-tags') ?? '')
      .split(',')
      .map(tag => tag.trim())
      .filter(tag => tag !== '')
      .slice(0, 32),
    userId: header(headers, 'x-smartflow-user-id') ?? header(headers, 'x-user-id'),
    conversationId: header(headers, 'x-conversation-id') ?? header(headers, 'x-session-id'),
    estimatedPromptTokens: estimateTokens(messages, body),
  }
}

function readMessages(value: JsonObject): readonly JsonObject[] {
  const { messages } = value
  if (!Array.isArray(messages) || messages.length === 0) throw wrong('messages', 'send a list of at least one message')
  for (const [index, message] of messages.entries()) {
    if (typeof message !== 'object' || message === null || Array.isArray(message) || typeof message.role !== 'string') {
      throw wrong(`messages[${index}]`, 'each message is an object with a "role"')
    }
  }
  return messages
}

function readWantsUsage(value: JsonObject, streams: boolean): boolean {
  const options = value['stream_options']
  if (options === undefined || options === null) return false
  if (typeof options !== 'object' || Array.isArray(options)) throw wrong('stream_options', 'send an object')
  if (!streams) throw wrong('stream_options', 'it is only allowed with "stream": true')
  return 'include_usage' in options && options.include_usage === true
}

/** `Cache-Control` and the `x-smartflow-cache*` headers (C03). A ttl that is no whole number of seconds is refused. */
function readCacheControl(headers: CallHeaders): CacheControl {
  const control = (header(headers, 'cache-control') ?? '').toLowerCase()
  const skip = (header(headers, 'x-smartflow-cache') ?? '').toLowerCase() === 'skip'
  const ttl = header(headers, 'x-smartflow-cache-ttl')
  if (ttl !== undefined && !/^\d{1,8}$/.test(ttl))
    throw wrong('x-smartflow-cache-ttl', 'send a whole number of seconds')
  return {
    read: !skip && !control.includes('no-cache') && !control.includes('no-store'),
    write: !skip && !control.includes('no-store') && ttl !== '0',
    ttl: ttl === undefined ? undefined : Number(ttl),
    namespace: (header(headers, 'x-smartflow-cache-namespace') ?? '').slice(0, 256),
  }
}

function estimateTokens(messages: readonly JsonObject[], body: JsonBody): number {
  let tokens = 0
  for (const message of messages) tokens += TOKENS_PER_MESSAGE + contentTokens(message['content'])
  for (const name of ['tools', 'functions', 'response_format']) {
    const span = body.members.get(name)
    if (span) tokens += Math.ceil((span.end - span.start) / BYTES_PER_TOKEN)
  }
  return tokens
}

function contentTokens(content: unknown): number {
  if (typeof content === 'string') return Math.ceil(Buffer.byteLength(content) / BYTES_PER_TOKEN)
  if (!Array.isArray(content)) return 0
  let tokens = 0
  for (const part of content) {
    const text: unknown = part?.text
    tokens += typeof text === 'string' ? contentTokens(text) : TOKENS_PER_ATTACHMENT
  }
  return tokens
}

function header(headers: CallHeaders, name: string): string | undefined {
  const value = headers[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}

function optional(value: JsonObject, name: string, type: 'boolean'): boolean | undefined {
  const member = value[name]
  if (member === undefined || member === null) return undefined
  if (typeof member !== type) throw wrong(name, `send a ${type}`)
  return member === true
}

function count(value: JsonObject, name: string, most: number): number | undefined {
  const member = value[name]
  if (member === undefined || member === null) return undefined
  if (typeof member !== 'number' || !Number.isSafeInteger(member) || member < 1 || member > most) {
    throw wrong(name, `send a whole number from 1 to ${most} (got ${shown(member)})`)
  }
  return member
}

function range(value: JsonObject, name: string, low: number, high: number): number | undefined {
  const member = value[name]
  if (member === undefined || member === null) return undefined
  if (typeof member !== 'number' || member < low || member > high) {
    throw wrong(name, `send a number from ${low} to ${high} (got ${shown(member)})`)
  }
  return member
}

function shown(value: unknown): string {
  return String(JSON.stringify(value)).slice(0, 60)
}

function wrong(param: string, advice: string): Refusal {
  return new Refusal('request_invalid', `"${param}" is not usable: ${advice}.`, { param })
}
