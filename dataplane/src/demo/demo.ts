// The demo upstream: stands in for every provider row without a credential, so that a fresh machine answers. Deterministic.
// Never in a cluster.
import type { Egress, EgressReply, EgressRequest } from '../ports/egress.ts'
import { chatCompletion } from './completions.ts'
import { message, tokenCount } from './messages.ts'
import { json, type Pause } from './reply.ts'

/** What it serves, by how the path ends. */
const SERVED: readonly (readonly [string, (body: Record<string, unknown>, pause: Pause) => EgressReply])[] = [
  ['/chat/completions', chatCompletion],
  ['/messages', message],
  ['/messages/count_tokens', tokenCount],
]

/** A model that never answers, so that failover can be seen without breaking a provider. */
const UNAVAILABLE = 'unavailable'
const SWITCHED_OFF = { type: 'overloaded_error', code: 'unavailable', message: 'This demo model never answers.' }

/** An Egress that answers model calls itself. `pause` waits between stream events. */
export function demoEgress(pause: Pause): Egress {
  return {
    async send(request) {
      const { pathname } = new URL(request.url)
      const served = SERVED.find(([path]) => pathname.endsWith(path))
      const body = bodyOf(request)
      if (body['model'] === UNAVAILABLE) return json(503, { error: SWITCHED_OFF })
      if (served) return served[1](body, pause)
      const error = {
        message: 'The demo upstream serves chat completions and messages only.',
        type: 'invalid_request_error',
        code: 'not_found',
      }
      return json(404, { error })
    },
    async close() {},
  }
}

function bodyOf({ body }: EgressRequest): Record<string, unknown> {
  return JSON.parse((body ?? Buffer.from('{}')).toString('utf8'))
}
