// How a chat call leaves in its own format: the model's name, and the usage event; the rest stays byte for byte.
import type { Call } from '../../../exchange/call.ts'
import type { Passage, PassageTerms } from '../format.ts'
import { objectIn } from '../members.ts'

/** The passage of a call whose dialect is OpenAI chat. */
export function passage(call: Call, terms: PassageTerms): Passage {
  const { value } = call.body
  const changes = new Map<string, string>()
  if (value['model'] !== terms.model) changes.set('model', JSON.stringify(terms.model))
  if (addsUsage(call, terms)) {
    changes.set('stream_options', JSON.stringify({ ...objectIn(value['stream_options']), include_usage: true }))
  }
  return { changes, headers: {}, dropped: [] }
}

/** Without its usage event a stream could only be billed by counting, which misses reasoning tokens (K07). */
export function addsUsage(call: Call, { streamUsage }: PassageTerms): boolean {
  return call.dialect.name === 'openai-chat' && call.streams && !call.wantsUsage && streamUsage
}
