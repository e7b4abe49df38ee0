// The Anthropic Messages dialect as callers speak it: errors, and a stored message played again. Bodies stay as they are.
import type { Dialect } from '../../../exchange/dialect.ts'
import { errorJson } from './errors.ts'
import { textsOfEvent, textsOfReply, textsOfRequest } from './lens.ts'
import { wholeMeter } from './meter.ts'
import { replayMessage } from './replay.ts'

/** Anthropic Messages. */
export const anthropicMessages: Dialect = {
  name: 'anthropic-messages',

  refuse: (refusal, requestId) => Buffer.from(errorJson(refusal, requestId)),

  refuseInStream(refusal, requestId) {
    const lines = errorJson(refusal, requestId).split(/\r\n|\n|\r/)
    return Buffer.from(`event: error\n${lines.map(line => `data: ${line}\n`).join('')}\n`)
  },

  // Clients sign, hash and compare what they get: nothing is put into it (L02).
  decorate: body => body,
  commentBeforeEnd: () => undefined,

  replay: body => replayMessage(body),
  meterOf: body => wholeMeter(body),

  textsOfRequest,
  textsOfReply,
  textsOfEvent,
}
