// audit: opens the record at the door and writes it at the end, whatever happened in between.
import { asRefusal, type Refusal } from '../../exchange/refusal.ts'
import { factOf, type Refused } from '../../exchange/facts.ts'
import type { Reply } from '../../exchange/reply.ts'
import type { Received, Stage } from '../../exchange/stage.ts'
import { type Ending, watch } from '../../exchange/streams.ts'
import type { AuditRecord } from '../../ports/audit-log.ts'
import type { Gateway } from '../../ports/gateway.ts'
import { Keep } from './keep.ts'
import { recordOf } from './record.ts'

/** One record a call: answered, refused, broken off. Written after the last byte, off the caller's clock. */
export function audit(gateway: Gateway): Stage<Received, Received> {
  return next => async exchange => {
    let reply: Reply
    try {
      reply = await next(exchange)
    } catch (error) {
      const refusal = asRefusal(error)
      exchange.trace.push(refusedBy(refusal))
      write(gateway, exchange, { status: refusal.status, outcome: outcomeOf(exchange, refusal) }, undefined)
      throw refusal
    }
    return recorded(gateway, exchange, reply)
  }
}

function recorded(gateway: Gateway, exchange: Received, reply: Reply): Reply {
  const content = factOf(exchange.trace, 'identified')?.content
  const keep = content?.keep === true ? new Keep(content.maxBytes) : undefined
  let begun = false
  const frames = watch(reply.frames, {
    each(frame) {
      begun = true
      keep?.add(frame.bytes)
    },
    done(ending) {
      const refusal = ending.how === 'failed' ? asRefusal(ending.error) : undefined
      if (refusal) exchange.trace.push(refusedBy(refusal))
      // The head leaves with the first frame of a stream, or with the whole body: until then a failure is the answer.
      const status = refusal && !(begun && reply.streams) ? refusal.status : reply.status
      write(gateway, exchange, { status, outcome: howItEnded(exchange, ending) }, keep)
    },
  })
  return { ...reply, frames }
}

function refusedBy({ reason, status, message }: Refusal): Refused {
  return { kind: 'refused', reason, status, message }
}

function write(
  gateway: Gateway,
  exchange: Received,
  end: { status: number; outcome: string },
  keep: Keep | undefined,
): void {
  const now = gateway.now()
  const fold = (): AuditRecord => {
    const record = recordOf(exchange, end, now)
    gateway.observe(record)
    return record
  }
  gateway.audit.append(fold, keep && { request: keep.cut(requestOf(exchange)), response: keep.bytes() })
}

/** As the provider saw it: what a policy masked is not kept either. */
function requestOf({ trace, call }: Received): Buffer {
  const verdict = trace.find(fact => fact.kind === 'verdict' && fact.direction === 'request')
  return (verdict?.kind === 'verdict' ? verdict.masked : undefined) ?? call.body.bytes
}

function howItEnded({ signal }: Received, ending: Ending): string {
  if (ending.how === 'complete') return 'complete'
  if (ending.how === 'abandoned' || signal.aborted) return 'client_gone'
  return asRefusal(ending.error).reason
}

function outcomeOf({ signal }: Received, refusal: Refusal): string {
  return signal.aborted ? 'client_gone' : refusal.reason
}
