// Kind FallbackChain: where calls for some models go, target after target until one answers.
import { z } from 'zod'
import { RetryCause } from '../snapshot/items.ts'
import {
  duration,
  LocalRef,
  ModelName,
  namesOnce,
  namespacedKind,
  ObjectName,
  parseDuration,
  Pattern,
  valuesOnce,
} from './metadata.ts'

const Retry = z
  .strictObject({
    attempts: z.int().min(0).max(10).default(2),
    baseDelay: duration('0s', '1m').default('250ms'),
    maxDelay: duration('0s', '5m').default('5s'),
    jitterPercent: z.int().min(0).max(100).default(20),
    on: z
      .array(RetryCause)
      .max(RetryCause.options.length)
      .check(valuesOnce())
      .default([...RetryCause.options]),
  })
  .check(({ value: { baseDelay, maxDelay }, issues, value }) => {
    if (parseDuration(baseDelay) <= parseDuration(maxDelay)) return
    const message = `is ${baseDelay}, longer than maxDelay, which is ${maxDelay}; lower the one or raise the other`
    issues.push({ code: 'custom', input: value, path: ['baseDelay'], message })
  })

const Target = z.strictObject({
  name: ObjectName,
  providerRef: LocalRef,
  model: ModelName.optional(),
  timeout: duration('100ms', '1h').optional(),
  retry: Retry.prefault({}),
})

const spec = z.strictObject({
  models: z.array(Pattern).min(1).max(64),
  strategy: z.enum(['Priority']).default('Priority'),
  targets: z.array(Target).min(1).max(16).check(namesOnce('target names are unique in a chain')),
  maxAttempts: z.int().min(1).max(64).default(8),
  maxTotalDuration: duration('1s', '1h').optional(),
  breaker: z
    .strictObject({
      failures: z.int().min(1).max(100).default(5),
      openFor: duration('1s', '10m').default('30s'),
    })
    .prefault({}),
})

/**
 * Targets are tried in their order; one without `model` gets the model that was asked for. `retry.attempts` are those
 * after the first, at the same target; `maxAttempts` bounds all upstream calls of one call. `timeout` replaces the
 * provider's for one attempt.
 */
export const FallbackChain = namespacedKind('FallbackChain', spec)
export type FallbackChain = z.infer<typeof FallbackChain>
