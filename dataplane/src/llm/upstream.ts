// One attempt at one provider: the request in its words, its answer in the caller's, both within the attempt's time.
import type { ProviderItem } from '@smartflow/core/snapshot/items'
import { callOff, setDeadline } from '../exchange/deadlines.ts'
import { Refusal } from '../exchange/refusal.ts'
import type { Reply } from '../exchange/reply.ts'
import type { Routed } from '../exchange/stage.ts'
import { of } from '../exchange/streams.ts'
import { type Egress, EgressError, type EgressReply } from '../ports/egress.ts'
import type { Tokens } from '../ports/tokens.ts'
import type { Upstream } from '../ports/upstream.ts'
import { brokenReply } from './broken-reply.ts'
import { inbound, NOTHING_USED } from './inbound.ts'
import { outbound } from './outbound.ts'

/** The ways out: `demo` stands in for providers without a credential (standalone only). */
export interface UpstreamDeps {
  readonly egress: Egress
  readonly demo: Egress | undefined
  readonly tokens: Tokens
}

/** Upstreams that speak one of our formats. */
export function llmUpstream(deps: UpstreamDeps): Upstream {
  return {
    async send(exchange) {
      const provider = providerOf(exchange)
      const egress = provider.demo ? deps.demo : deps.egress
      if (!egress)
        throw new Refusal('not_configured', `The provider "${provider.name}" has no credential.`, {
          provider: provider.name,
        })
      const sent = outbound(exchange, provider)
      if (exchange.call.operation === 'count-tokens' && sent.format !== sent.caller) return countHere(exchange, deps)
      const startedAt = performance.now()
      try {
        const reply = await egress.send(sent.request)
        const left = sent.request.headersTimeoutMs - (performance.now() - startedAt)
        return await within(left, reply, provider, () =>
          inbound(exchange, reply, { ...sent, provider, tokens: deps.tokens }),
        )
      } catch (error) {
        throw error instanceof EgressError ? brokenReply(error, provider.name, exchange.signal) : error
      }
    },
  }
}

function providerOf({ presented, target }: Routed): ProviderItem {
  const provider = presented.tenant.providers.get(target.provider)
  if (provider) return provider
  throw new Refusal('not_configured', `The provider "${target.provider}" is not configured any more; try again.`)
}

/** No provider of another format counts a prompt: an estimate with our tokenizer has to do, and says so. */
function countHere({ call }: Routed, { tokens }: UpstreamDeps): Reply {
  const text = call.dialect.textsOfRequest(call.body).map(slot => slot.text)
  // The texts leave tools, images and the frame of each message out, which admission's estimate knows.
  const counted = Math.max(tokens.count(text.join('\n')), call.estimatedPromptTokens)
  const bytes = Buffer.from(JSON.stringify({ input_tokens: counted }))
  const headers = { 'x-smartflow-estimated': 'input_tokens' }
  return { status: 200, headers, streams: false, frames: of({ bytes }), meter: NOTHING_USED }
}

/** The attempt's time bounds a whole answer, and the time to a stream's first event, however steadily bytes trickle in. */
async function within<T>(ms: number, reply: EgressReply, { name }: ProviderItem, read: () => Promise<T>): Promise<T> {
  let late = false
  const overdue = (): void => {
    late = true
    void reply.chunks.return?.()
  }
  setDeadline(overdue, ms)
  try {
    return await read()
  } catch (error) {
    if (!late) throw error
    throw new Refusal('upstream_timeout', `The provider "${name}" did not complete its answer in time.`, {
      provider: name,
      retryCause: 'Timeout',
      cause: error,
    })
  } finally {
    callOff(overdue)
  }
}
