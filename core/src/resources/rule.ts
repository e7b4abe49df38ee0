// Checks that the folder and the API server share: one declaration is a zod check here and a CEL rule, or a list type, in
// the CRD.
import { z } from 'zod'

/** What a CRD says of a value beyond its type. `fieldPath` is relative to it, like `.baseURL`. */
export interface CelRule {
  readonly rule: string
  readonly message: string
  readonly fieldPath?: string
  readonly reason?: RuleReason
}

/** How a CRD tells the entries of a list apart. */
export type ListType =
  | { readonly type: 'set' }
  | { readonly type: 'map'; readonly keys: readonly [string, ...string[]] }

/** Reasons that the API server knows for a rule; without one it says `FieldValueInvalid`. */
type RuleReason = 'FieldValueInvalid' | 'FieldValueForbidden' | 'FieldValueRequired' | 'FieldValueDuplicate'

interface Annotation {
  readonly rule?: CelRule
  readonly list?: ListType
}

/** What is said once for both: `message` is the text after the field's name; `path` the field at fault, from the value. */
export interface RuleText {
  readonly cel: string
  readonly message: string
  readonly path?: readonly string[]
  readonly reason?: RuleReason
}

type Check<T> = z.core.$ZodCheck<T>

const annotations = new WeakMap<object, Annotation>()

/**
 * A check for `schema.check(…)`: `holds` decides here, `cel` at the API server; both must say the same of every value.
 * CEL sees defaults filled in, and `has(…)` for fields without one.
 */
export function rule<T>(text: RuleText, holds: (value: T) => boolean): Check<T> {
  return annotated(z.refine<T>(holds, { error: text.message, path: [...(text.path ?? [])] }), { rule: celRule(text) })
}

/** As `rule`; later checks of the same value do not run when this one fails. */
export function abortingRule<T>(text: RuleText, holds: (value: T) => boolean): Check<T> {
  const check = z.refine<T>(holds, { error: text.message, path: [...(text.path ?? [])], abort: true })
  return annotated(check, { rule: celRule(text) })
}

/**
 * A rule that only the API server can check: it compares with the object as it was, or holds in clusters alone. What a
 * folder needs of it, compile checks.
 */
export function clusterRule<T>(text: RuleText): Check<T> {
  return annotated(
    z.refine<T>(() => true),
    { rule: celRule(text) },
  )
}

/** The value can be set, but not changed afterwards (in a cluster; a folder has no before). */
export function immutable<T>(what: string): Check<T> {
  return clusterRule({ cel: 'self == oldSelf', message: `cannot be changed: ${what}`, reason: 'FieldValueForbidden' })
}

/** The check of a list whose entries' `keys` together occur once. `what` says in what they are unique. */
export function listMap<Entry extends object>(keys: readonly [string, ...string[]], what: string): Check<Entry[]> {
  const nameOf = (entry: Entry): string => {
    const fields = new Map<string, unknown>(Object.entries(entry))
    return keys.map(key => fields.get(key)).join('/')
  }
  return annotated(z.check<Entry[]>(once(nameOf, keys[0], what)), { list: { type: 'map', keys } })
}

/** The check of a list that holds each value once. */
export function valuesOnce<Value extends string | number>(): Check<Value[]> {
  const check = z.check<Value[]>(once(value => String(value), undefined, 'keep one of them'))
  return annotated(check, { list: { type: 'set' } })
}

/** What the checks of a schema say to a CRD, in the order of the checks. */
export function annotationsOf(schema: z.core.$ZodType): Annotation[] {
  return (schema._zod.def.checks ?? []).flatMap(check => annotations.get(check) ?? [])
}

function annotated<T>(check: Check<T>, annotation: Annotation): Check<T> {
  annotations.set(check, annotation)
  return check
}

function celRule({ cel, message, path, reason }: RuleText): CelRule {
  const fieldPath = path === undefined ? undefined : path.map(part => `.${part}`).join('')
  return { rule: cel, message, ...(fieldPath !== undefined && { fieldPath }), ...(reason !== undefined && { reason }) }
}

function once<Entry>(nameOf: (entry: Entry) => string, field: string | undefined, what: string) {
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
