// The wire formats that the gateway speaks.
import type { FormatName } from '../../exchange/dialect.ts'
import { anthropicMessagesFormat } from './anthropic-messages/format.ts'
import type { Format } from './format.ts'
import { openaiChatFormat } from './openai-chat/format.ts'

/** By name, as providers' rows and dialects say it. */
export const FORMATS: Readonly<Record<FormatName, Format>> = {
  'openai-chat': openaiChatFormat,
  'anthropic-messages': anthropicMessagesFormat,
}
