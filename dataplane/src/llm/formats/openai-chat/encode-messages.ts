// Writes neutral messages as those of an OpenAI chat request: tool results become messages of their own.
import { Refusal } from '../../../exchange/refusal.ts'
import type { NeutralMessage, NeutralPart, NeutralRequest } from '../../neutral.ts'
import { readDataUrl } from '../data-url.ts'
import { type Losses, untranslatable } from '../losses.ts'

type Part<Kind extends NeutralPart['kind']> = Extract<NeutralPart, { kind: Kind }>

/** Throws `request_invalid` Refusals for parts that have no place. */
export function encodeMessages({ system, messages }: NeutralRequest, losses: Losses): object[] {
  const texts = system.map(({ text }) => text).filter(text => text !== '')
  if (system.some(({ cache }) => cache !== undefined)) losses.add('cache_control')
  const encoded = messages.flatMap(message => {
    if (message.parts.some(part => 'cache' in part)) losses.add('cache_control')
    return message.role === 'user' ? userMessages(message, losses) : assistantMessages(message, losses)
  })
  if (encoded.length === 0) {
    throw new Refusal('request_invalid', 'The messages hold nothing; send at least one with a text.', {
      param: 'messages',
    })
  }
  // One text: not every server that speaks this format takes a list of parts here.
  return texts.length === 0 ? encoded : [{ role: 'system', content: texts.join('\n\n') }, ...encoded]
}

/** Results first: they follow the calls. What a tool message cannot hold goes into the user message behind them. */
function userMessages({ parts }: NeutralMessage, losses: Losses): object[] {
  const results: object[] = []
  const content: object[] = []
  for (const part of parts) {
    if (part.kind !== 'tool-result') continue
    if (part.parts.some(inner => 'cache' in inner)) losses.add('cache_control')
    results.push({ role: 'tool', tool_call_id: part.id, content: resultText(part) })
    const media = part.parts.filter(({ kind }) => kind !== 'text')
    if (media.length > 0) content.push({ type: 'text', text: `From the result of the tool call ${part.id}:` })
    content.push(...media.map(inner => contentPart(inner)))
  }
  for (const part of parts) if (part.kind !== 'tool-result') content.push(contentPart(part))
  if (content.length === 0) return results
  return [...results, { role: 'user', content: plain(parts) ?? content }]
}

/** A message that is one text goes as a text. */
function plain(parts: readonly NeutralPart[]): string | undefined {
  const [only] = parts
  return parts.length === 1 && only?.kind === 'text' ? only.text : undefined
}

/** Failure has no member of its own: the text says it. */
function resultText({ parts, isError }: Part<'tool-result'>): string {
  const text = parts.flatMap(part => (part.kind === 'text' ? [part.text] : [])).join('\n')
  return isError && !/^\s*error/i.test(text) ? `Error: ${text}` : text
}

function contentPart(part: NeutralPart): object {
  switch (part.kind) {
    case 'text':
      return { type: 'text', text: part.text }
    case 'image':
      return { type: 'image_url', image_url: { url: part.url, ...(part.detail ? { detail: part.detail } : {}) } }
    case 'audio':
      return { type: 'input_audio', input_audio: { data: part.data, format: part.format } }
    case 'file':
      return filePart(part)
    default:
      throw untranslatable('messages', `a part of kind "${part.kind}" has no place in a user message`)
  }
}

function filePart({ url, text, name }: Part<'file'>): object {
  if (text !== undefined) return { type: 'text', text: name === undefined ? text : `${name}\n\n${text}` }
  if (url === undefined || !readDataUrl(url)) {
    throw untranslatable('messages', 'the provider of this model fetches no documents by URL; send the document itself')
  }

  return { type: 'file', file: { filename: name ?? 'document.pdf', file_data: url } }
}

function assistantMessages({ parts }: NeutralMessage, losses: Losses): object[] {
  let text = ''
  let refusal = ''
  const calls: object[] = []
  for (const part of parts) {
    if (part.kind === 'text') text += part.text
    else if (part.kind === 'refusal') refusal += part.text
    else if (part.kind === 'tool-call') {
      calls.push({ id: part.id, type: 'function', function: { name: part.name, arguments: part.args } })
    } else if (part.kind === 'thinking' || part.kind === 'redacted-thinking') losses.add('thinking')
    else throw untranslatable('messages', `a part of kind "${part.kind}" has no place in an assistant message`)
  }
  if (text === '' && refusal === '' && calls.length === 0) return []
  return [
    {
      role: 'assistant',
      content: text === '' ? null : text,
      ...(refusal === '' ? {} : { refusal }),
      ...(calls.length === 0 ? {} : { tool_calls: calls }),
    },
  ]
}
