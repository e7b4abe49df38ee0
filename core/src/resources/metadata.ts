// What every resource has in common: metadata, conditions, and the small values specs are made of, each with its own
// message.
import { z } from 'zod'

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
  readonly type: 'Accepted' | 'ResolvedRefs'
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

/** Dollars as a decimal string; a YAML number would be a float and is refused. `parseUSD` reads it. */
export const USD = z
  .string({ error: 'must be an amount in dollars as text: write it in quotes, like "50" or "12.50"' })
  .regex(/^[0-9]{1,9}(\.[0-9]{1,6})?$/, {
    error: 'must be an amount in dollars like "50" or "12.50": up to 9 digits and up to 6 decimals',
  })

const DURATION = /^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$/
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

/** Milliseconds, rounded, of a Go-style duration ("30s", "1h30m", "250ms"). Throws a RangeError for anything else. */
export function parseDuration(text: string): number {
  if (!DURATION.test(text)) throw new RangeError(`"${text}" is not a duration: write it like 250ms, 30s, 5m or 1h30m`)
  let total = 0
  for (const [, amount, unit] of text.matchAll(/([0-9.]+)(ms|s|m|h)/g)) {
    total += Number(amount) * (UNIT_MS[unit ?? ''] ?? 0)
  }
  return Math.round(total)
}

/** A duration as text between two bounds, which are durations themselves. */
export function duration(least: string, most: string): z.ZodString {
  const error = `must be a duration between ${least} and ${most}, like 250ms, 30s, 5m or 1h30m`
  const within = (text: string): boolean => {
    if (!DURATION.test(text)) return false
    const milliseconds = parseDuration(text)
    return milliseconds >= parseDuration(least) && milliseconds <= parseDuration(most)
  }
  // Checks that compare durations run only on those that are some.
  return z.string({ error }).max(32, { error }).refine(within, { error, abort: true })
}

/** A model's name as callers write it. */
export const ModelName = z
  .string()
  .max(256)
  .regex(/^[^\s*]+$/, { error: 'must be a model name without spaces and without "*"' })

/** A text that stands for itself or, with one `*` at its end, for everything that begins so. */
export const Pattern = z
  .string()
  .max(256)
  .regex(/^([^\s*]+\*?|\*)$/, { error: 'must have no spaces and at most one "*", at its end, like "gpt-4o*"' })

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
  amountUSD: USD,
  period: z.enum(['Daily', 'Weekly', 'Monthly', 'Lifetime']),
})
export type BudgetSpec = z.infer<typeof BudgetSpec>

const limit = z.int().min(1).max(1_000_000_000).optional()

/** Requests and tokens a minute, calls at once; what is absent is unlimited. */
export const rateLimitFields = { rpm: limit, tpm: limit, concurrency: limit }

/** Rate limits as an object of their own. */
export const RateLimitSpec = z.strictObject(rateLimitFields)
export type RateLimitSpec = z.infer<typeof RateLimitSpec>

/** A reference to an object of the same namespace. */
export const LocalRef = z.strictObject({ name: ObjectName })

const SecretKey = z
  .string()
  .max(253)
  .regex(/^[-._a-zA-Z0-9]+$/, { error: 'must be letters, digits, "-", "_" or "."' })

/** One key of a Secret of the same namespace; `key` is the one read when none is given. */
export function secretKeyRef(key: string) {
  return z.strictObject({ name: ObjectName, key: SecretKey.default(key) })
}

/** A list of at most `most` values. */
export function listOf<T extends z.ZodType>(value: T, most: number) {
  return z.array(value).max(most).default([])
}

/**
 * The check of a list whose entries have names of their own. The problem stands at the second of two.
 * `what`: what the names are unique in, as "guardrail names are unique in a policy".
 */
export function namesOnce<Entry extends { readonly name: string }>(what: string) {
  return once<Entry>(entry => entry.name, { field: 'name', what })
}

/** The check of a list that holds each value once. */
export function valuesOnce<Value extends string>() {
  return once<Value>(value => value, { what: 'keep one of them' })
}

function once<Entry>(nameOf: (entry: Entry) => string, { field, what }: { field?: string; what: string }) {
  return (context: z.core.ParsePayload<Entry[]>): void => {
    const places = new Map<string, number>()
    for (const [at, entry] of context.value.entries()) {
      const name = nameOf(entry)
      const first = places.get(name)
      if (first === undefined) {
        places.set(name, at)
        continue
      }
      const message = `is "${name}" a second time, after entry [${first}]; ${what}`
      const path = field === undefined ? [at] : [at, field]
      context.issues.push({ code: 'custom', input: context.value, path, message, continue: true })
    }
  }
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
