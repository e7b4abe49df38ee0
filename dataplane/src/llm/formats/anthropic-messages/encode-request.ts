// Writes a neutral request as a Messages request.
import type { JsonObject } from '../../../exchange/json.ts'
import type { NeutralRequest, NeutralTool, NeutralToolChoice } from '../../neutral.ts'
import type { Encoded, PassageTerms } from '../format.ts'
import { Losses } from '../losses.ts'
import { encodeMessages, encodeSystem } from './encode-messages.ts'
import { type ModelManners, modelManners } from './model-name.ts'
import { DEFAULT_VERSION } from './passage.ts'
import { encodeReasoning, type Reasoning } from './reasoning.ts'

/** A message must have a bound; OpenAI's callers need not send one. A cut answer says so by its stop reason. */
const DEFAULT_MAX_TOKENS = 4_096

const JSON_ONLY = 'Answer with one JSON object and nothing else.'

/** Throws `request_invalid` Refusals for what a message cannot say. A temperature above 1 becomes 1 and is named. */
export function encodeRequest(request: NeutralRequest, { model }: PassageTerms): Encoded {
  const losses = new Losses(request.foreign)
  const manners = modelManners(model)
  const reasoning = encodeReasoning(request, manners, losses)
  const { user, stream, answer } = request
  if (answer?.kind === 'json') losses.add('response_format')
  const body = compact({
    model,
    max_tokens: request.maxTokens ?? DEFAULT_MAX_TOKENS + reasoning.budget,
    system: encodeSystem(request, answer?.kind === 'json' ? [JSON_ONLY] : []),
    messages: encodeMessages(request, losses),
    ...toolMembers(request),
    ...sampling(request, manners, reasoning, losses),
    stop_sequences: stopOf(request, losses),
    thinking: reasoning.thinking,
    output_config: configOf(request, reasoning),
    metadata: user === undefined ? undefined : { user_id: user },
    service_tier: tierOf(request, losses),
    stream: stream ? true : undefined,
  })
  return { body, headers: { 'anthropic-version': DEFAULT_VERSION }, dropped: losses.list() }
}

function compact(members: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined))
}

/** A conversation with tool calls must declare tools: where the caller does not any more, they are, and none is called. */
function toolMembers(request: NeutralRequest): JsonObject {
  const { tools, toolChoice, parallelTools } = request
  if (tools.length === 0) {
    const called = calledTools(request)
    if (called.length === 0) return {}
    const schema = { type: 'object' }
    return { tools: called.map(name => ({ name, input_schema: schema })), tool_choice: { type: 'none' } }
  }
  return compact({ tools: tools.map(encodeTool), tool_choice: choiceOf(toolChoice, parallelTools === false) })
}

function choiceOf(choice: NeutralToolChoice | undefined, single: boolean): JsonObject | undefined {
  if (choice === undefined && !single) return undefined
  const bound = single ? { disable_parallel_tool_use: true } : {}
  switch (choice?.kind) {
    case 'none':
      return { type: 'none' }
    case 'required':
      return { type: 'any', ...bound }
    case 'tool':
      return { type: 'tool', name: choice.name, ...bound }
    default:
      return { type: 'auto', ...bound }
  }
}

function calledTools({ messages }: NeutralRequest): string[] {
  const names = messages.flatMap(({ parts }) => parts.flatMap(part => (part.kind === 'tool-call' ? [part.name] : [])))
  return [...new Set(names)]
}

function encodeTool({ name, description, schema, strict, cache }: NeutralTool): JsonObject {
  const typed = schema['type'] === undefined ? { type: 'object', ...schema } : schema
  return compact({ name, description, input_schema: typed, strict, cache_control: cache })
}

function sampling(
  { temperature, topP, topK }: NeutralRequest,
  manners: ModelManners,
  reasoning: Reasoning,
  losses: Losses,
): JsonObject {
  const said: JsonObject = compact({ temperature, top_p: topP, top_k: topK })
  // Models that think, and all newer ones, take no sampling parameters.
  if (!manners.samples || reasoning.thinking) {
    for (const name of Object.keys(said)) losses.add(name)
    return {}
  }
  if (temperature === undefined) return said
  if (temperature > 1) losses.add('temperature')
  // The API takes one of the two.
  if (topP !== undefined) losses.add('top_p')
  return compact({ temperature: Math.min(temperature, 1), top_k: topK })
}

function stopOf({ stop }: NeutralRequest, losses: Losses): readonly string[] | undefined {
  const usable = stop?.filter(sequence => sequence.trim() !== '')
  if (usable?.length !== stop?.length) losses.add('stop')
  return usable?.length === 0 ? undefined : usable
}

function configOf({ answer }: NeutralRequest, { effort }: Reasoning): JsonObject | undefined {
  const format = answer?.kind === 'schema' ? { type: 'json_schema', schema: answer.schema } : undefined
  return format === undefined && effort === undefined ? undefined : compact({ effort, format })
}

function tierOf({ serviceTier }: NeutralRequest, losses: Losses): string | undefined {
  if (serviceTier === undefined || serviceTier === 'auto') return serviceTier
  if (serviceTier === 'default') return 'standard_only'
  losses.add('service_tier')
  return undefined
}
