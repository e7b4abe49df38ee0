// Reads an OpenAI chat completion request: checks what the gateway acts on, carries the rest along untouched (L01).
import type { Call, CallHeaders } from '../../../exchange/call.ts'
import { type JsonBody, type JsonObject, readJson } from '../../../exchange/json.ts'
import { header, readHeaders } from '../call-headers.ts'
import { contentTokens, memberTokens, TOKENS_PER_MESSAGE } from '../prompt-estimate.ts'
import { flag, numberWithin, readMessageList, readModel, wholeNumber, wrong } from '../request-members.ts'
import { openaiChat } from './dialect.ts'

/** The most answers that OpenAI gives to one call. */
const MAX_CHOICES = 128

/** A call out of the body of `POST /v1/chat/completions`. Throws `body_invalid` or `request_invalid` Refusals. */
export function readChat(bytes: Buffer, headers: CallHeaders): Call {
  const body = readJson(bytes)
  const { value } = body
  const model = readModel(header(headers, 'x-smartflow-model') ?? value['model'], 'gpt-4o')
  const messages = readMessageList(value)
  const streams = flag(value, 'stream') ?? false
  return {
    dialect: openaiChat,
    operation: 'chat',
    model,
    streams,
    wantsUsage: readWantsUsage(value, streams),
    choices: wholeNumber(value, 'n', { most: MAX_CHOICES }) ?? 1,
    maxTokens: wholeNumber(value, 'max_completion_tokens') ?? wholeNumber(value, 'max_tokens'),
    temperature: numberWithin(value, 'temperature', 0, 2),
    body,
    headers,
    ...readHeaders(headers),
    estimatedPromptTokens: estimateTokens(messages, body),
  }
}

function readWantsUsage(value: JsonObject, streams: boolean): boolean {
  const options = value['stream_options']
  if (options === undefined || options === null) return false
  if (typeof options !== 'object' || Array.isArray(options)) throw wrong('stream_options', 'send an object')
  if (!streams) throw wrong('stream_options', 'it is only allowed with "stream": true')
  return 'include_usage' in options && options.include_usage === true
}

function estimateTokens(messages: readonly JsonObject[], body: JsonBody): number {
  let tokens = memberTokens(body, ['tools', 'functions', 'response_format'])
  for (const message of messages) tokens += TOKENS_PER_MESSAGE + contentTokens(message['content'])
  return tokens
}
