// policy: guardrails look at what goes in and at what comes out, and block, mask or record what they find (P01, P03).
import type { Admitted, Handler, Stage } from '../../exchange/stage.ts'
import type { Frame, Reply } from '../../exchange/reply.ts'
import type { Gateway } from '../../ports/gateway.ts'
import { watchOf } from './guards.ts'
import { GuardedStream } from './reply-stream.ts'
import { GuardedWhole } from './reply-whole.ts'
import { inspectRequest } from './request.ts'
import { Tally } from './tally.ts'
import { judgedWords } from './words.ts'

/** Throws `policy_blocked` (403); of a reply, when it is read. A call without guardrails passes as it is, and so does its reply. */
export function policy(gateway: Pick<Gateway, 'guardrails'>): Stage<Admitted, Admitted> {
  return next => exchange =>
    exchange.rights.policy.guards.length === 0 ? next(exchange) : guarded(gateway, exchange, next)
}

async function guarded(
  gateway: Pick<Gateway, 'guardrails'>,
  exchange: Admitted,
  next: Handler<Admitted>,
): Promise<Reply> {
  const judgedExchange = inspected(gateway, exchange)
  const watch = watchOf(gateway, exchange, 'reply')
  if (!watch) return next(judgedExchange)
  const words = (error: unknown): unknown => judgedWords(error, watch, exchange.trace)
  const reply = await next(judgedExchange).catch((error: unknown) => {
    throw words(error)
  })
  const tally = new Tally(watch)
  const { dialect } = exchange.call
  const over = (): void => void exchange.trace.push(tally.verdict(undefined))
  const terms = { dialect, watch, tally, over, words, most: exchange.rights.policy.holdBack }
  const frames: AsyncIterator<Frame, undefined> = reply.streams
    ? new GuardedStream(reply.frames, terms)
    : new GuardedWhole(reply.frames, terms)
  return { ...reply, frames }
}

function inspected(gateway: Pick<Gateway, 'guardrails'>, exchange: Admitted): Admitted {
  const watch = watchOf(gateway, exchange, 'request')
  if (!watch) return exchange
  const { verdict, refusal, call } = inspectRequest(exchange.call, watch)
  exchange.trace.push(verdict)
  if (refusal) throw refusal
  return call === exchange.call ? exchange : { ...exchange, call }
}
