// openai-node as a ModelClient.
import OpenAI, { APIError } from 'openai'
import { type Ask, type ClientKind, type ModelClient, raisedBy, type Said, WEATHER, weatherIn } from './client.ts'

type Message = OpenAI.ChatCompletionMessageParam
type Completion = OpenAI.ChatCompletion

const TOOL = {
  type: 'function' as const,
  function: { name: WEATHER.name, description: WEATHER.description, parameters: WEATHER.schema },
}

export const openaiNode: ClientKind = {
  name: 'openai-node',
  dialect: 'openai-chat',
  errors: {
    unauthorized: 'AuthenticationError',
    forbidden: 'PermissionDeniedError',
    'not-found': 'NotFoundError',
    limited: 'RateLimitError',
    'too-large': 'APIError',
    'bad-request': 'BadRequestError',
    'bad-gateway': 'InternalServerError',
    overloaded: 'InternalServerError',
  },
  connect: (base, token) => clientOf(new OpenAI({ baseURL: `${base}/v1`, apiKey: token, maxRetries: 0 })),
}

function clientOf(client: OpenAI): ModelClient {
  const ask = (asked: Ask): Promise<Said> => answer(client, asked, messagesOf(asked))
  return {
    ask,
    async loop(asked) {
      const messages = messagesOf(asked)
      const first = await answer(client, asked, messages)
      const calls = first.calls.map(({ id, name, input }) => ({
        id,
        type: 'function' as const,
        function: { name, arguments: JSON.stringify(input) },
      }))
      const results = first.calls.map(({ id, input }) => ({
        role: 'tool' as const,
        tool_call_id: id,
        content: weatherIn(input),
      }))
      return answer(client, asked, [...messages, { role: 'assistant', tool_calls: calls }, ...results])
    },
    raised: asked => raisedBy(ask(asked), error => ({ status: error instanceof APIError ? error.status : undefined })),
    async leave(asked) {
      const stream = client.chat.completions.stream({ ...bodyOf(asked, messagesOf(asked)), stream: true })
      for await (const { choices } of stream) {
        const piece = choices[0]?.delta.content
        if (!piece) continue
        stream.abort()
        return piece
      }
      return ''
    },
  }
}

async function answer(client: OpenAI, asked: Ask, messages: readonly Message[]): Promise<Said> {
  const body = bodyOf(asked, messages)
  if (!asked.stream) return saidBy(await client.chat.completions.create(body), 1)
  const stream = client.chat.completions.stream({ ...body, stream_options: { include_usage: true } })
  let pieces = 0
  stream.on('content', () => pieces++)
  return saidBy(await stream.finalChatCompletion(), pieces)
}

function bodyOf({ model, tools, maxTokens, stop }: Ask, messages: readonly Message[]) {
  return {
    model,
    messages: [...messages],
    ...(tools ? { tools: [TOOL] } : {}),
    ...(maxTokens === undefined ? {} : { max_tokens: maxTokens }),
    ...(stop === undefined ? {} : { stop }),
  }
}

function messagesOf({ text, system, image }: Ask): Message[] {
  const url = `data:image/png;base64,${image}`
  const parts = [
    { type: 'text' as const, text },
    { type: 'image_url' as const, image_url: { url } },
  ]
  return [
    ...(system === undefined ? [] : [{ role: 'system' as const, content: system }]),
    { role: 'user', content: image === undefined ? text : parts },
  ]
}

function saidBy({ choices, usage }: Completion, pieces: number): Said {
  const [choice] = choices
  return {
    text: choice?.message.content ?? '',
    pieces,
    calls: (choice?.message.tool_calls ?? []).flatMap(call =>
      call.type === 'function'
        ? [{ id: call.id, name: call.function.name, input: JSON.parse(call.function.arguments) }]
        : [],
    ),
    finish: choice?.finish_reason === 'tool_calls' ? 'tools' : choice?.finish_reason === 'length' ? 'length' : 'stop',
    tokens: {
      prompt: usage?.prompt_tokens ?? 0,
      cached: usage?.prompt_tokens_details?.cached_tokens ?? 0,
      completion: usage?.completion_tokens ?? 0,
    },
  }
}
