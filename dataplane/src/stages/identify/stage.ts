// identify: the presented key becomes a caller with rights, or is refused.
import { refuseUnusable } from '../../exchange/credential.ts'
import type { Identified, Received, Stage } from '../../exchange/stage.ts'
import type { Gateway } from '../../ports/gateway.ts'
import { RightsBook } from './rights.ts'

/** Refuses expired and suspended keys (401/403), models the key may not use (403) and models nobody serves (404). */
export function identify(gateway: Gateway): Stage<Received, Identified> {
  const book = new RightsBook(gateway)
  return next => exchange => {
    const { presented, call, trace } = exchange
    const { key } = presented
    refuseUnusable(presented, gateway.now())
    const rights = book.rights(presented, call.model)
    const { names, audit } = rights.policy
    trace.push({
      kind: 'identified',
      user: key.user ?? call.userId,
      policies: names,
      chain: rights.bounds.chain,
      content: { keep: audit.content === 'Keep', maxBytes: audit.maxBytes },
    })
    return next({ ...exchange, rights })
  }
}
