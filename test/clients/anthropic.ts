// @anthropic-ai/sdk as a ModelClient: with the version and the credential header of today, and with those of before.
import Anthropic, { APIError } from '@anthropic-ai/sdk'
import { type Ask, type ClientKind, type ModelClient, raisedBy, type Said, WEATHER, weatherIn } from './client.ts'

const ERRORS = {
  unauthorized: 'AuthenticationError',
  forbidden: 'PermissionDeniedError',
  'not-found': 'NotFoundError',
  limited: 'RateLimitError',
  'too-large': 'ContentTooLargeError',
  'bad-request': 'BadRequestError',
  'bad-gateway': 'InternalServerError',
  overloaded: 'OverloadedError',
} as const
/** Anthropic wants a bound. */
const MAX_TOKENS = 1_000

const TOOL = { name: WEATHER.name, description: WEATHER.description, input_schema: WEATHER.schema }

/** As it comes: version 2026-10-21, the key as a bearer. */
export const anthropicNode: ClientKind = {
  name: '@anthropic-ai/sdk',
  dialect: 'anthropic-messages',
  errors: ERRORS,
  connect: (base, token) => clientOf(new Anthropic({ baseURL: base, apiKey: token, maxRetries: 0 })),
}

/** As older ones speak: version 2023-06-01, the key in x-api-key, the path of ours that no other API has. */
export const anthropicNodeBefore: ClientKind = {
  ...anthropicNode,
  name: '@anthropic-ai/sdk with version 2023-06-01 and x-api-key',
  connect: (base, token) =>
    clientOf(
      new Anthropic({
        baseURL: `${base}/anthropic`,
        apiKey: token,
        maxRetries: 0,
        defaultHeaders: { authorization: null, 'x-api-key': token, 'anthropic-version': '2023-06-01' },
      }),
    ),
}

type Message = Anthropic.MessageParam

function clientOf(client: Anthropic): ModelClient {
  const ask = (asked: Ask): Promise<Said> => answer(client, asked, [messageOf(asked)]).then(({ said }) => said)
  return {
    ask,
    async loop(asked) {
      const message = messageOf(asked)
      const { said, content } = await answer(client, asked, [message])
      const results = said.calls.map(({ id, input }) => ({
        type: 'tool_result' as const,
        tool_use_id: id,
        content: weatherIn(input),
      }))
      const turns: Message[] = [
        { role: 'assistant', content },
        { role: 'user', content: results },
      ]
      return answer(client, asked, [message, ...turns]).then(({ said: last }) => last)
    },
    raised: asked => raisedBy(ask(asked), error => ({ status: error instanceof APIError ? error.status : undefined })),
    async leave(asked) {
      const stream = client.messages.stream(bodyOf(asked, [messageOf(asked)]))
      for await (const event of stream) {
        if (event.type !== 'content_block_delta' || event.delta.type !== 'text_delta') continue
        stream.abort()
        return event.delta.text
      }
      return ''
    },
  }
}

async function answer(
  client: Anthropic,
  asked: Ask,
  messages: readonly Message[],
): Promise<{ said: Said; content: Anthropic.ContentBlock[] }> {
  const body = bodyOf(asked, messages)
  let pieces = 1
  let message: Anthropic.Message
  if (asked.stream) {
    const stream = client.messages.stream(body)
    pieces = 0
    stream.on('text', () => pieces++)
    message = await stream.finalMessage()
  } else message = await client.messages.create(body)
  return { said: saidBy(message, pieces), content: message.content }
}

function bodyOf({ model, system, tools, maxTokens = MAX_TOKENS, stop }: Ask, messages: readonly Message[]) {
  return {
    model,
    messages: [...messages],
    max_tokens: maxTokens,
    ...(system === undefined ? {} : { system }),
    ...(tools ? { tools: [TOOL] } : {}),
    ...(stop === undefined ? {} : { stop_sequences: [stop] }),
  }
}

function messageOf({ text, image }: Ask): Message {
  if (image === undefined) return { role: 'user', content: text }
  const source = { type: 'base64' as const, media_type: 'image/png' as const, data: image }
  return {
    role: 'user',
    content: [
      { type: 'image', source },
      { type: 'text', text },
    ],
  }
}

function saidBy({ content, stop_reason: reason, usage }: Anthropic.Message, pieces: number): Said {
  const cached = usage.cache_read_input_tokens ?? 0
  return {
    text: content.flatMap(block => (block.type === 'text' ? [block.text] : [])).join(''),
    pieces,
    calls: content.flatMap(block =>
      block.type === 'tool_use' ? [{ id: block.id, name: block.name, input: Object(block.input) }] : [],
    ),
    finish: reason === 'tool_use' ? 'tools' : reason === 'max_tokens' ? 'length' : 'stop',
    tokens: {
      prompt: usage.input_tokens + cached + (usage.cache_creation_input_tokens ?? 0),
      cached,
      completion: usage.output_tokens,
    },
  }
}
