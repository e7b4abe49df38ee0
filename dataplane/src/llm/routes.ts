// The HTTP surface of the LLM protocol.
import type { Dialect } from '../exchange/dialect.ts'
import type { Answer, ApiRequest, ApiRoute, CallRoute, Route } from '../exchange/route.ts'
import { Refusal } from '../exchange/refusal.ts'
import { anthropicMessages } from './formats/anthropic-messages/dialect.ts'
import { readCountTokens, readMessages } from './formats/anthropic-messages/read.ts'
import { openaiChat } from './formats/openai-chat/dialect.ts'
import { readChat } from './formats/openai-chat/read.ts'
import { listModels, type Model } from './models.ts'

function call(path: string, dialect: Dialect, read: CallRoute['read']): CallRoute {
  return { kind: 'call', listeners: ['proxy'], method: 'POST', path, dialect, read }
}

function api(path: string, access: ApiRoute['access'], answer: ApiRoute['answer']): ApiRoute {
  return { kind: 'api', listeners: ['proxy'], method: 'GET', path, access, answer }
}

/** Entries of a page of models, at most and when nothing is said. */
const MAX_PAGE = 1_000

/** Callers who name an Anthropic version get Anthropic's page; others OpenAI's list. The entries are the same. */
function models({ presented, headers, query }: ApiRequest): Answer {
  const all = presented ? listModels(presented) : []
  if (headers['anthropic-version'] === undefined) return { status: 200, body: { object: 'list', data: all } }
  return { status: 200, body: pageOf(all, query) }
}

/** A page as Anthropic's clients walk them: behind `after_id`, or before `before_id`; of an unknown id, nothing. */
function pageOf(all: readonly Model[], query: URLSearchParams): object {
  const asked = Number(query.get('limit') ?? MAX_PAGE)
  const limit = Number.isSafeInteger(asked) && asked > 0 ? Math.min(asked, MAX_PAGE) : MAX_PAGE
  const [after, before] = [query.get('after_id'), query.get('before_id')]
  const place = (id: string): number => all.findIndex(model => model.id === id)
  let rest = all
  if (after !== null) rest = place(after) < 0 ? [] : all.slice(place(after) + 1)
  else if (before !== null) rest = all.slice(0, Math.max(0, place(before)))
  const data = before !== null && after === null ? rest.slice(-limit) : rest.slice(0, limit)
  const ends = { first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null }
  return { data, has_more: data.length < rest.length, ...ends }
}

function model({ presented, params }: ApiRequest): Answer {
  const found = presented && listModels(presented).find(({ id }) => id === params['model'])
  if (!found)
    throw new Refusal(
      'model_not_found',
      `The model "${params['model'] ?? ''}" is not in the list of this key; see GET /v1/models.`,
      { param: 'model' },
    )
  return { status: 200, body: found }
}

/** The paths under which Anthropic's API is served: its own, and one of ours that no other API has (L02). */
const ANTHROPIC = ['/v1/messages', '/anthropic/v1/messages']

/** Chat completions, messages and the model list (L01, L02, L07). */
export const llmRoutes: readonly Route[] = [
  call('/v1/chat/completions', openaiChat, readChat),
  ...ANTHROPIC.map(path => call(path, anthropicMessages, readMessages)),
  ...ANTHROPIC.map(path => call(`${path}/count_tokens`, anthropicMessages, readCountTokens)),
  api('/v1/models', 'key', models),
  api('/anthropic/v1/models', 'key', models),
  api('/v1/models/:model', 'key', model),
  api('/anthropic/v1/models/:model', 'key', model),
  // Claude Code asks for `HEAD /` to see whether anybody is there.
  api('/', 'public', () => ({ status: 200, body: { name: 'smartflow', status: 'ok' } })),
  api('/anthropic', 'public', () => ({ status: 200, body: { name: 'smartflow', status: 'ok' } })),
]
