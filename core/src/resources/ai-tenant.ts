// Kind AITenant (cluster-scoped, an administrator's): which namespaces belong together and what they may use in all.
import { z } from 'zod'
import { BudgetSpec, clusterKind, listOf, Label, rateLimitFields, RateLimitSpec, SubjectName } from './metadata.ts'

/** The tenant of every namespace that no AITenant names. An AITenant of this name sets its limits. */
export const DEFAULT_TENANT = 'default'

const Team = z.strictObject({ name: SubjectName, budget: BudgetSpec.optional(), rateLimit: RateLimitSpec.optional() })

const spec = z.strictObject({
  namespaces: z.strictObject({ names: listOf(Label, 64) }).prefault({}),
  limits: z.strictObject({ budget: BudgetSpec.optional(), ...rateLimitFields }).optional(),
  teams: listOf(Team, 256).refine(teams => new Set(teams.map(team => team.name)).size === teams.length, {
    error: 'names a team twice; team names are unique in a tenant',
  }),
  adminNamespaces: listOf(Label, 16),
  suspend: z.boolean().default(false),
})

/** `adminNamespaces` are those of its namespaces that may hold OrgAdmin keys. */
export const AITenant = clusterKind('AITenant', spec)
export type AITenant = z.infer<typeof AITenant>
