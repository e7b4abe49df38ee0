// What the operator writes back: the status of each kind. Folders have none.
import { z } from 'zod'
import { listMap } from './rule.ts'

const time = z.iso.datetime({ offset: true })
const count = z.int().min(0)
const text = (most: number) => z.string().max(most)

/** One condition, as all of Kubernetes has them. */
const ConditionStatus = z.strictObject({
  type: text(316).describe('What is said, like Ready.'),
  status: z.enum(['True', 'False', 'Unknown']).describe('Whether it is so.'),
  observedGeneration: z.int().min(0).optional().describe('The generation of the object that this was said of.'),
  lastTransitionTime: time.describe('When status changed last.'),
  reason: text(1_024)
    .regex(/^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/)
    .describe('Why, in one word for programs.'),
  message: text(32_768).describe('Why, and what to do about it.'),
})

/** The first published configuration that held the object's present spec. */
const ConfigStatus = z.strictObject({
  epoch: count.describe('The epoch of the configuration.'),
  generation: count.describe('Its generation within the epoch.'),
  digest: text(128).describe('The digest of what was published of the object.'),
})

const observed = {
  observedGeneration: z
    .int()
    .min(-1)
    .default(-1)
    .describe('The generation of the object that the status is about; -1 before anybody looked.'),
  conditions: z
    .array(ConditionStatus)
    .max(12)
    .check(listMap(['type'], 'a condition is said once'))
    .optional()
    .describe('What is to be said of the object.'),
}

const common = {
  ...observed,
  config: ConfigStatus.optional().describe('The first configuration that held the present spec.'),
}

/** Status of the kinds that have nothing more to say. */
export const CommonStatus = z.strictObject(common)

/** Status of an AIGateway. `config` is the newest configuration here, not the first with the spec. */
export const AIGatewayStatus = z.strictObject({
  ...observed,
  config: ConfigStatus.extend({
    publishedAt: time.optional().describe('When it was published.'),
    objects: count.optional().describe('How many objects it holds.'),
    bytes: count.optional().describe('How large it is.'),
    minAckedGeneration: count.optional().describe('The oldest generation that a ready pod serves.'),
  })
    .optional()
    .describe('The newest configuration.'),
  dataPlane: z
    .strictObject({
      ready: count.describe('Pods that are ready.'),
      current: count.describe('Those of them that serve the newest configuration.'),
      stale: count.describe('Those that serve an older one, or say nothing.'),
      rejected: count.describe('Those that refused the newest.'),
      stalePods: z.array(text(253)).max(10).optional().describe('Names of pods that are not current.'),
    })
    .optional()
    .describe('The pods of the gateway.'),
  tenants: count.optional().describe('How many tenants are served.'),
})

/** Status of an AITenant. */
export const AITenantStatus = z.strictObject({
  ...common,
  endpoints: z.array(text(2_048)).max(32).optional().describe('Where the tenant reaches the gateway.'),
  certificate: z
    .strictObject({
      notAfter: time.optional().describe('When the certificate ends.'),
      ready: z.boolean().describe('Whether it is there.'),
    })
    .optional()
    .describe('The certificate of the host names.'),
  keys: count.optional().describe('How many VirtualKeys are served.'),
  sidecars: z
    .strictObject({
      namespaces: z.array(text(63)).max(1_024).describe('Namespaces that have what sidecars of the tenant need.'),
    })
    .optional()
    .describe("The tenant's sidecars."),
})

/** Status of a VirtualKey. The token is never in it. */
export const VirtualKeyStatus = z.strictObject({
  ...common,
  keyID: text(128).optional().describe('A fingerprint of the token, as records show it.'),
  secretRef: z
    .strictObject({ name: text(253).describe('The Secret.'), key: text(253).optional().describe('Which entry of it.') })
    .optional()
    .describe('Where the token is.'),
  rotatedAt: time.optional().describe('When the token was made.'),
  nextRotation: time.optional().describe('When the next one is made.'),
  previousKeyExpires: time.optional().describe('How long the token before is still valid.'),
  usage: z
    .strictObject({
      spentUSD: text(32).describe('Dollars spent in the period.'),
      periodStart: time.optional().describe('When the period began.'),
      observedAt: time.describe('When this was looked up.'),
    })
    .optional()
    .describe('What was spent; looked up from time to time.'),
})

/** Status of a Policy. */
export const PolicyStatus = z.strictObject({
  ...common,
  effectiveGuardrails: count.optional().describe('How many guardrails hold, those of parents counted.'),
})

/** Status of an McpServer. */
export const McpServerStatus = z.strictObject({
  ...common,
  tools: z
    .strictObject({
      count: count.describe('How many there are.'),
      digest: text(128).optional().describe('The digest of their descriptions.'),
      discoveredAt: time.optional().describe('When the server was asked.'),
    })
    .optional()
    .describe('Tools that the server has.'),
})
