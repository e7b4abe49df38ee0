// forward: the only stage that leaves the pod.
import type { Handler, Routed } from '../exchange/stage.ts'
import type { Gateway } from '../ports/gateway.ts'

/** Sends the call to its target; what is wrong with the answer before its first event rejects, so that route can go on. */
export function forward(gateway: Gateway): Handler<Routed> {
  return exchange => gateway.upstream.send(exchange)
}
