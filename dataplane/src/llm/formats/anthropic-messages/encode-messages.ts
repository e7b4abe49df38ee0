// Writes neutral messages as Anthropic takes them: roles in turn, no empty texts, tool inputs as objects.
import { hash } from 'node:crypto'
import type { JsonObject } from '../../../exchange/json.ts'
import { Refusal } from '../../../exchange/refusal.ts'
import type { NeutralMessage, NeutralPart, NeutralRequest } from '../../neutral.ts'
import { readDataUrl } from '../data-url.ts'
import { type Losses, untranslatable } from '../losses.ts'
import { parseObject } from '../members.ts'
import { wrong } from '../request-members.ts'

type Part<Kind extends NeutralPart['kind']> = Extract<NeutralPart, { kind: Kind }>

/** Ids beyond this pattern are refused by the API; other providers make such. */
const PLAIN_ID = /^[a-zA-Z0-9_-]{1,64}$/

/** The system prompt: a text, or blocks where one is marked for the cache. */
export function encodeSystem({ system }: NeutralRequest, more: readonly string[]): string | object[] | undefined {
  const texts = [...system, ...more.map(text => ({ text }))].filter(({ text }) => text.trim() !== '')
  const [only] = texts
  if (only === undefined) return undefined
  if (texts.length === 1 && !('cache' in only)) return only.text
  return texts.map(text => ({ type: 'text', text: text.text, ...cacheOf(text) }))
}

/** Throws `request_invalid` Refusals for parts that have no place. Messages of one role in a row become one. */
export function encodeMessages({ messages }: NeutralRequest, losses: Losses): object[] {
  const encoded: { role: NeutralMessage['role']; content: JsonObject[] }[] = []
  for (const { role, parts } of messages) {
    const content = parts.flatMap(part => blockOf(part, losses))
    if (content.length === 0) continue
    const last = encoded.at(-1)
    if (last?.role === role) last.content.push(...content)
    else encoded.push({ role, content })
  }
  if (encoded.length === 0) {
    throw new Refusal('request_invalid', 'The messages hold nothing; send at least one with a text.', {
      param: 'messages',
    })
  }
  return encoded.map(({ role, content }) => ({ role, content: plain(content) ?? content }))
}

/** Content that is one text goes as a text. */
function plain(content: readonly JsonObject[]): unknown {
  const [only] = content
  return content.length === 1 && only?.['type'] === 'text' && !('cache_control' in only) ? only['text'] : undefined
}

function blockOf(part: NeutralPart, losses: Losses): JsonObject[] {
  const block = bareBlock(part, losses)
  return block ? [{ ...block, ...cacheOf(part) }] : []
}

function bareBlock(part: NeutralPart, losses: Losses): JsonObject | undefined {
  switch (part.kind) {
    case 'text':
    case 'refusal':
      // The API refuses blank texts.
      return part.text.trim() === '' ? undefined : { type: 'text', text: part.text }
    case 'image':
      if (part.detail !== undefined && part.detail !== 'auto') losses.add('image_url.detail')
      return { type: 'image', source: imageSource(part.url) }
    case 'file':
      return documentBlock(part)
    case 'tool-call':
      return { type: 'tool_use', id: idOf(part.id), name: part.name, input: inputOf(part) }
    case 'tool-result':
      return resultBlock(part, losses)
    case 'thinking':
      if (part.signature !== undefined) return { type: 'thinking', thinking: part.text, signature: part.signature }
      losses.add('reasoning_content')
      return undefined
    case 'redacted-thinking':
      return { type: 'redacted_thinking', data: part.data }
    case 'audio':
      throw untranslatable('messages', 'the provider of this model takes no sound')
  }
}

function resultBlock({ id, parts, isError }: Part<'tool-result'>, losses: Losses): JsonObject {
  const content = parts.flatMap(part => blockOf(part, losses))
  return {
    type: 'tool_result',
    tool_use_id: idOf(id),
    ...(content.length === 0 ? {} : { content: plain(content) ?? content }),
    ...(isError ? { is_error: true } : {}),
  }
}

function imageSource(url: string): JsonObject {
  const media = readDataUrl(url)
  return media ? { type: 'base64', media_type: media.mediaType, data: media.data } : { type: 'url', url: webUrl(url) }
}

function documentBlock({ url, text, name }: Part<'file'>): JsonObject {
  const title = name === undefined ? {} : { title: name }
  if (text !== undefined)
    return { type: 'document', source: { type: 'text', media_type: 'text/plain', data: text }, ...title }
  const media = readDataUrl(url ?? '')
  if (!media) return { type: 'document', source: { type: 'url', url: webUrl(url ?? '') }, ...title }
  const { mediaType, data } = media
  if (mediaType === 'application/pdf') {
    return { type: 'document', source: { type: 'base64', media_type: mediaType, data }, ...title }
  }
  if (!mediaType.startsWith('text/')) {
    throw untranslatable(
      'messages',
      `the provider of this model takes PDF and text documents, not "${mediaType.slice(0, 60)}"`,
    )
  }
  const source = { type: 'text', media_type: 'text/plain', data: Buffer.from(data, 'base64').toString('utf8') }
  return { type: 'document', source, ...title }
}

function webUrl(url: string): string {
  if (/^https?:\/\//i.test(url)) return url
  throw wrong('messages', 'images and documents are given by an https URL or a data URL')
}

function inputOf({ name, args }: Part<'tool-call'>): JsonObject {
  if (args.trim() === '') return {}
  const input = parseObject(args)
  if (input) return input
  throw wrong('messages', `the arguments of the call of "${name.slice(0, 64)}" are no JSON object`)
}

/** The same id for the same call and its result, in the letters that the API takes. */
function idOf(id: string): string {
  return PLAIN_ID.test(id) ? id : `call_${hash('sha256', id, 'hex').slice(0, 32)}`
}

function cacheOf(part: object): { readonly cache_control?: unknown } {
  return 'cache' in part && part.cache !== undefined ? { cache_control: part.cache } : {}
}
