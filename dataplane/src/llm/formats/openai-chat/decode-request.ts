// Reads an OpenAI chat request into the neutral form. What the neutral form has no words for is named or refused.
import type { JsonObject } from '../../../exchange/json.ts'
import type { NeutralRequest, NeutralTool, NeutralToolChoice } from '../../neutral.ts'
import { Losses, untranslatable } from '../losses.ts'
import { listIn, member, objectIn, textIn } from '../members.ts'
import { flag, numberWithin, wholeNumber, wrong } from '../request-members.ts'
import { decodeMessages } from './decode-messages.ts'

/** Members that are read below, or say nothing beyond the stream. */
const READ = new Set([
  'model',
  'messages',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'stream',
  'stream_options',
  'max_tokens',
  'max_completion_tokens',
  'temperature',
  'top_p',
  'top_k',
  'stop',
  'reasoning_effort',
  'response_format',
  'user',
  'safety_identifier',
  'service_tier',
  'n',
  'modalities',
])

/** Without these the caller would get something else than was asked for. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  ['audio', 'the provider of this model gives no sound'],
  ['functions', 'it is superseded by "tools"'],
  ['function_call', 'it is superseded by "tool_choice"'],
  ['web_search_options', 'the provider of this model does not search for this format'],
])

/** Members that say nothing at these values. */
const WITHOUT_EFFECT: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['frequency_penalty', 0],
  ['presence_penalty', 0],
  ['store', false],
  ['logprobs', false],
])

/** Throws `request_invalid` Refusals. */
export function decodeRequest(body: JsonObject): NeutralRequest {
  const losses = new Losses()
  refuse(body)
  for (const [name, value] of Object.entries(body)) {
    if (value !== null && value !== WITHOUT_EFFECT.get(name) && !READ.has(name)) losses.add(name)
  }
  const { system, messages } = decodeMessages(body, losses)
  return {
    model: textIn(body['model']) ?? '',
    system,
    messages,
    tools: listIn(body['tools']).map(decodeTool),
    stream: body['stream'] === true,
    ...settings(body),
    foreign: losses.list(),
  }
}

function refuse(body: JsonObject): void {
  for (const [name, why] of REFUSED) {
    if (body[name] !== undefined && body[name] !== null) throw untranslatable(name, why)
  }
  if ((wholeNumber(body, 'n') ?? 1) > 1) throw untranslatable('n', 'the provider of this model gives one answer a call')
  if (listIn(body['modalities']).some(kind => kind !== 'text')) {
    throw untranslatable('modalities', 'the provider of this model answers in text')
  }
}

/** The scalar members; absent ones stay absent. */
function settings(body: JsonObject): Partial<NeutralRequest> {
  const maxTokens = wholeNumber(body, 'max_completion_tokens') ?? wholeNumber(body, 'max_tokens')
  const user = textIn(body['user']) ?? textIn(body['safety_identifier'])
  const serviceTier = textIn(body['service_tier'])
  return defined({
    toolChoice: decodeToolChoice(body['tool_choice']),
    parallelTools: flag(body, 'parallel_tool_calls'),
    maxTokens,
    temperature: numberWithin(body, 'temperature', 0, 2),
    topP: numberWithin(body, 'top_p', 0, 1),
    topK: wholeNumber(body, 'top_k'),
    stop: decodeStop(body['stop']),
    reasoning: decodeReasoning(body['reasoning_effort']),
    answer: decodeAnswer(body['response_format']),
    user,
    serviceTier,
  })
}

/** Without the members that are undefined. */
function defined(members: {
  [Name in keyof NeutralRequest]?: NeutralRequest[Name] | undefined
}): Partial<NeutralRequest> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined))
}

function decodeTool(tool: unknown, index: number): NeutralTool {
  const declared = member(tool, 'function')
  const name = textIn(member(declared, 'name'))
  if (member(tool, 'type') !== 'function' || name === undefined) {
    throw untranslatable(`tools[${index}]`, 'only tools of type "function" with a name are known to other providers')
  }
  const description = textIn(member(declared, 'description'))
  const strict = member(declared, 'strict')
  const cache = member(tool, 'cache_control')
  return {
    name,
    ...(description === undefined ? {} : { description }),
    schema: objectIn(member(declared, 'parameters')) ?? { type: 'object', properties: {} },
    ...(typeof strict === 'boolean' ? { strict } : {}),
    ...(cache === undefined || cache === null ? {} : { cache }),
  }
}

function decodeToolChoice(choice: unknown): NeutralToolChoice | undefined {
  if (choice === undefined || choice === null) return undefined
  if (choice === 'auto' || choice === 'none' || choice === 'required') return { kind: choice }
  const name = textIn(member(member(choice, 'function'), 'name'))
  if (member(choice, 'type') === 'function' && name !== undefined) return { kind: 'tool', name }
  throw untranslatable('tool_choice', 'only "auto", "none", "required" and a function by its name are known to others')
}

function decodeStop(stop: unknown): readonly string[] | undefined {
  if (stop === undefined || stop === null) return undefined
  const sequences = typeof stop === 'string' ? [stop] : listIn(stop)
  if (!sequences.every(sequence => typeof sequence === 'string')) throw wrong('stop', 'send a text or a list of texts')
  return sequences.length === 0 ? undefined : sequences
}

function decodeReasoning(effort: unknown): NeutralRequest['reasoning'] | undefined {
  if (effort === undefined || effort === null) return undefined
  if (typeof effort !== 'string') throw wrong('reasoning_effort', 'send a text, for example "low"')
  return effort === 'none' ? { off: true } : { effort }
}

function decodeAnswer(format: unknown): NeutralRequest['answer'] | undefined {
  const type = member(format, 'type') ?? 'text'
  if (type === 'text') return undefined
  if (type === 'json_object') return { kind: 'json' }
  const declared = member(format, 'json_schema')
  const schema = objectIn(member(declared, 'schema'))
  if (type !== 'json_schema' || !schema) {
    throw wrong('response_format', 'its "type" is "text", "json_object", or "json_schema" with a "schema"')
  }
  const strict = member(declared, 'strict')
  return {
    kind: 'schema',
    name: textIn(member(declared, 'name')) ?? 'answer',
    schema,
    ...(typeof strict === 'boolean' ? { strict } : {}),
  }
}
