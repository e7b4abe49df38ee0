// Kind VirtualKey: what an application calls with. The token itself is in a Secret, never in the object.
import { z } from 'zod'
import { Role } from '../snapshot/items.ts'
import { later } from './later.ts'
import {
  BudgetSpec,
  duration,
  listOf,
  LocalRef,
  namespacedKind,
  ObjectName,
  parseDuration,
  Pattern,
  RateLimitSpec,
  secretKeyRef,
  SubjectName,
  Tag,
} from './metadata.ts'
import { CIDR } from './network.ts'
import { immutable, rule } from './rule.ts'

/** The key of a Secret that holds a virtual key's token when nothing else is said. */
export const TOKEN_SECRET_KEY = 'token'

/** A name in records and addresses; where two objects may not share it, it cannot change either. */
export const Alias = z
  .string()
  .max(63)
  .regex(/^[a-z0-9]([-a-z0-9_.]{0,61}[a-z0-9])?$/, {
    error: 'must be 1 to 63 lower-case letters, digits, "-", "_" or ".", beginning and ending with a letter or digit',
  })

const Rotation = z
  .strictObject({
    interval: duration('1h', '8760h').describe('How often a new token is made.'),
    overlap: duration('0s', '720h').default('24h').describe('How long the token before stays valid.'),
  })
  .check(
    rule(
      {
        cel: 'duration(self.overlap) <= duration(self.interval)',
        message: 'is longer than interval; shorten it, or more than two tokens would be valid',
        path: ['overlap'],
      },
      ({ overlap, interval }) => parseDuration(overlap) <= parseDuration(interval),
    ),
  )

const Owner = z.strictObject({
  type: z.enum(['User', 'Team', 'Application']).describe('What the owner is.'),
  name: SubjectName.describe('The name of the owner.'),
})

const ownerRule = (type: 'Team' | 'User', field: 'team' | 'user') =>
  rule<{ owner?: z.infer<typeof Owner> | undefined; team?: string | undefined; user?: string | undefined }>(
    {
      cel: `!has(self.owner) || self.owner.type != '${type}' || !has(self.${field}) || self.${field} == self.owner.name`,
      message: `differs from the ${field} in owner; keep one of the two`,
      path: [field],
    },
    key => key.owner?.type !== type || key[field] === undefined || key[field] === key.owner.name,
  )

const laterFields = {
  mcpServers: later(z.array(Pattern).max(64).describe('MCP servers that the key may use. Not served yet.')),
  agents: later(z.array(Pattern).max(64).describe('Agents that the key may call. Not served yet.')),
  allowedCIDRs: later(z.array(CIDR).max(32).describe('Addresses that the key may call from. Not served yet.')),
}

const spec = z
  .strictObject({
    alias: Alias.check(immutable('records and budgets go by it; make a new key instead')).describe(
      'The name of the key in records, policies and budgets; unique in its tenant. It cannot be changed.',
    ),
    role: Role.default('InternalUser').describe(
      'What the key may do on admin routes. ProxyAdmin roles only in the namespace of the gateway, OrgAdmin only in admin namespaces of the tenant.',
    ),
    owner: Owner.optional().describe('Who the key is for.'),
    team: SubjectName.optional().describe('The team whose limits hold too.'),
    user: SubjectName.optional().describe('The user the key is for.'),
    secretName: ObjectName.optional().describe('The Secret that gets the token; <name>-key when absent.'),
    keyFrom: z
      .strictObject({ secretRef: secretKeyRef(TOKEN_SECRET_KEY).describe('The Secret entry with the token.') })
      .optional()
      .describe('A token that you bring yourself, of at least 32 characters.'),
    models: listOf(Pattern, 128).describe(
      'Models that the key may ask for; all when empty. One * may stand at the end.',
    ),
    providers: listOf(ObjectName, 64).describe('AIProviders that the key may use; all of the tenant when empty.'),
    budget: BudgetSpec.optional().describe('What the key may spend.'),
    rateLimit: RateLimitSpec.optional().describe('How much the key may call.'),
    expiresAt: z.iso
      .datetime({ offset: true, error: 'must be a time like 2027-01-31T00:00:00Z' })
      .max(64)
      .optional()
      .describe('When the key stops working.'),
    suspend: z.boolean().default(false).describe('Refuse every call of the key.'),
    tags: listOf(Tag, 32).describe('Tags that policies and records see.'),
    fallbackChainRef: LocalRef.optional().describe('The FallbackChain that every call of the key takes.'),
    rotation: Rotation.optional().describe('Makes a new token from time to time.'),
    deletionPolicy: z
      .enum(['RevokeThenDelete', 'Orphan'])
      .default('RevokeThenDelete')
      .describe('RevokeThenDelete keeps the object until no pod accepts the token; Orphan lets it go at once.'),
    ...laterFields,
  })
  .check(
    rule(
      {
        cel: '!has(self.secretName) || !has(self.keyFrom)',
        message:
          'stands beside secretName: secretName is for a token the gateway makes, keyFrom for one you bring; keep one',
        path: ['keyFrom'],
      },
      key => key.secretName === undefined || key.keyFrom === undefined,
    ),
    rule(
      {
        cel: '!has(self.rotation) || !has(self.keyFrom)',
        message: 'stands beside keyFrom: the gateway cannot make tokens in a Secret that is yours; keep one',
        path: ['rotation'],
      },
      key => key.rotation === undefined || key.keyFrom === undefined,
    ),
    ownerRule('Team', 'team'),
    ownerRule('User', 'user'),
  )

/** An empty `models` or `providers` list allows all of the tenant's. */
export const VirtualKey = namespacedKind('VirtualKey', spec)
export type VirtualKey = z.infer<typeof VirtualKey>
