// Reads the messages of an OpenAI chat request: system texts to the front, tool results into user messages.
import type { JsonObject } from '../../../exchange/json.ts'
import type { NeutralMessage, NeutralPart } from '../../neutral.ts'
import { type Losses, untranslatable } from '../losses.ts'
import { listIn, member, shown, textIn } from '../members.ts'
import { readMessageList, wrong } from '../request-members.ts'

/** The two parts of a conversation. */
export interface Conversation {
  readonly system: { readonly text: string; readonly cache?: unknown }[]
  readonly messages: readonly NeutralMessage[]
}

/** Throws `request_invalid` Refusals. A system message behind others moves to the front, which is named. */
export function decodeMessages(body: JsonObject, losses: Losses): Conversation {
  const system: Conversation['system'] = []
  const messages: NeutralMessage[] = []
  for (const [index, message] of readMessageList(body).entries()) {
    const at = `messages[${index}]`
    if (message['name'] !== undefined && message['name'] !== null) losses.add('messages.name')
    if (message['role'] === 'system' || message['role'] === 'developer') {
      if (messages.length > 0) losses.add(`${at}.role`)
      system.push(...systemTexts(message['content'], at))
    } else messages.push(decodeMessage(message, at))
  }
  return { system, messages }
}

function systemTexts(content: unknown, at: string): Conversation['system'] {
  return contentParts(content, at).map(part => {
    if (part.kind !== 'text') throw wrong(at, 'a system message holds text only')
    return { text: part.text, ...('cache' in part ? { cache: part.cache } : {}) }
  })
}

function decodeMessage(message: JsonObject, at: string): NeutralMessage {
  switch (message['role']) {
    case 'user':
      return { role: 'user', parts: contentParts(message['content'], at) }
    case 'assistant':
      return { role: 'assistant', parts: assistantParts(message, at) }
    case 'tool': {
      const id = textIn(message['tool_call_id'])
      if (id === undefined) throw wrong(`${at}.tool_call_id`, 'name the tool call that this is the result of')
      const result = { kind: 'tool-result', id, parts: contentParts(message['content'], at), isError: false } as const
      return { role: 'user', parts: [result] }
    }
    default:
      throw untranslatable(`${at}.role`, `the role ${shown(message['role'])} is not known to other providers`)
  }
}

function assistantParts(message: JsonObject, at: string): NeutralPart[] {
  for (const name of ['audio', 'function_call']) {
    if (message[name] !== undefined && message[name] !== null) {
      throw untranslatable(`${at}.${name}`, 'other providers do not know it')
    }
  }
  const thinking = textIn(message['reasoning_content'])
  const refusal = textIn(message['refusal'])
  return [
    ...(thinking ? [{ kind: 'thinking', text: thinking } as const] : []),
    ...contentParts(message['content'], at),
    ...(refusal ? [{ kind: 'refusal', text: refusal } as const] : []),
    ...listIn(message['tool_calls']).map((call, index) => toolCall(call, `${at}.tool_calls[${index}]`)),
  ]
}

function toolCall(call: unknown, at: string): NeutralPart {
  const id = textIn(member(call, 'id'))
  const name = textIn(member(member(call, 'function'), 'name'))
  const args = textIn(member(member(call, 'function'), 'arguments')) ?? ''
  if (id === undefined || name === undefined) {
    throw untranslatable(at, 'only calls of functions with an id and a name are known to other providers')
  }
  return { kind: 'tool-call', id, name, args }
}

function contentParts(content: unknown, at: string): NeutralPart[] {
  if (content === undefined || content === null) return []
  if (typeof content === 'string') return content === '' ? [] : [{ kind: 'text', text: content }]
  if (!Array.isArray(content)) throw wrong(`${at}.content`, 'send a text or a list of parts')
  return content.map((part, index) => {
    const cache = member(part, 'cache_control')
    const decoded = decodePart(part, `${at}.content[${index}]`)
    return cache === undefined || cache === null ? decoded : { ...decoded, cache }
  })
}

function decodePart(part: unknown, at: string): NeutralPart {
  switch (member(part, 'type')) {
    case 'text':
      return { kind: 'text', text: required(member(part, 'text'), `${at}.text`) }
    case 'refusal':
      return { kind: 'refusal', text: required(member(part, 'refusal'), `${at}.refusal`) }
    case 'image_url': {
      const image = member(part, 'image_url')
      const detail = textIn(member(image, 'detail'))
      const url = required(textIn(image) ?? member(image, 'url'), `${at}.image_url.url`)
      return { kind: 'image', url, ...(detail === undefined ? {} : { detail }) }
    }
    case 'input_audio': {
      const audio = member(part, 'input_audio')
      const data = required(member(audio, 'data'), `${at}.input_audio.data`)
      return { kind: 'audio', data, format: required(member(audio, 'format'), `${at}.input_audio.format`) }
    }
    case 'file':
      return filePart(member(part, 'file'), `${at}.file`)
    default:
      throw untranslatable(at, `a part of type ${shown(member(part, 'type'))} is not known to other providers`)
  }
}

function filePart(file: unknown, at: string): NeutralPart {
  const data = textIn(member(file, 'file_data'))
  if (data === undefined) throw untranslatable(at, 'a file that only its provider holds cannot be sent to another')
  const name = textIn(member(file, 'filename'))
  const url = data.startsWith('data:') ? data : `data:application/pdf;base64,${data}`
  return { kind: 'file', url, ...(name === undefined ? {} : { name }) }
}

function required(value: unknown, at: string): string {
  if (typeof value !== 'string') throw wrong(at, 'it is a text')
  return value
}
