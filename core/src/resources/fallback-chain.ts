// Kind FallbackChain: where calls for some models go, target after target until one answers.
import { z } from 'zod'
import { RetryCause } from '../snapshot/items.ts'
import { later, laterValues } from './later.ts'
import { duration, Label, ModelName, namespacedKind, ObjectName, parseDuration, Pattern, Tag } from './metadata.ts'
import { listMap, rule, valuesOnce } from './rule.ts'

const Retry = z
  .strictObject({
    attempts: z.int().min(0).max(10).default(2).describe('Attempts after the first, at the same target.'),
    baseDelay: duration('0s', '1m').default('250ms').describe('The pause before the second attempt; it doubles.'),
    maxDelay: duration('0s', '5m').default('5s').describe('The longest pause.'),
    jitterPercent: z.int().min(0).max(100).default(20).describe('How much pauses vary by chance, in percent.'),
    causes: z
      .array(RetryCause)
      .max(RetryCause.options.length)
      .check(valuesOnce())
      .default([...RetryCause.options])
      .describe('What makes an attempt worth repeating.'),
  })
  .check(
    rule(
      {
        cel: 'duration(self.baseDelay) <= duration(self.maxDelay)',
        message: 'is longer than maxDelay; lower the one or raise the other',
        path: ['baseDelay'],
      },
      ({ baseDelay, maxDelay }) => parseDuration(baseDelay) <= parseDuration(maxDelay),
    ),
  )

const When = z.strictObject({
  tags: z.array(Tag).max(32).optional().describe('Tags of the call, one of which must be there.'),
  headers: z
    .array(
      z.strictObject({
        name: z.string().min(1).max(128).describe('The name of a header.'),
        value: z.string().max(1_024).describe('Its value.'),
      }),
    )
    .max(16)
    .check(listMap(['name'], 'name a header once'))
    .optional()
    .describe('Headers that must be there.'),
  tokens: z
    .strictObject({
      min: z.int().min(0).max(100_000_000).optional().describe('The fewest tokens of input.'),
      max: z.int().min(0).max(100_000_000).optional().describe('The most tokens of input.'),
    })
    .optional()
    .describe('How long the call must be.'),
})

const ProviderRef = z.strictObject({
  name: ObjectName.describe('The name of the AIProvider.'),
  namespace: Label.optional().describe(
    'Its namespace, whose AIProvider must allow it; that of this object when absent.',
  ),
})

const Target = z.strictObject({
  name: ObjectName.describe('The name of the target in records.'),
  providerRef: ProviderRef.describe('The AIProvider that is called.'),
  model: ModelName.optional().describe('The model that is asked for there; the one the caller asked for when absent.'),
  timeout: duration('100ms', '1h')
    .optional()
    .describe('How long one attempt may take, in place of the time of the provider.'),
  retry: Retry.prefault({}).describe('Whether and when an attempt is repeated here.'),
  weight: later(z.int().min(0).max(1_000_000).describe('The share of calls, for strategy Weighted. Not served yet.')),
  priority: later(z.int().min(0).max(1_000).describe('Targets of the lowest number come first. Not served yet.')),
  when: later(When.describe('Calls that the target is for. Not served yet.')),
})

const LATER_STRATEGIES = ['Weighted', 'RoundRobin', 'LeastConnections', 'Random', 'Latency', 'Cost', 'Tag'] as const

const laterFields = {
  when: later(When.describe('Calls that the chain is for. Not served yet.')),
  hedge: later(
    z
      .strictObject({ after: duration('10ms', '10m').describe('When a second target is asked as well.') })
      .describe('Asks a second target when the first is slow. Not served yet.'),
  ),
  sticky: later(
    z
      .strictObject({
        by: z.enum(['Key', 'User', 'Session', 'Conversation']).describe('What stays with its target.'),
        ttl: duration('1s', '24h').default('10m').describe('How long.'),
      })
      .describe('Keeps callers with their target. Not served yet.'),
  ),
  mirror: later(
    z
      .strictObject({
        providerRef: ProviderRef.describe('The AIProvider that gets copies.'),
        model: ModelName.optional().describe('The model that is asked for there.'),
        percent: z.int().min(1).max(100).default(100).describe('How many calls are copied, in percent.'),
      })
      .describe('Sends copies of calls elsewhere. Not served yet.'),
  ),
  canary: later(
    z
      .strictObject({
        target: ObjectName.describe('The name of the target that is tried.'),
        percent: z.int().min(1).max(100).describe('How many calls it gets, in percent.'),
      })
      .describe('Tries a target with a few calls. Not served yet.'),
  ),
  midStream: later(z.enum(['Fail', 'Continue']).describe('What happens when a stream breaks. Not served yet.')),
  nonRetryable: later(
    z
      .array(z.int().min(400).max(599))
      .max(32)
      .check(valuesOnce())
      .describe('Statuses that go to the next target at once. Not served yet.'),
  ),
}

const spec = z
  .strictObject({
    models: z
      .array(Pattern)
      .min(1)
      .max(64)
      .describe('Models whose calls take the chain. One * may stand at the end of each.'),
    strategy: laterValues(
      z.enum(['Priority', ...LATER_STRATEGIES]).describe('How the next target is chosen. Priority: in their order.'),
      LATER_STRATEGIES,
    ).default('Priority'),
    targets: z
      .array(Target)
      .min(1)
      .max(16)
      .check(listMap(['name'], 'target names are unique in a chain'))
      .describe('Where calls go, in their order.'),
    maxAttempts: z
      .int()
      .min(1)
      .max(64)
      .default(8)
      .describe('The most calls to providers for one call, over all targets.'),
    maxTotalDuration: duration('1s', '1h').optional().describe('No further attempt after that.'),
    breaker: z
      .strictObject({
        failures: z.int().min(1).max(100).default(5).describe('Failures in a row that open it.'),
        openFor: duration('1s', '10m').default('30s').describe('How long the target is left alone then.'),
      })
      .prefault({})
      .describe('When a target is left alone for a while.'),
    ...laterFields,
  })
  .check(
    rule(
      {
        cel: "self.strategy == 'Weighted' || self.targets.all(target, !has(target.weight))",
        message: 'have weights, which only strategy Weighted reads; remove them or change the strategy',
        path: ['targets'],
      },
      ({ strategy, targets }) => strategy === 'Weighted' || targets.every(target => target.weight === undefined),
    ),
    rule(
      {
        cel: "self.strategy != 'Weighted' || self.targets.exists(target, has(target.weight) && target.weight > 0)",
        message: 'have no weight above 0, which strategy Weighted needs',
        path: ['targets'],
      },
      ({ strategy, targets }) => strategy !== 'Weighted' || targets.some(target => (target.weight ?? 0) > 0),
    ),
  )

/**
 * Targets are tried in their order; one without `model` gets the model that was asked for. `retry.attempts` are those
 * after the first, at the same target; `maxAttempts` bounds all upstream calls of one call. `timeout` replaces the
 * provider's for one attempt.
 */
export const FallbackChain = namespacedKind('FallbackChain', spec)
export type FallbackChain = z.infer<typeof FallbackChain>
