// Vercel's AI SDK as a ModelClient, with each of its providers that speaks a dialect of ours.
import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { APICallError, generateText, isStepCount, jsonSchema, type LanguageModel, streamText, tool } from 'ai'
import { type Ask, type ClientKind, type ModelClient, raisedBy, type Said, WEATHER, weatherIn } from './client.ts'

type Model = (name: string) => LanguageModel

/** It has one class for all answers that are no success. */
const ERRORS = {
  unauthorized: 'APICallError',
  forbidden: 'APICallError',
  'not-found': 'APICallError',
  limited: 'APICallError',
  'too-large': 'APICallError',
  'bad-request': 'APICallError',
  'bad-gateway': 'APICallError',
  overloaded: 'APICallError',
} as const

/** `createOpenAI().chat()`; without `.chat` it would call another endpoint. */
export const aiOpenai: ClientKind = {
  name: 'ai with @ai-sdk/openai',
  dialect: 'openai-chat',
  errors: ERRORS,
  connect: (base, token) => {
    const provider = createOpenAI({ baseURL: `${base}/v1`, apiKey: token })
    return clientOf(name => provider.chat(name))
  },
}

export const aiCompatible: ClientKind = {
  name: 'ai with @ai-sdk/openai-compatible',
  dialect: 'openai-chat',
  errors: ERRORS,
  connect: (base, token) =>
    clientOf(createOpenAICompatible({ name: 'smartflow', baseURL: `${base}/v1`, apiKey: token, includeUsage: true })),
}

export const aiAnthropic: ClientKind = {
  name: 'ai with @ai-sdk/anthropic',
  dialect: 'anthropic-messages',
  errors: ERRORS,
  connect: (base, token) => clientOf(createAnthropic({ baseURL: `${base}/v1`, apiKey: token })),
}

const weather = tool({
  description: WEATHER.description,
  inputSchema: jsonSchema<{ place: string }>(WEATHER.schema),
  execute: (input: { place: string }) => Promise.resolve(weatherIn(input)),
})

function clientOf(model: Model): ModelClient {
  const ask = (asked: Ask): Promise<Said> => answer(model, asked, 1)
  return {
    ask,
    loop: asked => answer(model, asked, 2),
    raised: asked =>
      raisedBy(ask(asked), error => ({ status: APICallError.isInstance(error) ? error.statusCode : undefined })),
    async leave(asked) {
      const controller = new AbortController()
      const { textStream } = streamText({
        ...settings(model, asked),
        abortSignal: controller.signal,
        onError: () => undefined,
      })
      for await (const piece of textStream) {
        controller.abort()
        return piece
      }
      return ''
    },
  }
}

async function answer(model: Model, asked: Ask, steps: number): Promise<Said> {
  const options = { ...settings(model, asked), stopWhen: isStepCount(steps) }
  if (!asked.stream) return saidBy((await generateText(options)).finalStep, 1)
  const failures: Error[] = []
  const onError = ({ error }: { error: unknown }): void =>
    void failures.push(error instanceof Error ? error : new Error(JSON.stringify(error)))
  const result = streamText({ ...options, onError })
  let pieces = 0
  for await (const _ of result.textStream) pieces++
  const [failure] = failures
  if (failure !== undefined) throw failure
  return saidBy(await result.finalStep, pieces)
}

function settings(model: Model, { model: name, text, system, image, tools, maxTokens, stop }: Ask) {
  const content = [
    { type: 'text' as const, text },
    ...(image === undefined ? [] : [{ type: 'file' as const, data: image, mediaType: 'image/png' }]),
  ]
  return {
    model: model(name),
    maxRetries: 0,
    messages: [{ role: 'user' as const, content }],
    ...(system === undefined ? {} : { instructions: system }),
    ...(tools ? { tools: { weather } } : {}),
    ...(maxTokens === undefined ? {} : { maxOutputTokens: maxTokens }),
    ...(stop === undefined ? {} : { stopSequences: [stop] }),
  }
}

interface Result {
  readonly text: string
  readonly toolCalls: readonly { toolCallId: string; toolName: string; input: unknown }[]
  readonly finishReason: string
  readonly usage: {
    readonly inputTokens: number | undefined
    readonly outputTokens: number | undefined
    readonly inputTokenDetails: { readonly cacheReadTokens: number | undefined }
  }
}

function saidBy({ text, toolCalls, finishReason, usage }: Result, pieces: number): Said {
  return {
    text,
    pieces,
    calls: toolCalls.map(({ toolCallId: id, toolName: name, input }) => ({ id, name, input: Object(input) })),
    finish: finishReason === 'tool-calls' ? 'tools' : finishReason === 'length' ? 'length' : 'stop',
    tokens: {
      prompt: usage.inputTokens ?? 0,
      cached: usage.inputTokenDetails.cacheReadTokens ?? 0,
      completion: usage.outputTokens ?? 0,
    },
  }
}
