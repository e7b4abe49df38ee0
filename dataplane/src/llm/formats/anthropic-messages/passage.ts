// How a Messages call leaves in its own format: the model's name, the version, the betas; the rest stays byte for byte.
import type { Call, CallHeaders } from '../../../exchange/call.ts'
import type { JsonObject } from '../../../exchange/json.ts'
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
  if (call.body.text.includes('"signature":""') || call.body.text.includes('"signature": ""')) {
    const messages = signedOnly(value)
    if (messages) changes.set('messages', JSON.stringify(messages))
  }
  const beta = betaOf(call)
  return {
    changes,
    headers: {
      'anthropic-version': single(call.headers, 'anthropic-version') ?? DEFAULT_VERSION,
      ...(beta === undefined ? {} : { 'anthropic-beta': beta }),
    },
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
 * that holds one, so that after a failover back every further turn would fail: they are left out.
 */
function signedOnly({ messages }: JsonObject): unknown[] | undefined {
  let found = false
  const kept = listIn(messages).map(message => {
    const content = member(message, 'content')
    if (!Array.isArray(content) || !content.some(isUnsigned)) return message
    found = true
    return { ...Object(message), content: content.filter(block => !isUnsigned(block)) }
  })
  return found ? kept : undefined
}

function isUnsigned(block: unknown): boolean {
  return member(block, 'type') === 'thinking' && member(block, 'signature') === ''
}
