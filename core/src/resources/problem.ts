// What is wrong with an object as somebody wrote it: zod's issues in words that say where it is and what to do.
import { z } from 'zod'
import { closest } from './closest.ts'
import { bareSchema } from './later.ts'

/** Where in an object: keys and list positions from its top. */
export type FieldPath = readonly (string | number)[]

/** One thing that is wrong. `reason` is what a condition would say; the message begins with the field. */
export interface Problem {
  readonly path: FieldPath
  readonly reason: 'Invalid' | 'UnsupportedValue' | 'NotServedYet'
  readonly message: string
}

/** The object that was checked: its kind and what was written, for values the issues do not carry. */
export interface Checked {
  readonly kind: string
  readonly schema: z.ZodType
  readonly value: unknown
}

type Issue = z.core.$ZodIssue

/** Problems of a failed check, in the order of zod's issues. */
export function problemsOf(error: z.ZodError, checked: Checked): Problem[] {
  return error.issues.flatMap(issue =>
    issue.code === 'unrecognized_keys' ? unknownFields(issue, checked) : [fieldProblem(issue, checked)],
  )
}

/** A path as people write it: `spec.targets[0].name`; "the object" for its top. */
export function pathText(path: FieldPath): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else text += text === '' ? part : `.${part}`
  }
  return text === '' ? 'the object' : text
}

function unknownFields(issue: z.core.$ZodIssueUnrecognizedKeys, checked: Checked): Problem[] {
  const path = fieldPath(issue.path)
  return issue.keys.map(key => {
    const at = [...path, key]
    const hint = unknownHint(key, fieldsAt(checked.schema, path))
    const message = `${pathText(at)} is no field of ${checked.kind}; ${hint}`
    return { path: at, reason: 'Invalid', message }
  })
}

function unknownHint(key: string, known: readonly string[]): string {
  const meant = closest(key, known)
  if (meant !== undefined) return `did you mean ${meant}?`
  if (key === 'namespace') return 'it is cluster-scoped, remove the namespace'
  return known.length === 0 ? 'nothing stands below it' : `known here: ${known.join(', ')}`
}

function fieldProblem(issue: Issue, checked: Checked): Problem {
  const path = fieldPath(issue.path)
  const value = valueAt(checked.value, path)
  return { path, reason: 'Invalid', message: `${pathText(path)} ${describe(issue, value)}` }
}

/**
 * What an issue says after the field's name. Own messages of a schema are written so; zod's own are put into words
 * here.
 */
function describe(issue: Issue, value: unknown): string {
  if (value === undefined && issue.code !== 'custom') return `is missing; it ${wanted(issue)}`
  if (issue.message !== '' && !issue.message.startsWith('Invalid') && !issue.message.startsWith('Too ')) {
    return issue.message
  }
  return wanted(issue)
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a mapping',
  record: 'a mapping',
  array: 'a list',
}

function wanted(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${TYPES[issue.expected] ?? issue.expected}`
    case 'invalid_value':
      return `must be one of ${issue.values.map(String).join(', ')}`
    case 'too_big':
      return bounded(issue.origin, `at most ${issue.maximum}`)
    case 'too_small':
      return bounded(issue.origin, `at least ${issue.minimum}`)
    case 'invalid_key':
      return 'has a key that is not allowed here'
    default:
      return issue.message === '' ? 'is not valid' : issue.message
  }
}

function bounded(origin: string, bound: string): string {
  if (origin === 'array') return `must have ${bound} entries`
  return origin === 'string' ? `must have ${bound} characters` : `must be ${bound}`
}

function fieldPath(path: readonly PropertyKey[]): (string | number)[] {
  return path.map(part => (typeof part === 'number' ? part : String(part)))
}

/** The value at a path, or undefined where there is none. */
function valueAt(value: unknown, path: FieldPath): unknown {
  let at = value
  for (const part of path) {
    if (typeof at !== 'object' || at === null) return undefined
    at = Object.entries(at).find(([key]) => key === String(part))?.[1]
  }
  return at
}

/** Names of the fields that a schema has at a path. */
function fieldsAt(schema: z.ZodType, path: FieldPath): readonly string[] {
  let at = bareSchema(schema)
  for (const part of path) {
    if (at instanceof z.ZodArray) at = bareSchema(at.element)
    else if (at instanceof z.ZodObject) at = bareSchema(at.shape[part])
    else return []
  }
  return at instanceof z.ZodObject ? Object.keys(at.shape) : []
}
