// A provider as `forward` sees it: one attempt at one target. Formats, paths and credentials are the adapter's business.
import type { Reply } from '../exchange/reply.ts'
import type { Routed } from '../exchange/stage.ts'

export interface Upstream {
  /**
   * Sends the call to its target. Resolves when the answer is good as far as can be known before its first event has
   * passed; an error status, an error event inside a 200 and an unreadable answer reject with an `upstream_*` Refusal.
   */
  send(exchange: Routed): Promise<Reply>
}
