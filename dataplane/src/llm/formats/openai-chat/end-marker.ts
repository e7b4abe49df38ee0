// The event that ends an OpenAI stream.

/** The end marker as an event. */
export const END_EVENT = Buffer.from('data: [DONE]\n\n')

const MARKER = 'data: [DONE]'
/** The marker is looked for in this many last bytes of a frame: nothing but blank lines follows it. */
const WINDOW = 64
const LF = 0x0a
const CR = 0x0d

/** Where the end marker begins in a frame of whole events, or -1. Text that only says it stands behind no line break. */
export function endMarkerAt(frame: Buffer): number {
  const at = frame.lastIndexOf(MARKER)
  if (at < 0 || at < frame.length - WINDOW) return -1
  return at === 0 || frame[at - 1] === LF || frame[at - 1] === CR ? at : -1
}
