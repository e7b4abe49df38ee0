// A stored message, played as the events of a stream.
import type { JsonObject } from '../../../exchange/json.ts'
import { listIn, objectIn, parseObject, textIn } from '../members.ts'
import { eventText, STOP_EVENT } from './event.ts'

/** Frames of the stream that would have given this message, an event each. */
export function replayMessage(body: Buffer): Buffer[] {
  const { content, stop_reason: reason, stop_sequence: sequence, usage, ...rest } = parseObject(body.toString()) ?? {}
  const { stop_details: details, container, ...head } = rest
  const figures = objectIn(usage) ?? {}
  const texts = [
    eventText({
      type: 'message_start',
      message: {
        ...head,
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: { ...figures, output_tokens: Math.min(1, Number(figures['output_tokens'] ?? 0)) },
      },
    }),
  ]
  for (const [index, block] of listIn(content).entries()) texts.push(...blockTexts(index, objectIn(block) ?? {}))
  texts.push(
    eventText({
      type: 'message_delta',
      delta: {
        stop_reason: reason ?? 'end_turn',
        stop_sequence: sequence ?? null,
        ...(details === undefined ? {} : { stop_details: details }),
        ...(container === undefined ? {} : { container }),
      },
      usage: figures,
    }),
  )
  return [...texts.map(text => Buffer.from(text)), STOP_EVENT]
}

/** The events of one block. What has no deltas stands whole in its start. */
function blockTexts(index: number, block: JsonObject): string[] {
  const { start, deltas } = taken(block)
  return [
    eventText({ type: 'content_block_start', index, content_block: start }),
    ...deltas.map(delta => eventText({ type: 'content_block_delta', index, delta })),
    eventText({ type: 'content_block_stop', index }),
  ]
}

function taken(block: JsonObject): { start: JsonObject; deltas: JsonObject[] } {
  switch (block['type']) {
    case 'text': {
      const { citations, ...rest } = block
      return {
        start: { ...rest, text: '', ...(Array.isArray(citations) ? { citations: [] } : {}) },
        deltas: [
          ...listIn(citations).map(citation => ({ type: 'citations_delta', citation })),
          { type: 'text_delta', text: textIn(block['text']) ?? '' },
        ],
      }
    }
    case 'thinking':
      return {
        start: { ...block, thinking: '', signature: '' },
        deltas: [
          { type: 'thinking_delta', thinking: textIn(block['thinking']) ?? '' },
          { type: 'signature_delta', signature: textIn(block['signature']) ?? '' },
        ],
      }
    case 'tool_use':
    case 'server_tool_use':
      return {
        start: { ...block, input: {} },
        deltas: [{ type: 'input_json_delta', partial_json: JSON.stringify(block['input'] ?? {}) }],
      }
    default:
      return { start: block, deltas: [] }
  }
}
