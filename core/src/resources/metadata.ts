// What every resource has in common: metadata, conditions, and the small values specs are made of, each with its own
// message.
import { z } from 'zod'
import { later } from './later.ts'
import { abortingRule, valuesOnce } from './rule.ts'

/** API group and version of every kind of the gateway. */
export const API_VERSION = 'smartflow.dev/v1alpha1'

/** The namespace of a namespaced object that names none, as kubectl has it. */
export const DEFAULT_NAMESPACE = 'default'

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/

/** A name of an object: lower-case letters, digits, `-` and `.`, at most 253. */
export const ObjectName = z.string().max(253).regex(SUBDOMAIN, {
  error: 'must be lower-case letters, digits, "-" or ".", beginning and ending with a letter or digit',
})

/** A DNS label, for namespaces and what is named inside of objects: lower-case letters, digits and `-`, at most 63. */
export const Label = z
  .string()
  .max(63)
  .regex(LABEL, { error: 'must be lower-case letters, digits or "-", beginning and ending with a letter or digit' })

const serverFields = {
  labels: z.record(z.string(), z.string()).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
  uid: z.string().optional(),
  creationTimestamp: z.iso.datetime({ offset: true }).nullish(),
  generation: z.int().optional(),
  resourceVersion: z.string().optional(),
  deletionTimestamp: z.iso.datetime({ offset: true }).optional(),
  deletionGracePeriodSeconds: z.int().optional(),
  generateName: z.string().optional(),
  selfLink: z.string().optional(),
  finalizers: z.array(z.string()).optional(),
  ownerReferences: z.array(z.unknown()).optional(),
  managedFields: z.array(z.unknown()).optional(),
}

/**
 * Metadata of a namespaced object; fields that only the API server writes are accepted, so that `kubectl get -o yaml`
 * reads back.
 */
export const ObjectMeta = z.strictObject({
  name: ObjectName,
  namespace: Label.default(DEFAULT_NAMESPACE),
  ...serverFields,
})

/** Metadata of a cluster-scoped object: it has no namespace. */
const ClusterObjectMeta = z.strictObject({ name: ObjectName, ...serverFields })

/** What a compile says of one object; who writes it to a cluster adds `lastTransitionTime`. */
export interface Condition {
  readonly type: 'Accepted' | 'ResolvedRefs' | 'Ready' | 'Stalled'
  readonly status: 'True' | 'False'
  readonly reason: ConditionReason
  /** For a person: what is wrong and what to do. */
  readonly message: string
}

/** Why an object is or is not accepted, its references resolved or not. */
export type ConditionReason =
  | 'Accepted'
  | 'Invalid'
  | 'Conflicted'
  | 'NamespaceNotAllowed'
  | 'UnsupportedValue'
  | 'ResolvedRefs'
  | 'SecretNotFound'
  | 'RefNotFound'
  | 'RefNotPermitted'
  | 'NotServedYet'

const AMOUNT = 'must be an amount in dollars like "50" or "12.50": up to 9 digits and up to 6 decimals'

/** Dollars as a decimal string; a YAML number would be a float and is refused. `parseUSD` reads it. */
export const USD = z
  .string({ error: 'must be an amount in dollars as text: write it in quotes, like "50" or "12.50"' })
  .max(16, { error: AMOUNT })
  .regex(/^[0-9]{1,9}(\.[0-9]{1,6})?$/, { error: AMOUNT, abort: true })

const DURATION = /^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$/
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

/** Milliseconds, rounded, of a Go-style duration ("30s", "1h30m", "250ms"). Throws a RangeError for anything else. */
export function parseDuration(text: string): number {
  return Math.round(exactMilliseconds(text))
}

function exactMilliseconds(text: string): number {
  if (!DURATION.test(text)) throw new RangeError(`"${text}" is not a duration: write it like 250ms, 30s, 5m or 1h30m`)
  let total = 0
  for (const [, amount, unit] of text.matchAll(/([0-9.]+)(ms|s|m|h)/g)) {
    total += Number(amount) * (UNIT_MS[unit ?? ''] ?? 0)
  }
  return total
}

/** A duration as text between two bounds, which are durations themselves. */
export function duration(least: string, most: string): z.ZodString {
  const error = `must be a duration between ${least} and ${most}, like 250ms, 30s, 5m or 1h30m`
  const cel = `duration(self) >= duration('${least}') && duration(self) <= duration('${most}')`
  const within = (text: string): boolean => {
    if (!DURATION.test(text)) return false
    const milliseconds = exactMilliseconds(text)
    return milliseconds >= parseDuration(least) && milliseconds <= parseDuration(most)
  }
  // Checks that compare durations run only on those that are some.
  return z
    .string({ error })
    .max(32, { error })
    .regex(DURATION, { error, abort: true })
    .check(abortingRule({ cel, message: error }, within))
}

/** A model's name as callers write it. */
export const ModelName = z
  .string()
  .max(256)
  .regex(/^[^\s\p{Z}\p{Cc}*]+$/u, { error: 'must be a model name without spaces and without "*"' })

/** A text that stands for itself or, with one `*` at its end, for everything that begins so. */
export const Pattern = z
  .string()
  .max(256)
  .regex(/^([^\s\p{Z}\p{Cc}*]+\*?|\*)$/u, {
    error: 'must have no spaces and at most one "*", at its end, like "gpt-4o*"',
  })

/** A tag: letters, digits and `_.:/-`, at most 64. */
export const Tag = z
  .string()
  .max(64)
  .regex(/^[A-Za-z0-9][A-Za-z0-9_.:/-]*$/, { error: 'must be letters, digits or any of _ . : / -, at most 64' })

/** A name of a team, user or application: no control characters, no space around it. */
export const SubjectName = z
  .string()
  .max(128)
  .regex(/^[^\s\p{Cc}]([^\p{Cc}]*[^\s\p{Cc}])?$/u, { error: 'must be a name of 1 to 128 characters on one line' })

/** A pattern over such names: spaces inside are part of the name. */
export const SubjectPattern = z
  .string()
  .max(129)
  .regex(/^([^*\s\p{Cc}][^*\p{Cc}]*\*?|\*)$/u, {
    error: 'must be a name on one line with at most one "*", at its end',
  })

/** A budget: an amount a period (UTC). */
export const BudgetSpec = z.strictObject({
  amountUSD: USD.describe('The most that may be spent in a period, in dollars as text, like "50" or "12.50".'),
  period: z
    .enum(['Daily', 'Weekly', 'Monthly', 'Lifetime'])
    .describe('How long the budget counts before it starts again, in UTC. Lifetime never starts again.'),
  timeZone: later(
    z
      .string()
      .max(64)
      .regex(/^[A-Za-z0-9_+/-]+$/, { error: 'must be the name of a time zone, like Europe/Berlin' })
      .describe('The time zone in which periods begin. Not served yet.'),
  ),
  softLimitPercent: later(
    z
      .array(z.int().min(1).max(100))
      .max(8)
      .check(valuesOnce())
      .describe('Parts of the budget at which somebody is told. Not served yet.'),
  ),
})
export type BudgetSpec = z.infer<typeof BudgetSpec>

const limit = z.int().min(1).max(1_000_000_000).optional()

/** Requests and tokens a minute, calls at once; what is absent is unlimited. */
export const rateLimitFields = {
  rpm: limit.describe('The most calls a minute. Without it they are unlimited.'),
  tpm: limit.describe('The most tokens a minute. Without it they are unlimited.'),
  concurrency: limit.describe('The most calls at once. Without it they are unlimited.'),
}

/** Rate limits as an object of their own. */
export const RateLimitSpec = z.strictObject(rateLimitFields)
export type RateLimitSpec = z.infer<typeof RateLimitSpec>

/** A reference to an object of the same namespace. */
export const LocalRef = z.strictObject({ name: ObjectName.describe('The name of the object.') })

/** A key of a Secret or ConfigMap. */
export const DataKey = z
  .string()
  .max(253)
  .regex(/^[-._a-zA-Z0-9]+$/, { error: 'must be letters, digits, "-", "_" or "."' })

/** One key of a Secret of the same namespace; `key` is the one read when none is given. */
export function secretKeyRef(key: string) {
  return z.strictObject({
    name: ObjectName.describe('The name of the Secret, in the namespace of this object.'),
    key: DataKey.default(key).describe('Which entry of the Secret.'),
  })
}

/** A list of at most `most` values. */
export function listOf<T extends z.ZodType>(value: T, most: number) {
  return z.array(value).max(most).default([])
}

/** The schema of a namespaced kind. `status` is the operator's: accepted, never read. */
export function namespacedKind<Kind extends string, Spec extends z.ZodType>(kind: Kind, spec: Spec) {
  return z.strictObject({
    apiVersion: z.literal(API_VERSION),
    kind: z.literal(kind),
    metadata: ObjectMeta,
    spec,
    status: z.unknown().optional(),
  })
}

/** The schema of a cluster-scoped kind. */
export function clusterKind<Kind extends string, Spec extends z.ZodType>(kind: Kind, spec: Spec) {
  return z.strictObject({
    apiVersion: z.literal(API_VERSION),
    kind: z.literal(kind),
    metadata: ClusterObjectMeta,
    spec,
    status: z.unknown().optional(),
  })
}
