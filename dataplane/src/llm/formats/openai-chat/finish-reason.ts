// Finish reasons of OpenAI chat, to the neutral form and back.
import type { NeutralFinish } from '../../neutral.ts'

const TO_NEUTRAL: ReadonlyMap<string, NeutralFinish> = new Map([
  ['stop', 'stop'],
  ['length', 'length'],
  ['tool_calls', 'tool-calls'],
  ['function_call', 'tool-calls'],
  ['content_filter', 'content-filter'],
])

const FROM_NEUTRAL = {
  stop: 'stop',
  'stop-sequence': 'stop',
  length: 'length',
  'context-length': 'length',
  'tool-calls': 'tool_calls',
  'content-filter': 'content_filter',
  refusal: 'content_filter',
  pause: 'stop',
} as const satisfies Record<NeutralFinish, string>

/** What a provider's reason means. Some say "stop" for tool calls, and OpenAI says it for a refusal. */
export function neutralFinish(
  reason: string,
  seen: { readonly tools: boolean; readonly refusal: boolean },
): NeutralFinish {
  const finish = TO_NEUTRAL.get(reason) ?? 'stop'
  if (finish !== 'stop') return finish
  if (seen.tools) return 'tool-calls'
  return seen.refusal ? 'refusal' : 'stop'
}

/** In OpenAI's words, which say "stop" for a refusal that was written out. */
export function openaiFinish(finish: NeutralFinish, refusalWritten: boolean): string {
  return finish === 'refusal' && refusalWritten ? 'stop' : FROM_NEUTRAL[finish]
}
