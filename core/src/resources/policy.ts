// Kind Policy: what holds for the calls of some teams, keys, models or tags.
import { z } from 'zod'
import { PiiEntity } from '../snapshot/items.ts'
import { later, laterValues } from './later.ts'
import {
  BudgetSpec,
  duration,
  Label,
  listOf,
  LocalRef,
  ModelName,
  namespacedKind,
  ObjectName,
  Pattern,
  SubjectPattern,
} from './metadata.ts'
import { listMap, rule, valuesOnce } from './rule.ts'

const guardrailLater = {
  thresholdPercent: later(
    z.int().min(0).max(100).describe('How sure a detector must be before it acts, in percent. Not served yet.'),
  ),
  documentRef: later(
    z
      .strictObject({
        name: ObjectName.describe('The name of a ConfigMap of this namespace.'),
        key: z.string().max(253).optional().describe('Which entry of it.'),
      })
      .describe('The document that is judged by. Not served yet.'),
  ),
  judgeRef: later(
    z
      .strictObject({
        providerRef: LocalRef.describe('The AIProvider that judges.'),
        model: ModelName.describe('The model that judges.'),
      })
      .describe('The model that judges. Not served yet.'),
  ),
  budget: later(BudgetSpec.describe('What judging may cost. Not served yet.')),
}

const Guardrail = z.strictObject({
  name: Label.describe('The name of the guardrail; a child policy overrides it by this name.'),
  type: laterValues(
    z.enum(['PII', 'Toxicity', 'PromptInjection', 'Compliance', 'Custom']).describe('What is looked for.'),
    ['Toxicity', 'PromptInjection', 'Compliance', 'Custom'],
  ),
  direction: z.enum(['Request', 'Response', 'Both']).default('Both').describe('Which way of a call is looked at.'),
  mode: z
    .enum(['Enforce', 'Shadow', 'Disabled'])
    .default('Enforce')
    .describe('Enforce acts. Shadow only records. Disabled takes out the guardrail of this name.'),
  action: laterValues(
    z
      .enum(['Block', 'Redact', 'Review', 'AllowAndLog'])
      .describe(
        'What happens when something is found: the call is refused, the text is masked, or it is only recorded.',
      ),
    ['Review'],
  ),
  onError: z.enum(['Block', 'Allow']).default('Block').describe('What happens when the detector itself fails.'),
  config: z
    .strictObject({
      entities: z
        .array(PiiEntity)
        .min(1)
        .max(PiiEntity.options.length)
        .check(valuesOnce())
        .default([...PiiEntity.options])
        .describe('What a guardrail of type PII looks for.'),
    })
    .prefault({})
    .describe('What the type needs to know.'),
  ...guardrailLater,
})

const Cache = z.strictObject({
  enabled: z.boolean().describe('Whether replies are cached and served from the cache.'),
  scope: z.enum(['Tenant', 'Team', 'User']).default('Tenant').describe('Who shares the cached replies.'),
  ttl: duration('1s', '720h').default('1h').describe('How long a reply is kept.'),
  maxTemperaturePercent: z
    .int()
    .min(0)
    .max(200)
    .optional()
    .describe('The highest temperature of calls that are cached, in percent: 70 means 0.7. No bound when absent.'),
  toolCalls: z.boolean().default(false).describe('Cache replies that call tools too.'),
  phases: later(
    z
      .array(z.enum(['Intent', 'NearMiss', 'Exact', 'Semantic']))
      .min(1)
      .max(4)
      .check(valuesOnce())
      .describe('Which ways of finding a reply are used. Not served yet.'),
  ),
  shadow: later(z.boolean().describe('Look, and record what would have been served. Not served yet.')),
})

const TargetRef = z.strictObject({
  group: z.enum(['smartflow.dev']).default('smartflow.dev').describe('The API group of the object.'),
  kind: z
    .enum(['AIGateway', 'AITenant', 'AIProvider', 'VirtualKey', 'FallbackChain', 'McpServer', 'Agent'])
    .describe('The kind of the object.'),
  name: ObjectName.describe('The name of the object.'),
  sectionName: z.string().max(253).optional().describe('A part of it.'),
})

const laterFields = {
  targetRefs: later(z.array(TargetRef).min(1).max(16).describe('Objects that the policy holds for. Not served yet.')),
  compression: later(
    z
      .strictObject({
        enabled: z.boolean().describe('Whether prompts are shortened.'),
        minTokens: z.int().min(1).max(10_000_000).optional().describe('Only prompts of so many tokens or more.'),
      })
      .describe('Shortening of long prompts. Not served yet.'),
  ),
  promptCache: later(
    z
      .strictObject({ enabled: z.boolean().describe("Whether providers' own prompt caches are helped.") })
      .describe("Help for providers' own prompt caches. Not served yet."),
  ),
  replay: later(
    z
      .strictObject({ samplePercent: z.int().min(0).max(100).describe('How many calls are kept, in percent.') })
      .describe('Calls kept to be played again. Not served yet.'),
  ),
}

const spec = z
  .strictObject({
    parentRef: LocalRef.optional().describe(
      'A Policy of this namespace whose guardrails and settings hold here too, unless this one says otherwise.',
    ),
    scope: z
      .strictObject({
        teams: listOf(SubjectPattern, 64).describe('Teams; one * may stand at the end. All when empty.'),
        keyAliases: listOf(Pattern, 64).describe('Aliases of VirtualKeys. All when empty.'),
        models: listOf(Pattern, 64).describe('Models. All when empty.'),
        tags: listOf(Pattern, 64).describe('Tags of calls. All when empty.'),
      })
      .prefault({})
      .describe('Whose calls the policy holds for. Everything named must fit.'),
    priority: z
      .int()
      .min(-1_000)
      .max(1_000)
      .default(0)
      .describe('Of two policies that say something of the same, the one with the higher priority counts.'),
    cache: Cache.optional().describe('Whether and how replies are cached.'),
    audit: z
      .strictObject({
        content: laterValues(
          z.enum(['Keep', 'Hash', 'Redact', 'Drop']).describe('What becomes of the texts of a call in its record.'),
          ['Hash', 'Redact'],
        ),
        maxBytes: z
          .int()
          .min(0)
          .max(1_048_576)
          .default(32_768)
          .describe('The most that is kept of a request and of a reply, in bytes.'),
      })
      .optional()
      .describe('What is kept of calls.'),
    guardrails: z
      .array(Guardrail)
      .max(32)
      .check(listMap(['name'], 'guardrail names are unique in a policy'))
      .default([])
      .describe('What is looked for in calls, and what happens then.'),
    allowRewriteNative: z
      .boolean()
      .default(false)
      .describe('Let Redact change bodies where that can break signed parts; it blocks there otherwise.'),
    holdBack: z
      .int()
      .min(64)
      .max(65_536)
      .default(4_096)
      .describe('The most characters of a stream that wait until guardrails have judged them.'),
    ...laterFields,
  })
  .check(
    rule(
      {
        cel: '!has(self.targetRefs) || (self.scope.teams.size() == 0 && self.scope.keyAliases.size() == 0 && self.scope.models.size() == 0 && self.scope.tags.size() == 0)',
        message: 'stands beside scope; keep one of the two',
        path: ['targetRefs'],
      },
      ({ targetRefs, scope }) => targetRefs === undefined || Object.values(scope).every(list => list.length === 0),
    ),
  )

/**
 * An empty list in `scope` concerns everybody. The higher `priority` wins; `maxBytes` is a side (request, reply).
 * `holdBack`: the most characters of a stream that wait until guardrails have judged them. A guardrail that is Disabled
 * takes the one of its name out of policies of a lower priority.
 */
export const Policy = namespacedKind('Policy', spec)
export type Policy = z.infer<typeof Policy>
