// How a Messages call leaves in its own format: the model's name, the version, the betas; the rest stays byte for byte.
import type { Call, CallHeaders } from '../../../exchange/call.ts'
import type { Passage, PassageTerms } from '../format.ts'
import { listIn, member } from '../members.ts'
import { asksLongContext, LONG_CONTEXT_BETA } from './model-name.ts'

/** The version that callers without one get, and all translated calls: it still takes a temperature. */
export const DEFAULT_VERSION = '2023-06-01'

/** The passage of a call whose dialect is Anthropic Messages. */
export function passage(call: Call, { model }: PassageTerms): Passage {
  const { value } = call.body
  const changes = new Map<string, string>()
  if (value['model'] !== model) changes.set('model', JSON.stringify(model))
  const dropped = leaveUnsigned(call, changes) ? ['thinking'] : []
  const beta = betaOf(call)
  return {
    changes,
    headers: {
      'anthropic-version': single(call.headers, 'anthropic-version') ?? DEFAULT_VERSION,
      ...(beta === undefined ? {} : { 'anthropic-beta': beta }),
    },
    dropped,
  }
}

/** Byte for byte; the beta of a `[1m]` model is added when it is not there. */
function betaOf({ body, headers }: Call): string | undefined {
  const asked = single(headers, 'anthropic-beta')
  if (!asksLongContext(body.value, headers) || asked?.includes(LONG_CONTEXT_BETA)) return asked
  return asked === undefined ? LONG_CONTEXT_BETA : `${asked},${LONG_CONTEXT_BETA}`
}

function single(headers: CallHeaders, name: string): string | undefined {
  const value = headers[name]
  const text = Array.isArray(value) ? value.join(',') : value
  return text === '' ? undefined : text
}

/**
 * Thoughts of a model of another kind came through translation and carry no signature. The API refuses a conversation
 * that holds one, so that after a failover back every further turn would fail: they are left out. A turn with a budget
 * for thoughts that goes on behind a tool's result has to have begun with one; without it, it goes on without thinking.
 */
function leaveUnsigned({ body }: Call, changes: Map<string, string>): boolean {
  const { text, value } = body
  if (!text.includes('"signature":""') && !text.includes('"signature": ""')) return false
  const messages = listIn(value['messages'])
  if (!messages.some(message => listIn(member(message, 'content')).some(isUnsigned))) return false
  const kept = messages.flatMap(signedOnly)
  changes.set('messages', JSON.stringify(kept))
  if (member(value['thinking'], 'type') === 'enabled' && resumesWithoutThought(kept)) {
    changes.set('thinking', '{"type":"disabled"}')
  }
  return true
}

/** The message; none when it was nothing but thoughts. */
function signedOnly(message: unknown): unknown[] {
  const content = member(message, 'content')
  if (!Array.isArray(content) || !content.some(isUnsigned)) return [message]
  const signed = content.filter(block => !isUnsigned(block))
  return signed.length === 0 ? [] : [{ ...Object(message), content: signed }]
}

function isUnsigned(block: unknown): boolean {
  return member(block, 'type') === 'thinking' && member(block, 'signature') === ''
}

function resumesWithoutThought(messages: readonly unknown[]): boolean {
  const isResult = (block: unknown): boolean => member(block, 'type') === 'tool_result'
  if (!listIn(member(messages.at(-1), 'content')).some(isResult)) return false
  const [first] = listIn(member(messages.at(-2), 'content'))
  return !['thinking', 'redacted_thinking'].includes(String(member(first, 'type')))
}
