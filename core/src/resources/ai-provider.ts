// Kind AIProvider: an upstream with its credential. `preset` names a row of providers.json, which says the rest.
import { z } from 'zod'
import { Format } from './format.ts'
import { later } from './later.ts'
import {
  duration,
  listOf,
  LocalRef,
  ModelName,
  namespacedKind,
  Pattern,
  rateLimitFields,
  secretKeyRef,
  Tag,
  USD,
} from './metadata.ts'
import { AllowedNamespaces } from './namespaces.ts'
import { BaseURL, endpointRules } from './network.ts'
import { listMap, rule } from './rule.ts'

/** The key of a Secret that holds a provider's credential when nothing else is said. */
const CREDENTIAL_SECRET_KEY = 'apiKey'

const MAX_ALIASES = 256

const Pricing = z.strictObject({
  model: ModelName.describe('The model at the provider.'),
  inputPerMillionUSD: USD.describe('Dollars for a million tokens of input.'),
  outputPerMillionUSD: USD.describe('Dollars for a million tokens of output.'),
  cachedInputPerMillionUSD: USD.optional().describe(
    'Dollars for a million tokens read from the cache of the provider.',
  ),
  cacheWritePerMillionUSD: USD.optional().describe('Dollars for a million tokens written to it.'),
  maxOutputTokens: z.int().min(1).max(100_000_000).optional().describe('The most tokens a reply can have.'),
})

const Auth = z
  .strictObject({
    secretRef: secretKeyRef(CREDENTIAL_SECRET_KEY).optional().describe('The Secret entry that holds the credential.'),
    type: later(z.enum(['APIKey', 'AWS', 'Azure', 'GCP', 'None']).describe('What kind of credential. Not served yet.')),
    header: later(
      z
        .string()
        .max(128)
        .regex(/^[A-Za-z0-9-]+$/, { error: 'must be the name of a header' })
        .describe('The header that carries the credential. Not served yet.'),
    ),
    passthrough: later(z.boolean().describe("Let the caller's own credential through. Not served yet.")),
  })
  .check(
    rule(
      {
        cel: "has(self.secretRef) || (has(self.type) && self.type != 'APIKey')",
        message: 'is missing; name the Secret with the credential',
        path: ['secretRef'],
        reason: 'FieldValueRequired',
      },
      ({ secretRef, type }) => secretRef !== undefined || (type !== undefined && type !== 'APIKey'),
    ),
  )

const Models = z
  .strictObject({
    allow: listOf(Pattern, 256).describe('Models that may be asked for; all when empty. One * may stand at the end.'),
    deny: listOf(Pattern, 256).describe('Models that may not be asked for, even when allowed.'),
    aliases: z
      .record(ModelName, ModelName)
      .check(
        rule(
          { cel: `self.size() <= ${MAX_ALIASES}`, message: `has more than ${MAX_ALIASES} entries` },
          aliases => Object.keys(aliases).length <= MAX_ALIASES,
        ),
      )
      .default({})
      .describe('Names that callers may write, and the models they stand for.'),
  })
  .prefault({})

const Timeouts = z
  .strictObject({
    connect: duration('100ms', '1m').default('5s').describe('How long making a connection may take.'),
    request: duration('1s', '1h')
      .optional()
      .describe('How long one attempt may take; as the AIGateway says when absent.'),
    streamIdle: duration('1s', '1h')
      .optional()
      .describe('How long a stream may say nothing; as the AIGateway says when absent.'),
  })
  .prefault({})

const laterFields = {
  strict: later(z.boolean().describe('Refuse parameters that the provider does not know. Not served yet.')),
  dailyBudget: later(
    z
      .strictObject({ amountUSD: USD.describe('Dollars as text.') })
      .describe('The most spent here a day. Not served yet.'),
  ),
  limits: later(z.strictObject(rateLimitFields).describe('The most that is called here. Not served yet.')),
  health: later(
    z
      .strictObject({
        consecutiveFailures: z.int().min(1).max(100).default(5).describe('Failures in a row that count as broken.'),
        ejection: duration('1s', '1h').default('30s').describe('How long it is left alone then.'),
      })
      .describe('When the provider counts as broken. Not served yet.'),
  ),
  tls: later(
    z
      .strictObject({
        caRef: LocalRef.optional().describe('A ConfigMap whose ca.crt proves the provider.'),
        clientCertRef: LocalRef.optional().describe('A Secret with the certificate shown to it.'),
        insecureSkipVerify: z.boolean().default(false).describe('Accept any certificate.'),
      })
      .describe('How the connection is secured. Not served yet.'),
  ),
}

const spec = z
  .strictObject({
    preset: z
      .string()
      .max(63)
      .regex(/^[a-z0-9][a-z0-9_-]*$/, { error: 'must be the name of a provider, like openai' })
      .describe('Which provider this is. The gateway knows addresses, formats and prices of it.'),
    baseURL: BaseURL.optional().describe("Where the provider is reached, if not at the preset's own address."),
    format: Format.optional(),
    auth: Auth.optional().describe('The credential of the gateway at the provider.'),
    models: Models.describe('Which models may be asked for here, and by which names.'),
    timeouts: Timeouts.describe('How long the gateway waits.'),
    pricing: z
      .array(Pricing)
      .max(256)
      .check(listMap(['model'], 'keep one price a model'))
      .default([])
      .describe("Prices that win over the gateway's own list."),
    tags: listOf(Tag, 32).describe('Tags of the provider.'),
    allowPrivateEndpoint: z.boolean().optional().describe('Allow http, and addresses inside your network.'),
    allowedNamespaces: AllowedNamespaces.optional().describe(
      'Namespaces whose FallbackChains may name this provider; only its own when absent.',
    ),
    ...laterFields,
  })
  .check(
    ...endpointRules<{ baseURL?: string | undefined; allowPrivateEndpoint?: boolean | undefined }>(
      'baseURL',
      provider => provider.baseURL,
    ),
  )

/**
 * Without `timeouts.request` and `.streamIdle` the AIGateway's defaults hold. An empty `models.allow` allows all.
 * `format` says what the endpoint speaks when that is not what its row says.
 */
export const AIProvider = namespacedKind('AIProvider', spec)
export type AIProvider = z.infer<typeof AIProvider>
