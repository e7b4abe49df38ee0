// What Anthropic's Messages API refuses, in its words: a request that passes here would be taken there.
import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Door, Refused } from './upstream.ts'

type Body = Record<string, unknown>

const VERSIONS = new Set(['2023-06-01', '2026-10-21'])
const MEMBERS = new Set(
  (
    'model messages max_tokens system stream stop_sequences temperature top_p top_k tools tool_choice thinking ' +
    'output_config metadata service_tier container mcp_servers cache_control inference_geo thread'
  ).split(' '),
)
const COUNTED = new Set('model messages system tools tool_choice thinking output_config cache_control'.split(' '))
const USER_BLOCKS = new Set(['text', 'image', 'document', 'search_result', 'tool_result'])
const ASSISTANT_BLOCKS = new Set(['text', 'thinking', 'redacted_thinking', 'tool_use', 'server_tool_use'])
const MEDIA = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp'])
const SAMPLING = ['temperature', 'top_p', 'top_k']
const MAX_BREAKPOINTS = 4

class Wrong extends Error {
  readonly status: number
  readonly type: string

  constructor(words: string, status = 400, type = 'invalid_request_error') {
    super(words)
    this.status = status
    this.type = type
  }
}

/** The door of a provider that knows its own thoughts by `secret`. */
export function messagesDoor(secret: string): Door {
  return (request, sent, body) => {
    try {
      checkHead(request, sent)
      if (!body) throw new Wrong('The request body is not valid JSON')
      checkBody(body, request, secret)
      return undefined
    } catch (error) {
      if (error instanceof Wrong) return refusedBy(error)
      throw error
    }
  }
}

/** The signature that the provider with this secret gives a thought and wants back with it. */
export function signatureOf(thinking: string, secret: string): string {
  return createHash('sha256').update(`${secret}:${thinking}`).digest('base64')
}

function refusedBy({ status, type, message }: Wrong): Refused {
  return { status, body: { type: 'error', error: { type, message }, request_id: 'req_test' } }
}

function checkHead({ method, url, headers }: IncomingMessage, sent: string): void {
  if (method !== 'POST' || !/^\/v1\/messages(\/count_tokens)?(\?beta=true)?$/.test(url ?? '')) {
    throw new Wrong(`Not found: ${method} ${url}`, 404, 'not_found_error')
  }
  if (headers['x-api-key'] !== 'upstream-secret' || headers.authorization !== undefined) {
    throw new Wrong('invalid x-api-key', 401, 'authentication_error')
  }
  const version = headers['anthropic-version']
  if (typeof version !== 'string') throw new Wrong('anthropic-version: header is required')
  if (!VERSIONS.has(version)) throw new Wrong(`anthropic-version: ${version} is not a valid version`)
  if (headers['content-type'] !== 'application/json') throw new Wrong('content-type must be application/json')
  if (headers['accept-encoding'] !== 'identity') throw new Wrong('accept-encoding must be identity')
  if (Number(headers['content-length']) !== Buffer.byteLength(sent)) throw new Wrong('content-length is wrong')
}

function checkBody(body: Body, { url = '', headers }: IncomingMessage, secret: string): void {
  const counts = url.includes('/count_tokens')
  const known = counts ? COUNTED : MEMBERS
  for (const name of Object.keys(body)) {
    if (!known.has(name) && headers['anthropic-beta'] === undefined)
      throw new Wrong(`${name}: Extra inputs are not permitted`)
  }
  if (typeof body['model'] !== 'string') throw new Wrong('model: Field required')
  if (!counts) checkLimit(body)
  checkSampling(body, String(headers['anthropic-version']))
  checkThinking(body)
  checkSystem(body['system'])
  checkTools(body)
  if (body['thread'] === undefined) checkConversation(body, secret)
  else checkThread(body, String(headers['anthropic-beta']))
  checkRest(body)
}

function checkLimit({ max_tokens: limit }: Body): void {
  if (limit === undefined) throw new Wrong('max_tokens: Field required')
  if (!Number.isSafeInteger(limit) || Number(limit) < 0) throw new Wrong('max_tokens: Input should be a valid integer')
}

function checkSampling(body: Body, version: string): void {
  const said = SAMPLING.filter(name => body[name] !== undefined)
  const [first] = said
  if (first === undefined) return
  if (version === '2026-10-21') throw new Wrong(`${first}: Extra inputs are not permitted`)
  if (/claude-[a-z]+-(4-[78]|5)/.test(String(body['model']))) {
    throw new Wrong(`\`${first}\` is deprecated for this model.`)
  }
  if (said.includes('temperature') && said.includes('top_p')) {
    throw new Wrong('`temperature` and `top_p` cannot both be specified for this model.')
  }
  const { temperature } = body
  if (temperature !== undefined && !(Number(temperature) >= 0 && Number(temperature) <= 1)) {
    throw new Wrong('temperature: range: 0..1')
  }
}

function checkThinking(body: Body): void {
  const thinking = body['thinking'] as Body | undefined
  if (thinking === undefined) return
  const { type, budget_tokens: budget } = thinking
  if (!['enabled', 'adaptive', 'disabled', 'between_tools'].includes(String(type))) {
    throw new Wrong(`thinking: Input tag '${String(type)}' found`)
  }
  if (type === 'disabled') return
  if (type === 'enabled' && !(Number(budget) >= 1_024)) {
    throw new Wrong('thinking.enabled.budget_tokens: Input should be greater than or equal to 1024')
  }
  if (type === 'enabled' && body['max_tokens'] !== undefined && Number(body['max_tokens']) <= Number(budget)) {
    throw new Wrong('`max_tokens` must be greater than `thinking.budget_tokens`')
  }
  if (SAMPLING.some(name => body[name] !== undefined && body[name] !== 1)) {
    throw new Wrong('`temperature` may only be set to 1 when thinking is enabled.')
  }
  const choice = (body['tool_choice'] as Body | undefined)?.['type']
  if (choice === 'any' || choice === 'tool')
    throw new Wrong('Thinking may not be enabled when tool_choice forces tool use.')
}

function checkSystem(system: unknown): void {
  if (system === undefined || typeof system === 'string') return
  for (const block of list(system, 'system')) {
    if (block['type'] !== 'text') throw new Wrong('system: only text blocks are supported')
    checkText(block, 'system')
  }
}

function checkTools({ tools, tool_choice: choice }: Body): void {
  if (choice !== undefined && tools === undefined) throw new Wrong('tool_choice: may only be specified with tools')
  if (tools === undefined) return
  const names = new Set<unknown>()
  for (const tool of list(tools, 'tools')) {
    const { name, input_schema: schema, type } = tool
    if (typeof name !== 'string' || !/^[a-zA-Z0-9_-]{1,128}$/.test(name))
      throw new Wrong('tools.0.name: String should match')
    if (names.has(name)) throw new Wrong('tools: Tool names must be unique.')
    names.add(name)
    if (type !== undefined && type !== 'custom') continue
    if ((schema as Body | undefined)?.['type'] !== 'object')
      throw new Wrong('tools.0.input_schema.type: Field required')
  }
  const { type, name } = (choice ?? { type: 'auto' }) as Body
  if (!['auto', 'any', 'none', 'tool'].includes(String(type))) throw new Wrong('tool_choice: Input tag is unknown')
  if (type === 'tool' && !names.has(name)) throw new Wrong(`Tool '${String(name)}' not found in provided tools`)
}

function checkConversation(body: Body, secret: string): void {
  const messages = list(body['messages'], 'messages')
  if (messages.length === 0) throw new Wrong('messages: at least one message is required')
  let called: string[] = []
  for (const [index, { role, content, ...more }] of messages.entries()) {
    const at = `messages.${index}`
    if (Object.keys(more).length > 0) throw new Wrong(`${at}.${Object.keys(more)[0]}: Extra inputs are not permitted`)
    if (role !== (index % 2 === 0 ? 'user' : 'assistant')) {
      throw new Wrong('messages: first message must use the "user" role, then roles must alternate')
    }
    const blocks = typeof content === 'string' ? [{ type: 'text', text: content }] : list(content, `${at}.content`)
    if (blocks.length === 0) throw new Wrong(`${at}: all messages must have non-empty content`)
    for (const block of blocks) checkBlock(block, at, role === 'user' ? USER_BLOCKS : ASSISTANT_BLOCKS)
    checkResults(blocks, called, at)
    checkThoughts(blocks, at, secret)
    called = blocks.flatMap(({ type, id }) => (type === 'tool_use' ? [String(id)] : []))
    if (called.length > 0 && body['tools'] === undefined) {
      throw new Wrong('Requests which include `tool_use` or `tool_result` blocks must define tools')
    }
  }
  if (called.length > 0) throw new Wrong('`tool_use` ids were found without `tool_result` blocks immediately after')
  checkTurn(body, messages)
}

/** With a budget, a turn that goes on behind a tool's result has to have begun with a thought. */
function checkTurn({ thinking }: Body, messages: readonly Body[]): void {
  const last = messages.at(-1)?.['content']
  const before = messages.at(-2)?.['content']
  const enabled = (thinking as Body | undefined)?.['type'] === 'enabled'
  if (!enabled || !Array.isArray(last) || last[0]?.type !== 'tool_result' || !Array.isArray(before)) return
  if (!['thinking', 'redacted_thinking'].includes(before[0]?.type)) {
    throw new Wrong('Expected `thinking` or `redacted_thinking`, but found `tool_use`.')
  }
}

function checkResults(blocks: readonly Body[], called: readonly string[], at: string): void {
  const ids = blocks.flatMap(({ type, tool_use_id: id }) => (type === 'tool_result' ? [String(id)] : []))
  const stray = ids.find(id => !called.includes(id))
  if (stray !== undefined)
    throw new Wrong(`${at}: unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${stray}`)
  const missing = called.find(id => !ids.includes(id))
  if (missing !== undefined) {
    throw new Wrong(`${at}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${missing}`)
  }
  if (blocks.slice(0, ids.length).some(({ type }) => type !== 'tool_result')) {
    throw new Wrong(`${at}: \`tool_result\` blocks must come first`)
  }
}

function checkThoughts(blocks: readonly Body[], at: string, secret: string): void {
  for (const { type, thinking, signature } of blocks) {
    if (type === 'thinking' && signature !== signatureOf(String(thinking), secret)) {
      throw new Wrong(`${at}: Invalid \`signature\` in \`thinking\` block`)
    }
  }
}

function checkBlock(block: Body, at: string, known: ReadonlySet<string>): void {
  const type = String(block['type'])
  if (!known.has(type)) throw new Wrong(`${at}.content.0: Input tag '${type}' found using 'type' does not match`)
  if (type === 'text') checkText(block, at)
  if (type === 'image') checkImage(block['source'] as Body, at)
  if (type === 'tool_use') checkCall(block, at)
  if (type !== 'tool_result' || block['content'] === undefined || typeof block['content'] === 'string') return
  for (const inner of list(block['content'], at)) checkBlock(inner, at, new Set(['text', 'image', 'document']))
}

function checkCall({ id, input }: Body, at: string): void {
  if (typeof id !== 'string' || !/^[a-zA-Z0-9_-]+$/.test(id)) {
    throw new Wrong(`${at}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'`)
  }
  if (typeof input !== 'object' || input === null) throw new Wrong(`${at}.tool_use.input: Input should be an object`)
}

function checkText({ text }: Body, at: string): void {
  if (typeof text !== 'string') throw new Wrong(`${at}.text: Input should be a valid string`)
  if (text === '') throw new Wrong(`${at}: text content blocks must be non-empty`)
  if (text.trim() === '') throw new Wrong(`${at}: text content blocks must contain non-whitespace text`)
}

function checkImage(source: Body, at: string): void {
  if (source['type'] === 'url' && String(source['url']).startsWith('https:')) return
  if (source['type'] === 'base64' && MEDIA.has(String(source['media_type'])) && typeof source['data'] === 'string')
    return
  throw new Wrong(`${at}.image.source: Input should be a valid image`)
}

/** The conversation of a thread is not looked at: what came before is not in the request. */
function checkThread(body: Body, betas: string): void {
  if (!betas.includes('message-threads-2026-08-12')) throw new Wrong('thread: Extra inputs are not permitted')
  const { type, previous_message_id: previous } = body['thread'] as Body
  if (type === 'create') return
  if (type !== 'continue' || typeof previous !== 'string') throw new Wrong('thread: Input tag is unknown')
  const kept = ['system', 'tools'].find(name => body[name] !== undefined)
  if (kept !== undefined) throw new Wrong(`${kept}: the thread has its own`)
}

function checkRest(body: Body): void {
  const { stop_sequences: stops, metadata, service_tier: tier, stream } = body
  if (
    stops !== undefined &&
    !(Array.isArray(stops) && stops.every(each => typeof each === 'string' && each.trim() !== ''))
  )
    throw new Wrong('stop_sequences: each stop sequence must contain non-whitespace')
  if (metadata !== undefined && Object.keys(metadata as Body).some(name => name !== 'user_id'))
    throw new Wrong('metadata: Extra inputs are not permitted')
  if (tier !== undefined && tier !== 'auto' && tier !== 'standard_only') throw new Wrong('service_tier: unknown')
  if (stream !== undefined && typeof stream !== 'boolean') throw new Wrong('stream: Input should be a valid boolean')
  const breakpoints = JSON.stringify(body).split('"cache_control":').length - 1
  if (breakpoints > MAX_BREAKPOINTS)
    throw new Wrong(`A maximum of 4 blocks with cache_control may be provided. Found ${breakpoints}.`)
}

function list(value: unknown, at: string): Body[] {
  if (!Array.isArray(value)) throw new Wrong(`${at}: Input should be a valid list`)
  return value as Body[]
}
