// Kind AIGateway: what holds for the whole gateway. Its namespace is the only one that may hold ProxyAdmin keys.
import { z } from 'zod'
import { duration, namespacedKind } from './metadata.ts'

const spec = z
  .strictObject({
    defaults: z
      .strictObject({
        requestTimeout: duration('1s', '1h').default('60s'),
        streamIdleTimeout: duration('1s', '1h').default('60s'),
        maxBodyBytes: z.int().min(1_024).max(268_435_456).default(33_554_432),
      })
      .prefault({}),
    storeLoss: z
      .strictObject({
        budgets: z.enum(['FailOpenLocal', 'FailClosed']).default('FailOpenLocal'),
        rateLimits: z.enum(['Local', 'FailClosed']).default('Local'),
      })
      .prefault({}),
  })
  .prefault({})

/** Every field has a default; a gateway without an AIGateway runs with the defaults. */
export const AIGateway = namespacedKind('AIGateway', spec)
export type AIGateway = z.infer<typeof AIGateway>
