// What this release serves of the product's requirements: id → one line. Tests cite ids with `verifies`; a coverage test
// (requirements.test.ts) fails for an id that no test cites. A line that says less than the requirement is all that works.

/** Served requirements. Add a line when a release serves more, together with the test that cites it. */
export const REQUIREMENTS = {
  L01: 'OpenAI drop-in: POST /v1/chat/completions, stream and whole, tools, vision, JSON schema, with any OpenAI client',
  L02: 'Anthropic drop-in: POST /v1/messages and /anthropic/v1/messages, count_tokens, headers and bodies as they came, [1m]',
  L03: 'Routing by model name: name patterns and provider prefixes; a name that nobody serves is 404 and names the prefixes',
  L05: 'Claude Code works with no change but the base URL and the key',
  L06: 'Local models: any OpenAI-compatible server by its address, without a key and without a price',
  L07: 'GET /v1/models over all providers of a key, and one model by its name',
  L08: 'OpenAI and Anthropic callers to providers of either format: nothing dropped silently',
  L11: 'The header x-smartflow-model overrides the model of a request',
  C02: 'Exact cache in two tiers: the memory of a process, and Redis shared by all processes',
  C03: 'Cache-Control no-cache and no-store, x-smartflow-cache skip, x-smartflow-cache-ttl, x-smartflow-cache-namespace',
  C04: 'x-smartflow-cache-hit, x-smartflow-cache-key, X-Cache-Key, and cached, cache_hit_type in the body',
  C07: 'Cache statistics: hits by tier, tokens and cents saved',
  K01: 'Virtual keys sk-sf- + 48 hex as VirtualKey resources: made, suspended, deleted while calls flow',
  K02: 'Budgets of keys, teams and tenants, checked before the call: 429 with budget headers and no provider cost',
  K03: 'Limits of requests and tokens a minute and of calls at once, over all processes',
  K06: 'Reservations with a lease, settled on every exit: a thousand concurrent calls never overspend, no hold is left',
  K07: 'Cost from the real usage, cached tokens at their own price; an unknown price is flagged, never 0',
  R01: 'Fallback chains: retries with exponential backoff on 429, 5xx and time-outs; other 4xx straight to the next target',
  P01: 'Guardrails of type pii in named policies with scopes; response headers say which policies were in force and why',
  P03: 'Requests and replies are looked at by guardrails before bytes leave, on streams too: also values split over events',
  R04: 'Failover before the first byte, an error event inside a 200 stream included',
  O01: 'GET /metrics in Prometheus format',
  O02: 'Reply headers: call id, request id, cost, cache hit, duration, provider',
  O03: 'A log record for each call, refused ones too: GET /api/vas/logs with limit, offset, provider, model, days',
  O08: 'Health: liveliness, readiness, comprehensive',
  D01: 'CRDs of all kinds; AIGateway, AITenant, AIProvider, VirtualKey, FallbackChain and Policy reconciled into Redis configuration that pods follow',
  D02: 'For each tenant a Certificate of cert-manager and an Ingress, or routes of Gateway API',
  D03: 'kubectl, Argo CD and Flux see the true health of every resource',
  D04: 'Standalone: a gateway on a laptop from a folder of YAML, followed while it runs',
  S01: 'The published Python client: chat, chat_completions, stream_chat, claude_message, list_models, health, readiness, health_comprehensive, get_logs, get_cache_stats',
} as const

/** An id of the table. */
export type RequirementId = keyof typeof REQUIREMENTS

/** Cites requirements in a test's title: `test(`streams ${verifies('L01')}`, …)`. */
export function verifies(...ids: readonly [RequirementId, ...RequirementId[]]): string {
  return `[${ids.join(', ')}]`
}
