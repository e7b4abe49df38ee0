// The OpenAI chat dialect as callers speak it: errors, the end of a stream, and a stored answer played again.
import type { Dialect } from '../../../exchange/dialect.ts'
import { REFUSALS, type Refusal } from '../../../exchange/refusal.ts'
import { END_EVENT, endMarkerAt } from './end-marker.ts'
import { textsOfEvent, textsOfReply, textsOfRequest } from './lens.ts'
import { wholeMeter } from './meter.ts'
import { replayChunks } from './replay.ts'

/** OpenAI chat completions. */
export const openaiChat: Dialect = {
  name: 'openai-chat',

  refuse: (refusal, requestId) => Buffer.from(JSON.stringify(errorBody(refusal, requestId))),

  refuseInStream: (refusal, requestId) =>
    Buffer.from(`data: ${JSON.stringify(errorBody(refusal, requestId))}\n\n${END_EVENT.toString()}`),

  decorate(body, { provider, cached, hitType }) {
    const rest = withoutOwn(body)
    const type = hitType === null ? 'null' : `"${hitType}"`
    return `{"provider":"${provider}","cached":${cached},"cache_hit_type":${type},${rest.slice(rest.indexOf('{') + 1)}`
  },

  commentBeforeEnd(frame, comment) {
    const at = endMarkerAt(frame)
    if (at < 0) return undefined
    return Buffer.concat([frame.subarray(0, at), Buffer.from(`: ${comment()}\n\n`), frame.subarray(at)])
  },

  replay: replayChunks,
  meterOf: body => wholeMeter(body),
  textsOfRequest,
  textsOfReply,
  textsOfEvent,
}

/** Members that the gateway puts in front. */
const OWN = ['"provider"', '"cached"', '"cache_hit_type"']

/** Some providers have members of these names: what stands twice, parsers read differently. Only then is a body written again. */
function withoutOwn(body: string): string {
  if (!OWN.some(name => body.includes(name))) return body
  const members: [string, unknown][] = Object.entries(JSON.parse(Buffer.from(body, 'latin1').toString()))
  const kept = members.filter(([name]) => !OWN.includes(`"${name}"`))
  return Buffer.from(JSON.stringify(Object.fromEntries(kept))).toString('latin1')
}

/** OpenAI's error object, with the members that the published clients read beside it. */
function errorBody(refusal: Refusal, requestId: string): object {
  const row = REFUSALS[refusal.reason]
  const { retryAfter, param, provider, violations, riskScore } = refusal.detail
  return {
    error: {
      message: refusal.message,
      type: row.type,
      param: param ?? null,
      code: refusal.detail.code ?? row.code,
      ...(retryAfter === undefined ? {} : { retry_after: retryAfter }),
      ...(provider === undefined ? {} : { provider }),
      ...(violations === undefined ? {} : { violations }),
      ...(riskScore === undefined ? {} : { risk_score: riskScore }),
    },
    request_id: requestId,
  }
}
