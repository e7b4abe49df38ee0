// The wire formats that an AIProvider can name. Some are called like the providers who made them; no code branches on
// those names.
import { z } from 'zod'
import { laterValues } from './later.ts'

/** What an endpoint speaks, when that is not what its preset says. */
export const Format = laterValues(
  z
    .enum(['OpenAIChat', 'OpenAIResponses', 'AnthropicMessages', 'Gemini', 'BedrockConverse', 'Cohere'])
    .describe('What the endpoint speaks, when that is not what its preset says.'),
  ['OpenAIResponses', 'Gemini', 'BedrockConverse', 'Cohere'],
)
