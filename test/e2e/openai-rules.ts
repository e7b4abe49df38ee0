// What OpenAI's chat completions refuse beyond the bare minimum of upstream.ts: for requests that the gateway wrote itself.
import { completionsDoor, type Door, type Refused } from './upstream.ts'

type Body = Record<string, unknown>

const MEMBERS = new Set(
  (
    'model messages tools tool_choice parallel_tool_calls stream stream_options max_tokens max_completion_tokens ' +
    'temperature top_p stop reasoning_effort response_format user service_tier n'
  ).split(' '),
)
const PARTS: Readonly<Record<string, readonly string[]>> = {
  system: ['text'],
  user: ['text', 'image_url', 'input_audio', 'file'],
  assistant: ['text', 'refusal'],
  tool: ['text'],
}
const MESSAGE_MEMBERS = new Set(['role', 'content', 'name', 'refusal', 'tool_calls', 'tool_call_id'])

/** The door of OpenAI itself. */
export const strictCompletions: Door = (request, text, body) => {
  const refused = completionsDoor(request, text, body)
  if (refused) return refused
  const problem = body && (memberProblem(body) ?? conversationProblem(body['messages'] as Body[]) ?? toolProblem(body))
  return problem === undefined ? undefined : refuse(problem)
}

function refuse(message: string): Refused {
  return { status: 400, body: { error: { message, type: 'invalid_request_error', param: null, code: null } } }
}

function memberProblem(body: Body): string | undefined {
  const unknown = Object.keys(body).find(name => !MEMBERS.has(name))
  if (unknown !== undefined) return `Unrecognized request argument supplied: ${unknown}`
  if (body['stream_options'] !== undefined && body['stream'] !== true)
    return "The 'stream_options' parameter is only allowed when 'stream' is enabled."
  if (body['max_tokens'] !== undefined && /^(gpt-[5-9]|o\d)/.test(String(body['model'])))
    return "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
  return undefined
}

function conversationProblem(messages: readonly Body[]): string | undefined {
  let open: string[] = []
  for (const message of messages) {
    const { role, tool_call_id: id } = message
    const problem = messageProblem(message)
    if (problem !== undefined) return problem
    if (role === 'tool') {
      if (!open.includes(String(id)))
        return "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
      open = open.filter(each => each !== id)
      continue
    }
    if (open.length > 0) return `tool_call_ids did not have response messages: ${open.join(', ')}`
    open = ((message['tool_calls'] ?? []) as Body[]).map(call => String(call['id']))
  }
  return open.length > 0 ? 'tool_calls without responses' : undefined
}

function messageProblem(message: Body): string | undefined {
  const { role, content, tool_calls: calls } = message
  const parts = PARTS[String(role)]
  if (!parts) return `Invalid value for role: '${String(role)}'.`
  const unknown = Object.keys(message).find(name => !MESSAGE_MEMBERS.has(name))
  if (unknown !== undefined) return `Unrecognized member of a message: ${unknown}`
  if (calls !== undefined && !(Array.isArray(calls) && calls.length > 0)) return "[] is too short - 'tool_calls'"
  if (typeof content === 'string') return undefined
  if ((content ?? null) === null && role === 'assistant' && (calls !== undefined || message['refusal']))
    return undefined
  if (!Array.isArray(content) || content.length === 0) return `Invalid content of a message of role '${String(role)}'.`
  const odd = content.find(part => !parts.includes(part.type))
  return odd === undefined ? undefined : `Invalid value: '${odd.type}' in a message of role '${String(role)}'.`
}

function toolProblem({ tools, tool_choice: choice, parallel_tool_calls: parallel }: Body): string | undefined {
  if (tools === undefined)
    return choice === undefined && parallel === undefined ? undefined : 'tool_choice is only allowed with tools.'
  for (const tool of tools as Body[]) {
    const { name, parameters } = tool['function'] as Body
    if (tool['type'] !== 'function' || !/^[a-zA-Z0-9_-]{1,64}$/.test(String(name))) return 'Invalid tool.'
    if ((parameters as Body)['type'] !== 'object') return 'schema must be a JSON Schema of type: "object"'
  }
  return undefined
}
