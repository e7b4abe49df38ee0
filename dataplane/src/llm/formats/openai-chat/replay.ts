// A stored chat completion, played as the chunks of a stream.
import { z } from 'zod'
import { END_EVENT } from './end-marker.ts'

const Stored = z.looseObject({
  // `catch`: what wholeMeter accepted can be played, whatever stands in members that nobody relies on.
  id: z.string().catch(''),
  created: z.number().catch(0),
  model: z.string().catch(''),
  system_fingerprint: z.string().nullish().catch(undefined),
  usage: z.looseObject({}).optional().catch(undefined),
  choices: z.array(
    z.looseObject({
      index: z.number().catch(0),
      message: z.looseObject({ tool_calls: z.array(z.looseObject({})).nullish() }),
      finish_reason: z.string().nullish().catch(undefined),
    }),
  ),
})

/** Frames of the stream that would have given this completion: role and text, finish, usage when wanted, the end marker. */
export function replayChunks(body: Buffer, wantsUsage: boolean): Buffer[] {
  const stored = Stored.parse(JSON.parse(body.toString('utf8')))
  const head = {
    id: stored.id,
    object: 'chat.completion.chunk',
    created: stored.created,
    model: stored.model,
    ...(stored.system_fingerprint ? { system_fingerprint: stored.system_fingerprint } : {}),
  }
  const usage = wantsUsage ? { usage: null } : {}
  const frames: Buffer[] = []
  for (const { index, message, finish_reason: finish, logprobs } of stored.choices) {
    const delta = {
      ...message,
      ...(message.tool_calls ? { tool_calls: message.tool_calls.map((call, at) => ({ index: at, ...call })) } : {}),
    }
    frames.push(
      frame({ ...head, choices: [{ index, delta, logprobs: logprobs ?? null, finish_reason: null }], ...usage }),
    )
    frames.push(
      frame({ ...head, choices: [{ index, delta: {}, logprobs: null, finish_reason: finish ?? 'stop' }], ...usage }),
    )
  }
  if (wantsUsage && stored.usage) frames.push(frame({ ...head, choices: [], usage: stored.usage }))
  frames.push(END_EVENT)
  return frames
}

function frame(chunk: object): Buffer {
  return Buffer.from(`data: ${JSON.stringify(chunk)}\n\n`)
}
