// Writes a neutral request as an OpenAI chat request.
import { hash } from 'node:crypto'
import type { JsonObject } from '../../../exchange/json.ts'
import type { NeutralRequest, NeutralTool, NeutralToolChoice } from '../../neutral.ts'
import type { Encoded, PassageTerms } from '../format.ts'
import { Losses } from '../losses.ts'
import { listIn, objectIn } from '../members.ts'
import { encodeMessages } from './encode-messages.ts'

/** Models that refuse `max_tokens`; other providers know no other name for it. */
const NEW_LIMIT = /^(?:gpt-(?!oss)|chatgpt-|o\d)/
/** Longer user names are refused by OpenAI. */
const MAX_USER = 64
/** Budgets of reasoning tokens up to which an effort stands for them. */
const EFFORTS = [
  { upTo: 2_048, effort: 'low' },
  { upTo: 12_288, effort: 'medium' },
  { upTo: Infinity, effort: 'high' },
] as const

/** Throws `request_invalid` Refusals for what chat completions cannot say. */
export function encodeRequest(request: NeutralRequest, terms: PassageTerms): Encoded {
  const losses = new Losses(request.foreign)
  const messages = encodeMessages(request, losses)
  if (request.topK !== undefined) losses.add('top_k')
  const { stream, tools } = request
  const body = compact({
    model: terms.model,
    messages,
    ...(tools.length === 0 ? {} : toolMembers(request, losses)),
    ...limitOf(request, terms.model),
    temperature: request.temperature,
    top_p: request.topP,
    stop: request.stop,
    reasoning_effort: effortOf(request, losses),
    response_format: answerOf(request.answer, losses),
    user: userOf(request.user),
    service_tier: request.serviceTier,
    ...(stream ? { stream, stream_options: terms.streamUsage ? { include_usage: true } : undefined } : {}),
  })
  return { body, headers: {}, dropped: losses.list() }
}

function compact(members: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined))
}

function limitOf({ maxTokens }: NeutralRequest, model: string): JsonObject {
  const name = model.slice(model.lastIndexOf('/') + 1)
  return { [NEW_LIMIT.test(name) ? 'max_completion_tokens' : 'max_tokens']: maxTokens }
}

function toolMembers({ tools, toolChoice, parallelTools }: NeutralRequest, losses: Losses): JsonObject {
  return {
    tools: tools.map(tool => encodeTool(tool, losses)),
    tool_choice: toolChoice && encodeToolChoice(toolChoice),
    parallel_tool_calls: parallelTools,
  }
}

function encodeTool({ name, description, schema, strict, cache }: NeutralTool, losses: Losses): JsonObject {
  if (cache !== undefined) losses.add('cache_control')
  return { type: 'function', function: compact({ name, description, parameters: schema, strict }) }
}

function encodeToolChoice(choice: NeutralToolChoice): unknown {
  return choice.kind === 'tool' ? { type: 'function', function: { name: choice.name } } : choice.kind
}

/** To switch it off, or to leave it to the model, says nothing: models that do not reason refuse any effort. */
function effortOf({ reasoning }: NeutralRequest, losses: Losses): string | undefined {
  if (reasoning?.off === true) losses.add('thinking')
  if (reasoning?.effort !== undefined || reasoning?.budgetTokens === undefined) return reasoning?.effort
  const { budgetTokens } = reasoning
  return EFFORTS.find(({ upTo }) => budgetTokens <= upTo)?.effort
}

function answerOf(answer: NeutralRequest['answer'], losses: Losses): JsonObject | undefined {
  if (answer === undefined) return undefined
  if (answer.kind === 'json') return { type: 'json_object' }
  const { name, schema } = answer
  const strict = answer.strict ?? fitsStrict(schema)
  if (answer.strict === undefined && !strict) losses.add('output_config.format (strict)')
  return { type: 'json_schema', json_schema: { name, schema, strict } }
}

/** OpenAI holds answers to schemas whose objects are closed and require all their members. */
function fitsStrict(schema: unknown): boolean {
  if (Array.isArray(schema)) return schema.every(fitsStrict)
  const object = objectIn(schema)
  if (!object) return true
  const properties = objectIn(object['properties'])
  if (properties) {
    const required = new Set(listIn(object['required']))
    if (object['additionalProperties'] !== false || !Object.keys(properties).every(name => required.has(name)))
      return false
  }
  return Object.values(object).every(fitsStrict)
}

/** The same name for the same user, within the length that is taken. */
function userOf(user: string | undefined): string | undefined {
  return user === undefined || user.length <= MAX_USER ? user : hash('sha256', user, 'hex')
}
