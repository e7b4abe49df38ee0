// The compiled configuration: what writers publish and pods read. One zod schema an item kind, checked on both sides.
import { z } from 'zod'
import { FORMAT_NAMES } from '../providers.ts'

const micros = z.int().nonnegative()

/** How long a budget counts before it starts again, in UTC (K02). */
export const Period = z.enum(['Daily', 'Weekly', 'Monthly', 'Lifetime'])
export type Period = z.infer<typeof Period>

/** A compiled budget: whole micro-dollars a period. */
export const Budget = z.object({ amount: micros, period: Period })
export type Budget = z.infer<typeof Budget>

/** Compiled limits: requests and tokens a minute, calls at once. Absent means unlimited (K03). */
export const RateLimit = z.object({
  rpm: z.int().positive().optional(),
  tpm: z.int().positive().optional(),
  concurrency: z.int().positive().optional(),
})
export type RateLimit = z.infer<typeof RateLimit>

/** What a key may do on the admin routes; everything else is refused by default (I03). */
export const Role = z.enum(['InternalUser', 'OrgAdmin', 'ProxyAdminViewer', 'ProxyAdmin'])
export type Role = z.infer<typeof Role>

/**
 * A virtual key. `keyId` finds it, `hash` (HMAC-SHA-256 under the tenant's key-hash key, hex) proves it; the token is
 * nowhere. `name` is `namespace/name`, since one tenant may own several namespaces; `alias` is unique in the tenant
 * too. Every other item's `name` is its object's, unique in its tenant. `expiresAt` is in epoch milliseconds; that of a
 * secret is for a token that was replaced and may be used until then.
 */
export const KeyItem = z.object({
  kind: z.literal('VirtualKey'),
  name: z.string(),
  alias: z.string(),
  secrets: z.array(z.object({ keyId: z.string(), hash: z.string(), expiresAt: z.int().optional() })).max(4),
  role: Role,
  team: z.string().optional(),
  user: z.string().optional(),
  application: z.string().optional(),
  models: z.array(z.string()),
  providers: z.array(z.string()),
  budget: Budget.optional(),
  rateLimit: RateLimit.optional(),
  tags: z.array(z.string()),
  chain: z.string().optional(),
  expiresAt: z.int().optional(),
  suspended: z.boolean(),
})
export type KeyItem = z.infer<typeof KeyItem>

/** Prices of one model in micro-dollars per million tokens (so that 0.15 USD a million is 150000). */
export const ModelPrice = z.object({
  input: micros,
  output: micros,
  cachedInput: micros.optional(),
  cacheWrite: micros.optional(),
  maxOutputTokens: z.int().positive().optional(),
})
export type ModelPrice = z.infer<typeof ModelPrice>

/**
 * An upstream. `credential` is sealed with the tenant's sealing key; `demo` says that the demo upstream stands in for
 * it. Timeouts are milliseconds; `pricing` holds only what the object itself declares, which wins over the price list.
 * `format` is the one that the endpoint speaks when the object says so, in place of its row's (`formatPaths`). `lender`
 * is the tenant whose provider this is a copy of: only chains lead to it, and its name is `<lender>:<name>`, which no
 * object of the tenant can have.
 */
export const ProviderItem = z.object({
  kind: z.literal('AIProvider'),
  name: z.string(),
  lender: z.string().optional(),
  preset: z.string(),
  baseURL: z.string(),
  format: z.enum(FORMAT_NAMES).optional(),
  credential: z.string().optional(),
  demo: z.boolean(),
  allowPrivateEndpoint: z.boolean(),
  models: z.object({
    allow: z.array(z.string()),
    deny: z.array(z.string()),
    aliases: z.record(z.string(), z.string()),
  }),
  timeouts: z.object({ connect: z.int(), request: z.int(), streamIdle: z.int() }),
  pricing: z.record(z.string(), ModelPrice),
  tags: z.array(z.string()),
})
export type ProviderItem = z.infer<typeof ProviderItem>

/** What makes an attempt worth repeating at the same target. */
export const RetryCause = z.enum(['HTTP429', 'HTTP5xx', 'Timeout', 'Connect'])
export type RetryCause = z.infer<typeof RetryCause>

/** Attempts beyond the first at the same target, and the pauses between them; durations in milliseconds. */
export const Retry = z.object({
  attempts: z.int().min(0).max(10),
  baseDelay: z.int().nonnegative(),
  maxDelay: z.int().nonnegative(),
  jitterPercent: z.int().min(0).max(100),
  on: z.array(RetryCause),
})
export type Retry = z.infer<typeof Retry>

/** When a target is left alone for a while: so many failures in a row, and for how long (milliseconds). */
export const Breaker = z.object({ failures: z.int().min(1), openFor: z.int().positive() })
export type Breaker = z.infer<typeof Breaker>

/**
 * A fallback chain: its targets in the order in which they are tried. Durations are milliseconds; `timeout` replaces the
 * provider's for one attempt; `maxAttempts` bounds the upstream calls of one call over all targets, `maxTotalDuration`
 * the time until the answer begins.
 */
export const ChainItem = z.object({
  kind: z.literal('FallbackChain'),
  name: z.string(),
  models: z.array(z.string()),
  targets: z
    .array(
      z.object({
        name: z.string(),
        provider: z.string(),
        model: z.string().optional(),
        timeout: z.int().positive().optional(),
        retry: Retry,
      }),
    )
    .min(1),
  maxAttempts: z.int().positive(),
  maxTotalDuration: z.int().positive().optional(),
  breaker: Breaker,
})
export type ChainItem = z.infer<typeof ChainItem>

/** What the PII detectors know; see docs/policies.md for what counts as one. */
export const PiiEntity = z.enum(['Card', 'SSN', 'Email', 'Phone', 'IBAN', 'Secret'])
export type PiiEntity = z.infer<typeof PiiEntity>

/**
 * A guardrail of a policy (P01). `Shadow` only records. `onError` says what happens when the detector itself fails.
 * `AllowAndLog` lets everything pass and says so in header and log.
 */
export const GuardrailItem = z.object({
  name: z.string(),
  type: z.enum(['PII']),
  direction: z.enum(['Request', 'Response', 'Both']),
  mode: z.enum(['Enforce', 'Shadow', 'Disabled']),
  action: z.enum(['Block', 'Redact', 'AllowAndLog']),
  onError: z.enum(['Block', 'Allow']),
  entities: z.array(PiiEntity).min(1),
})
export type GuardrailItem = z.infer<typeof GuardrailItem>

/**
 * A policy: whom it concerns (patterns may end in one `*`; an empty list concerns everybody) and what it sets. The
 * higher `priority` wins. `cache.ttl` is seconds, as caches and headers count; `maxTemperaturePercent` 70 means
 * temperature 0.7 and absent means no bound.
 */
export const PolicyItem = z.object({
  kind: z.literal('Policy'),
  name: z.string(),
  scope: z.object({
    teams: z.array(z.string()),
    keyAliases: z.array(z.string()),
    models: z.array(z.string()),
    tags: z.array(z.string()),
  }),
  priority: z.int(),
  cache: z
    .object({
      enabled: z.boolean(),
      scope: z.enum(['Tenant', 'Team', 'User']),
      ttl: z.int().positive(),
      maxTemperaturePercent: z.int().optional(),
      toolCalls: z.boolean(),
    })
    .optional(),
  audit: z.object({ content: z.enum(['Keep', 'Drop']), maxBytes: z.int().nonnegative() }).optional(),
  guardrails: z.array(GuardrailItem),
  /** Redact may change bodies of a provider's own format where that is unsafe (Anthropic's); otherwise it blocks there. */
  allowRewriteNative: z.boolean(),
  /** Most characters of a stream that wait to be judged. */
  holdBack: z.int().positive(),
})
export type PolicyItem = z.infer<typeof PolicyItem>

/** The tenant itself: limits over all its keys, teams with budgets of their own. */
export const TenantItem = z.object({
  kind: z.literal('AITenant'),
  name: z.string(),
  namespaces: z.array(z.string()),
  budget: Budget.optional(),
  rateLimit: RateLimit.optional(),
  teams: z.array(z.object({ name: z.string(), budget: Budget.optional(), rateLimit: RateLimit.optional() })),
  suspended: z.boolean(),
})
export type TenantItem = z.infer<typeof TenantItem>

/** Any item of a tenant's manifest. */
export const Item = z.discriminatedUnion('kind', [KeyItem, ProviderItem, ChainItem, PolicyItem, TenantItem])
export type Item = z.infer<typeof Item>

/** What holds for the whole gateway; part of the root manifest. Durations are milliseconds. */
export const GatewaySettings = z.object({
  name: z.string(),
  requestTimeout: z.int().positive(),
  streamIdleTimeout: z.int().positive(),
  maxBodyBytes: z.int().positive(),
  storeLoss: z.object({
    budgets: z.enum(['FailOpenLocal', 'FailClosed']),
    rateLimits: z.enum(['Local', 'FailClosed']),
  }),
})
export type GatewaySettings = z.infer<typeof GatewaySettings>

/** Everything one compile gives: settings and, per tenant, its items sorted by kind and name (by code units). */
export interface Compiled {
  settings: GatewaySettings
  tenants: ReadonlyMap<string, readonly Item[]>
}
