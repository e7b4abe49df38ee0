// Kind VirtualKey: what an application calls with. The token itself is in a Secret, never in the object.
import { z } from 'zod'
import { Role } from '../snapshot/items.ts'
import {
  BudgetSpec,
  listOf,
  LocalRef,
  namespacedKind,
  ObjectName,
  Pattern,
  RateLimitSpec,
  secretKeyRef,
  SubjectName,
  Tag,
} from './metadata.ts'

/** The key of a Secret that holds a virtual key's token when nothing else is said. */
export const TOKEN_SECRET_KEY = 'token'

const Alias = z.string().regex(/^[a-z0-9]([-a-z0-9_.]{0,61}[a-z0-9])?$/, {
  error: 'must be 1 to 63 lower-case letters, digits, "-", "_" or ".", beginning and ending with a letter or digit',
})

const spec = z
  .strictObject({
    alias: Alias,
    role: Role.default('InternalUser'),
    owner: z.strictObject({ type: z.enum(['User', 'Team', 'Application']), name: SubjectName }).optional(),
    team: SubjectName.optional(),
    user: SubjectName.optional(),
    secretName: ObjectName.optional(),
    keyFrom: z.strictObject({ secretRef: secretKeyRef(TOKEN_SECRET_KEY) }).optional(),
    models: listOf(Pattern, 128),
    providers: listOf(ObjectName, 64),
    budget: BudgetSpec.optional(),
    rateLimit: RateLimitSpec.optional(),
    expiresAt: z.iso.datetime({ offset: true, error: 'must be a time like 2027-01-31T00:00:00Z' }).optional(),
    suspend: z.boolean().default(false),
    tags: listOf(Tag, 32),
    fallbackChainRef: LocalRef.optional(),
  })
  .refine(key => key.secretName === undefined || key.keyFrom === undefined, {
    path: ['keyFrom'],
    error: 'stands beside secretName: secretName is for a token the gateway makes, keyFrom for one you bring; keep one',
  })
  .refine(key => key.owner?.type !== 'Team' || key.team === undefined || key.team === key.owner.name, {
    path: ['team'],
    error: 'differs from the team in owner; keep one of the two',
  })
  .refine(key => key.owner?.type !== 'User' || key.user === undefined || key.user === key.owner.name, {
    path: ['user'],
    error: 'differs from the user in owner; keep one of the two',
  })

/** An empty `models` or `providers` list allows all of the tenant's. */
export const VirtualKey = namespacedKind('VirtualKey', spec)
export type VirtualKey = z.infer<typeof VirtualKey>
