// route: tries the targets in their order until one answers; the first event commits.
import { asRefusal, Refusal } from '../exchange/refusal.ts'
import type { Reply } from '../exchange/reply.ts'
import type { Admitted, Routed, Stage } from '../exchange/stage.ts'

/** At most one attempt a target. When none answers, the caller gets the last target's refusal. */
export const route: Stage<Admitted, Routed> = next => async exchange => {
  let last: Refusal | undefined
  for (const target of exchange.rights.targets) {
    const startedAt = performance.now()
    const attempt = { kind: 'attempted' as const, target: target.name, provider: target.preset, model: target.model }
    try {
      const reply: Reply = await next({ ...exchange, target })
      exchange.trace.push({
        ...attempt,
        status: reply.status,
        durationMs: performance.now() - startedAt,
        error: undefined,
      })
      return { ...reply, servedBy: target }
    } catch (error) {
      last = asRefusal(error)
      exchange.trace.push({
        ...attempt,
        status: last.status,
        durationMs: performance.now() - startedAt,
        error: last.reason,
      })
      if (exchange.signal.aborted || !last.reason.startsWith('upstream_')) throw last
    }
  }
  throw last ?? new Refusal('model_not_found', 'No target is left for this model.')
}
