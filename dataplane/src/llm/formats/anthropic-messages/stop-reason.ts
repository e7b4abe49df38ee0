// Why a message ended: to the words of the exchange, to the neutral form, and back.
import type { NeutralFinish } from '../../neutral.ts'

const REASONS: ReadonlyMap<string, { readonly reading: string; readonly neutral: NeutralFinish }> = new Map([
  ['end_turn', { reading: 'stop', neutral: 'stop' }],
  ['stop_sequence', { reading: 'stop', neutral: 'stop-sequence' }],
  ['tool_use', { reading: 'tool_calls', neutral: 'tool-calls' }],
  ['max_tokens', { reading: 'length', neutral: 'length' }],
  ['model_context_window_exceeded', { reading: 'length', neutral: 'context-length' }],
  ['refusal', { reading: 'content_filter', neutral: 'refusal' }],
  ['pause_turn', { reading: 'pause', neutral: 'pause' }],
])

const FROM_NEUTRAL = {
  stop: 'end_turn',
  'stop-sequence': 'stop_sequence',
  length: 'max_tokens',
  'context-length': 'model_context_window_exceeded',
  'tool-calls': 'tool_use',
  'content-filter': 'refusal',
  refusal: 'refusal',
  pause: 'pause_turn',
} as const satisfies Record<NeutralFinish, string>

/** The finish of a Reading for a `stop_reason`; an unknown reason stands for itself. */
export function finishOf(stopReason: unknown): string | undefined {
  return typeof stopReason === 'string' ? (REASONS.get(stopReason)?.reading ?? stopReason) : undefined
}

/** The neutral finish; an unknown reason is a stop. */
export function neutralFinish(stopReason: string): NeutralFinish {
  return REASONS.get(stopReason)?.neutral ?? 'stop'
}

/** Back into Anthropic's words. */
export function stopReasonOf(finish: NeutralFinish): string {
  return FROM_NEUTRAL[finish]
}
