// Kind Policy: what holds for the calls of some teams, keys, models or tags.
import { z } from 'zod'
import { duration, listOf, namespacedKind, Pattern, SubjectPattern } from './metadata.ts'

const spec = z.strictObject({
  scope: z
    .strictObject({
      teams: listOf(SubjectPattern, 64),
      keyAliases: listOf(Pattern, 64),
      models: listOf(Pattern, 64),
      tags: listOf(Pattern, 64),
    })
    .prefault({}),
  priority: z.int().min(-1_000).max(1_000).default(0),
  cache: z
    .strictObject({
      enabled: z.boolean(),
      scope: z.enum(['Tenant', 'Team', 'User']).default('Tenant'),
      ttl: duration('1s', '720h').default('1h'),
      maxTemperaturePercent: z.int().min(0).max(200).optional(),
      toolCalls: z.boolean().default(false),
    })
    .optional(),
  audit: z
    .strictObject({
      content: z.enum(['Keep', 'Drop']),
      maxBytes: z.int().min(0).max(1_048_576).default(32_768),
    })
    .optional(),
})

/** An empty list in `scope` concerns everybody. The higher `priority` wins; `maxBytes` is a side (request, reply). */
export const Policy = namespacedKind('Policy', spec)
export type Policy = z.infer<typeof Policy>
