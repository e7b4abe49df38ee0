// Reads a Messages request into the neutral form. What the neutral form has no words for is named or refused.
import type { CallHeaders } from '../../../exchange/call.ts'
import type { JsonObject } from '../../../exchange/json.ts'
import { Refusal } from '../../../exchange/refusal.ts'
import type { NeutralRequest, NeutralTool, NeutralToolChoice } from '../../neutral.ts'
import { header } from '../call-headers.ts'
import { Losses, untranslatable } from '../losses.ts'
import { listIn, member, objectIn, shown, textIn } from '../members.ts'
import { numberWithin, wholeNumber, wrong } from '../request-members.ts'
import { decodeConversation } from './decode-messages.ts'

/** From this version on the API knows no sampling parameters. */
const WITHOUT_SAMPLING = '2026-10-21'
const SAMPLING = ['temperature', 'top_p', 'top_k'] as const

/** Members that are read below. */
const READ = new Set([
  'model',
  'messages',
  'system',
  'max_tokens',
  'stream',
  ...SAMPLING,
  'stop_sequences',
  'tools',
  'tool_choice',
  'thinking',
  'output_config',
  'metadata',
  'service_tier',
])
/** Without these the caller would get something else than was asked for. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  ['mcp_servers', 'the provider of this model calls no MCP servers itself'],
  ['container', 'the provider of this model has no containers'],
])
const TOOL_MEMBERS = new Set(['type', 'name', 'description', 'input_schema', 'strict', 'cache_control'])

/** Throws `request_invalid` Refusals. */
export function decodeRequest(body: JsonObject, headers: CallHeaders): NeutralRequest {
  const losses = new Losses()
  refuse(body, headers)
  for (const [name, value] of Object.entries(body)) if (value !== null && !READ.has(name)) losses.add(name)
  const { system, messages } = decodeConversation(body, losses)
  return {
    model: textIn(body['model']) ?? '',
    system,
    messages,
    tools: listIn(body['tools']).map((tool, index) => decodeTool(tool, index, losses)),
    stream: body['stream'] === true,
    ...settings(body, losses),
    foreign: losses.list(),
  }
}

function refuse(body: JsonObject, headers: CallHeaders): void {
  for (const [name, why] of REFUSED) {
    if (body[name] !== undefined && body[name] !== null) throw untranslatable(name, why)
  }
  const thread = member(body['thread'], 'type')
  if (thread !== undefined) throw unthreaded(thread)
  if (body['max_tokens'] === 0)
    throw untranslatable('max_tokens', 'the provider of this model has no prompt cache to fill')
  const version = header(headers, 'anthropic-version') ?? ''
  const sampling = SAMPLING.find(name => body[name] !== undefined)
  if (version >= WITHOUT_SAMPLING && sampling !== undefined) {
    throw wrong(sampling, `anthropic-version ${shown(version)} does not know it; leave it out`)
  }
}

/** Clients go on without a thread, and send the whole conversation, when they are told so by these codes. */
function unthreaded(type: unknown): Refusal {
  const message = 'The provider of this model holds no conversations: send all messages, without "thread".'
  const code = type === 'continue' ? 'thread_not_found' : 'thread_unsupported_request'
  return new Refusal('request_invalid', message, { param: 'thread', code })
}

function settings(body: JsonObject, losses: Losses): Partial<NeutralRequest> {
  const choice = body['tool_choice']
  const config = objectIn(body['output_config'])
  for (const name of Object.keys(config ?? {})) {
    if (name !== 'effort' && name !== 'format') losses.add(`output_config.${name}`)
  }
  for (const name of Object.keys(objectIn(body['metadata']) ?? {}))
    if (name !== 'user_id') losses.add(`metadata.${name}`)
  return defined({
    toolChoice: decodeToolChoice(choice),
    parallelTools: member(choice, 'disable_parallel_tool_use') === true ? false : undefined,
    maxTokens: wholeNumber(body, 'max_tokens'),
    temperature: numberWithin(body, 'temperature', 0, 1),
    topP: numberWithin(body, 'top_p', 0, 1),
    topK: wholeNumber(body, 'top_k', { least: 0 }),
    stop: decodeStop(body['stop_sequences']),
    reasoning: decodeReasoning(body['thinking'], config?.['effort'], losses),
    answer: decodeAnswer(config?.['format']),
    user: textIn(member(body['metadata'], 'user_id')),
    serviceTier: decodeTier(body['service_tier'], losses),
  })
}

function defined(members: {
  [Name in keyof NeutralRequest]?: NeutralRequest[Name] | undefined
}): Partial<NeutralRequest> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined))
}

function decodeTool(value: unknown, index: number, losses: Losses): NeutralTool {
  const at = `tools[${index}]`
  const tool = objectIn(value) ?? {}
  const type = tool['type'] ?? 'custom'
  if (type !== 'custom') throw untranslatable(at, `the tool ${shown(type)} is not known to other providers`)
  const name = textIn(tool['name'])
  const schema = objectIn(tool['input_schema'])
  if (name === undefined || !schema) throw wrong(at, 'a tool has a "name" and an "input_schema"')
  for (const [member, said] of Object.entries(tool)) {
    if (!TOOL_MEMBERS.has(member) && said !== null) losses.add(`tools.${member}`)
  }
  const { description, strict, cache_control: cache } = tool
  return {
    name,
    ...(typeof description === 'string' ? { description } : {}),
    schema,
    ...(typeof strict === 'boolean' ? { strict } : {}),
    ...(cache === undefined || cache === null ? {} : { cache }),
  }
}

function decodeToolChoice(choice: unknown): NeutralToolChoice | undefined {
  if (choice === undefined || choice === null) return undefined
  const name = textIn(member(choice, 'name'))
  switch (member(choice, 'type')) {
    case 'auto':
      return { kind: 'auto' }
    case 'none':
      return { kind: 'none' }
    case 'any':
      return { kind: 'required' }
    case 'tool':
      if (name !== undefined) return { kind: 'tool', name }
      break
    default:
  }
  throw wrong('tool_choice', 'its "type" is "auto", "any", "none", or "tool" with a "name"')
}

function decodeStop(stop: unknown): readonly string[] | undefined {
  const sequences = listIn(stop)
  if (!sequences.every(sequence => typeof sequence === 'string')) throw wrong('stop_sequences', 'send a list of texts')
  return sequences.length === 0 ? undefined : sequences
}

function decodeReasoning(thinking: unknown, effort: unknown, losses: Losses): NeutralRequest['reasoning'] | undefined {
  const named = typeof effort === 'string' ? { effort } : {}
  const budget = member(thinking, 'budget_tokens')
  switch (member(thinking, 'type')) {
    case 'enabled':
      return { ...named, ...(typeof budget === 'number' ? { budgetTokens: budget } : {}) }
    case 'disabled':
      return { ...named, off: true }
    case 'adaptive':
      return named
    case undefined:
      return typeof effort === 'string' ? named : undefined
    default:
      losses.add('thinking')
      return named
  }
}

function decodeAnswer(format: unknown): NeutralRequest['answer'] | undefined {
  if (format === undefined || format === null) return undefined
  const schema = objectIn(member(format, 'schema'))
  if (member(format, 'type') !== 'json_schema' || !schema) {
    throw wrong('output_config.format', 'its "type" is "json_schema" and it has a "schema"')
  }
  return { kind: 'schema', name: 'answer', schema }
}

function decodeTier(tier: unknown, losses: Losses): string | undefined {
  if (tier === undefined || tier === null) return undefined
  if (tier === 'standard_only') return 'default'
  if (tier === 'auto') return 'auto'
  losses.add('service_tier')
  return undefined
}
