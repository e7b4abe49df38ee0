// Reads the system prompt and the messages of a Messages request.
import type { JsonObject } from '../../../exchange/json.ts'
import type { NeutralMessage, NeutralPart } from '../../neutral.ts'
import { dataUrl } from '../data-url.ts'
import { type Losses, untranslatable } from '../losses.ts'
import { listIn, member, shown, textIn } from '../members.ts'
import { readMessageList, wrong } from '../request-members.ts'

/** The two parts of a conversation. */
export interface Conversation {
  readonly system: { readonly text: string; readonly cache?: unknown }[]
  readonly messages: readonly NeutralMessage[]
}

/** What the provider's own tools did in earlier turns: the answers that came of it stand beside it. */
const SERVER_SIDE = /^(?:server_tool_use|mcp_tool_use|.+_tool_result|tool_reference|compaction)$/

/** Throws `request_invalid` Refusals. */
export function decodeConversation(body: JsonObject, losses: Losses): Conversation {
  const system = systemTexts(body['system'], 'system')
  const messages: NeutralMessage[] = []
  for (const [index, message] of readMessageList(body).entries()) {
    const at = `messages[${index}]`
    const { role, content } = message
    if (role === 'system') {
      if (messages.length > 0) losses.add(`${at}.role`)
      system.push(...systemTexts(content, at))
    } else if (role === 'user' || role === 'assistant') {
      messages.push({ role, parts: blocksOf(content, `${at}.content`, losses) })
    } else throw wrong(`${at}.role`, `send "user" or "assistant" (got ${shown(role)})`)
  }
  if (messages.at(-1)?.role === 'assistant') {
    const why = 'its last message begins the answer (a prefill), which the provider of this model does not continue'
    throw untranslatable('messages', why)
  }
  return { system, messages }
}

function systemTexts(system: unknown, at: string): Conversation['system'] {
  if (typeof system === 'string') return system === '' ? [] : [{ text: system }]
  return listIn(system).map((block, index) => {
    const text = textIn(member(block, 'text'))
    if (text === undefined) throw wrong(`${at}[${index}]`, 'each block has a "text"')
    return { text, ...cacheOf(block) }
  })
}

function blocksOf(content: unknown, at: string, losses: Losses): NeutralPart[] {
  if (typeof content === 'string') return content === '' ? [] : [{ kind: 'text', text: content }]
  if (!Array.isArray(content)) throw wrong(at, 'send a text or a list of blocks')
  return content.flatMap((block, index) => {
    const part = blockOf(block, `${at}[${index}]`, losses)
    return part ? [{ ...part, ...cacheOf(block) }] : []
  })
}

/** Undefined for what is left out, which is then named. */
function blockOf(block: unknown, at: string, losses: Losses): NeutralPart | undefined {
  const type = textIn(member(block, 'type')) ?? ''
  switch (type) {
    case 'text':
      if (listIn(member(block, 'citations')).length > 0) losses.add('citations')
      return { kind: 'text', text: required(member(block, 'text'), `${at}.text`) }
    case 'image':
      return { kind: 'image', url: sourceUrl(member(block, 'source'), at) }
    case 'document':
      return documentPart(block, at, losses)
    case 'search_result':
      return { kind: 'text', text: searchText(block) }
    case 'tool_use':
      return {
        kind: 'tool-call',
        id: required(member(block, 'id'), `${at}.id`),
        name: required(member(block, 'name'), `${at}.name`),
        args: JSON.stringify(member(block, 'input') ?? {}),
      }
    case 'tool_result':
      return resultPart(block, at, losses)
    case 'thinking':
      return thinkingPart(block)
    case 'redacted_thinking':
      return { kind: 'redacted-thinking', data: required(member(block, 'data'), `${at}.data`) }
    default:
      if (!SERVER_SIDE.test(type))
        throw untranslatable(at, `a block of type ${shown(type)} is not known to other providers`)
      losses.add(`messages.${type}`)
      return undefined
  }
}

function thinkingPart(block: unknown): NeutralPart {
  const signature = textIn(member(block, 'signature'))
  const text = textIn(member(block, 'thinking')) ?? ''
  return { kind: 'thinking', text, ...(signature ? { signature } : {}) }
}

function resultPart(block: unknown, at: string, losses: Losses): NeutralPart {
  const content = member(block, 'content') ?? ''
  return {
    kind: 'tool-result',
    id: required(member(block, 'tool_use_id'), `${at}.tool_use_id`),
    parts: blocksOf(content, `${at}.content`, losses),
    isError: member(block, 'is_error') === true,
  }
}

function documentPart(block: unknown, at: string, losses: Losses): NeutralPart {
  const source = member(block, 'source')
  const title = textIn(member(block, 'title'))
  const named = title === undefined ? {} : { name: title }
  if (textIn(member(block, 'context'))) losses.add('document.context')
  if (member(member(block, 'citations'), 'enabled') === true) losses.add('citations')
  switch (member(source, 'type')) {
    case 'text':
      return { kind: 'file', text: required(member(source, 'data'), `${at}.source.data`), ...named }
    case 'content': {
      const inner = blocksOf(member(source, 'content'), `${at}.source.content`, losses)
      const texts = inner.map(part => {
        if (part.kind === 'text') return part.text
        throw untranslatable(`${at}.source`, 'a document made of other than texts is not known to other providers')
      })
      return { kind: 'file', text: texts.join('\n'), ...named }
    }
    default:
      return { kind: 'file', url: sourceUrl(source, at), ...named }
  }
}

function sourceUrl(source: unknown, at: string): string {
  switch (member(source, 'type')) {
    case 'base64':
      return dataUrl({
        mediaType: required(member(source, 'media_type'), `${at}.source.media_type`),
        data: required(member(source, 'data'), `${at}.source.data`),
      })
    case 'url':
      return required(member(source, 'url'), `${at}.source.url`)
    default:
      throw untranslatable(`${at}.source`, 'what only its provider holds cannot be sent to another')
  }
}

function searchText(block: unknown): string {
  const texts = listIn(member(block, 'content')).map(part => textIn(member(part, 'text')) ?? '')
  return [textIn(member(block, 'title')), textIn(member(block, 'source')), ...texts].filter(Boolean).join('\n')
}

function cacheOf(block: unknown): { readonly cache?: unknown } {
  const cache = member(block, 'cache_control')
  return cache === undefined || cache === null ? {} : { cache }
}

function required(value: unknown, at: string): string {
  if (typeof value !== 'string') throw wrong(at, 'it is a text')
  return value
}
