// Kind Policy: what holds for the calls of some teams, keys, models or tags.
import { z } from 'zod'
import { PiiEntity } from '../snapshot/items.ts'
import { duration, Label, listOf, namesOnce, namespacedKind, Pattern, SubjectPattern, valuesOnce } from './metadata.ts'

const Guardrail = z.strictObject({
  name: Label,
  type: z.enum(['PII']),
  direction: z.enum(['Request', 'Response', 'Both']).default('Both'),
  mode: z.enum(['Enforce', 'Shadow', 'Disabled']).default('Enforce'),
  action: z.enum(['Block', 'Redact', 'AllowAndLog']),
  onError: z.enum(['Block', 'Allow']).default('Block'),
  config: z
    .strictObject({
      entities: z
        .array(PiiEntity)
        .min(1)
        .max(PiiEntity.options.length)
        .check(valuesOnce())
        .default([...PiiEntity.options]),
    })
    .prefault({}),
})

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
  guardrails: listOf(Guardrail, 32).check(namesOnce('guardrail names are unique in a policy')),
  allowRewriteNative: z.boolean().default(false),
  holdBack: z.int().min(64).max(65_536).default(4_096),
})

/**
 * An empty list in `scope` concerns everybody. The higher `priority` wins; `maxBytes` is a side (request, reply).
 * `holdBack`: the most characters of a stream that wait until guardrails have judged them. A guardrail that is Disabled
 * takes the one of its name out of policies of a lower priority.
 */
export const Policy = namespacedKind('Policy', spec)
export type Policy = z.infer<typeof Policy>
