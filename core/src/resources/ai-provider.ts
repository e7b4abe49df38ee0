// Kind AIProvider: an upstream with its credential. `preset` names a row of providers.json, which says the rest.
import { z } from 'zod'
import { duration, listOf, ModelName, namespacedKind, Pattern, secretKeyRef, Tag, USD } from './metadata.ts'

/** The key of a Secret that holds a provider's credential when nothing else is said. */
const CREDENTIAL_SECRET_KEY = 'apiKey'

const MAX_ALIASES = 256

const BaseURL = z.string().max(2048).refine(isPlainURL, {
  error: 'must be an http or https address without user, query or fragment, like https://llm.example.com/v1',
})

function isPlainURL(text: string): boolean {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) return false
  return url.username === '' && url.password === '' && url.search === '' && url.hash === ''
}

const Pricing = z.strictObject({
  model: ModelName,
  inputPerMillionUSD: USD,
  outputPerMillionUSD: USD,
  cachedInputPerMillionUSD: USD.optional(),
  cacheWritePerMillionUSD: USD.optional(),
  maxOutputTokens: z.int().min(1).max(100_000_000).optional(),
})

const spec = z
  .strictObject({
    preset: z
      .string()
      .max(63)
      .regex(/^[a-z0-9][a-z0-9_-]*$/, { error: 'must be the name of a provider, like openai' }),
    baseURL: BaseURL.optional(),
    format: z.enum(['OpenAIChat', 'AnthropicMessages']).optional(),
    auth: z.strictObject({ secretRef: secretKeyRef(CREDENTIAL_SECRET_KEY) }).optional(),
    models: z
      .strictObject({
        allow: listOf(Pattern, 256),
        deny: listOf(Pattern, 256),
        aliases: z
          .record(ModelName, ModelName)
          .refine(aliases => Object.keys(aliases).length <= MAX_ALIASES, {
            error: `has more than ${MAX_ALIASES} entries`,
          })
          .default({}),
      })
      .prefault({}),
    timeouts: z
      .strictObject({
        connect: duration('100ms', '1m').default('5s'),
        request: duration('1s', '1h').optional(),
        streamIdle: duration('1s', '1h').optional(),
      })
      .prefault({}),
    pricing: listOf(Pricing, 256).refine(prices => new Set(prices.map(price => price.model)).size === prices.length, {
      error: 'names a model twice; keep one price a model',
    }),
    tags: listOf(Tag, 32),
    allowPrivateEndpoint: z.boolean().optional(),
  })
  .refine(provider => provider.allowPrivateEndpoint === true || !(provider.baseURL ?? '').startsWith('http:'), {
    path: ['baseURL'],
    error: 'is not https: the credential would travel in the clear; use https, or set allowPrivateEndpoint: true',
  })

/**
 * Without `timeouts.request` and `.streamIdle` the AIGateway's defaults hold. An empty `models.allow` allows all.
 * `format` says what the endpoint speaks when that is not what its row says.
 */
export const AIProvider = namespacedKind('AIProvider', spec)
export type AIProvider = z.infer<typeof AIProvider>
