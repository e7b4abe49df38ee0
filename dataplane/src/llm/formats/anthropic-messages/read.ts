// Reads an Anthropic Messages request: checks what the gateway acts on, carries the rest along untouched (L02).
import type { Call, CallHeaders } from '../../../exchange/call.ts'
import { type JsonBody, type JsonObject, readJson } from '../../../exchange/json.ts'
import { readHeaders } from '../call-headers.ts'
import { member } from '../members.ts'
import { contentTokens, memberTokens, TOKENS_PER_MESSAGE } from '../prompt-estimate.ts'
import { flag, numberWithin, readMessageList, readModel, wholeNumber, wrong } from '../request-members.ts'
import { anthropicMessages } from './dialect.ts'
import { askedModel, withoutSuffix } from './model-name.ts'

/** A call out of the body of `POST /v1/messages`. Throws `body_invalid` or `request_invalid` Refusals. */
export function readMessages(bytes: Buffer, headers: CallHeaders, query = ''): Call {
  const call = { ...read(bytes, headers, 'chat'), ...betaIn(query) }
  if (call.maxTokens === undefined) throw wrong('max_tokens', 'it is required: send a whole number of tokens')
  return call
}

/** A call out of the body of `POST /v1/messages/count_tokens`: the same without `max_tokens`. */
export function readCountTokens(bytes: Buffer, headers: CallHeaders, query = ''): Call {
  return { ...read(bytes, headers, 'count-tokens'), ...betaIn(query), streams: false }
}

/** The one parameter that the API knows. Nothing else of a caller's query reaches a provider. */
function betaIn(query: string): Pick<Call, 'query'> {
  return query.split('&').includes('beta=true') ? { query: 'beta=true' } : {}
}

function read(bytes: Buffer, headers: CallHeaders, operation: Call['operation']): Call {
  const body = readJson(bytes)
  const { value } = body
  const model = readModel(withoutSuffix(askedModel(value, headers)), 'claude-sonnet-4-5')
  const thread = member(value['thread'], 'type')
  // Its provider holds what was said before; an answer that paused goes on without a word.
  const messages = readMessageList(value, thread === 'continue' ? 0 : 1)
  const wishes = readHeaders(headers)
  checkSystem(value['system'])
  return {
    dialect: anthropicMessages,
    operation,
    model,
    streams: flag(value, 'stream') ?? false,
    wantsUsage: true,
    choices: 1,
    // 0 fills the provider's prompt cache and generates nothing.
    maxTokens: wholeNumber(value, 'max_tokens', { least: 0 }),
    temperature: numberWithin(value, 'temperature', 0, 1),
    body,
    headers,
    ...wishes,
    // What a thread's call is answered depends on what the provider holds, and changes it.
    ...(thread === undefined ? {} : { cacheControl: { ...wishes.cacheControl, read: false, write: false } }),
    estimatedPromptTokens: estimateTokens(messages, body),
  }
}

function checkSystem(system: unknown): void {
  if (system === undefined || system === null || typeof system === 'string') return
  if (!Array.isArray(system)) throw wrong('system', 'send a text or a list of text blocks')
  for (const [index, block] of system.entries()) {
    if (typeof block !== 'object' || block === null || typeof block.text !== 'string') {
      throw wrong(`system[${index}]`, 'each block is an object with "type": "text" and a "text"')
    }
  }
}

function estimateTokens(messages: readonly JsonObject[], body: JsonBody): number {
  let tokens = contentTokens(body.value['system']) + memberTokens(body, ['tools', 'output_config', 'mcp_servers'])
  for (const message of messages) tokens += TOKENS_PER_MESSAGE + contentTokens(message['content'])
  return tokens
}
