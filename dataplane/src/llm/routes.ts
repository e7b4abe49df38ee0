// The HTTP surface of the LLM protocol.
import type { ApiRoute, CallRoute, Route } from '../exchange/route.ts'
import { Refusal } from '../exchange/refusal.ts'
import { openaiChat } from './formats/openai-chat/dialect.ts'
import { readChat } from './formats/openai-chat/read.ts'
import { listModels } from './models.ts'

const chat: CallRoute = {
  kind: 'call',
  listeners: ['proxy'],
  method: 'POST',
  path: '/v1/chat/completions',
  dialect: openaiChat,
  read: readChat,
}

const models: ApiRoute = {
  kind: 'api',
  listeners: ['proxy'],
  method: 'GET',
  path: '/v1/models',
  access: 'key',
  answer: ({ presented }) => ({ status: 200, body: { object: 'list', data: presented ? listModels(presented) : [] } }),
}

const model: ApiRoute = {
  kind: 'api',
  listeners: ['proxy'],
  method: 'GET',
  path: '/v1/models/:model',
  access: 'key',
  answer({ presented, params }) {
    const found = presented && listModels(presented).find(({ id }) => id === params['model'])
    if (!found)
      throw new Refusal(
        'model_not_found',
        `The model "${params['model'] ?? ''}" is not in the list of this key; see GET /v1/models.`,
        { param: 'model' },
      )
    return { status: 200, body: found }
  },
}

/** Chat completions and the model list (L01, L07). */
export const llmRoutes: readonly Route[] = [chat, models, model]
