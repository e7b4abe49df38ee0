// Reads an Anthropic Messages request: checks what the gateway acts on, carries the rest along untouched (L02).
import type { Call, CallHeaders } from '../../../exchange/call.ts'
import { type JsonBody, type JsonObject, readJson } from '../../../exchange/json.ts'
import { readHeaders } from '../call-headers.ts'
import { contentTokens, memberTokens, TOKENS_PER_MESSAGE } from '../prompt-estimate.ts'
import { flag, numberWithin, readMessageList, readModel, wholeNumber, wrong } from '../request-members.ts'
import { anthropicMessages } from './dialect.ts'
import { askedModel, withoutSuffix } from './model-name.ts'

/** A call out of the body of `POST /v1/messages`. Throws `body_invalid` or `request_invalid` Refusals. */
export function readMessages(bytes: Buffer, headers: CallHeaders): Call {
  const call = read(bytes, headers, 'chat')
  if (call.maxTokens === undefined) throw wrong('max_tokens', 'it is required: send a whole number of tokens')
  return call
}

/** A call out of the body of `POST /v1/messages/count_tokens`: the same without `max_tokens`. */
export function readCountTokens(bytes: Buffer, headers: CallHeaders): Call {
  return { ...read(bytes, headers, 'count-tokens'), streams: false }
}

function read(bytes: Buffer, headers: CallHeaders, operation: Call['operation']): Call {
  const body = readJson(bytes)
  const { value } = body
  const model = readModel(withoutSuffix(askedModel(value, headers)), 'claude-sonnet-4-5')
  const messages = readMessageList(value)
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
    ...readHeaders(headers),
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
