// What an object uses that this release does not serve yet.
import { z } from 'zod'
import { bareSchema, isLater, laterValuesOf } from './later.ts'
import { type FieldPath, pathText, type Problem } from './problem.ts'
import { KINDS, LATER_KINDS, type Resource } from './resource.ts'

/**
 * Everything in a parsed object that is not in force, with reason NotServedYet; empty when all of it is served. A kind
 * that comes later is one problem at `kind`; of a field inside a later field only the outer one is told.
 */
export function laterFieldsOf(resource: Resource): Problem[] {
  if (resource.kind === 'Secret') return []
  if (LATER_KINDS.has(resource.kind)) {
    const what = `kind ${resource.kind} is not served by this release yet, so nothing of the object is in force`
    return [{ path: ['kind'], reason: 'NotServedYet', message: `${what}; remove it until a release serves the kind` }]
  }
  return within(KINDS[resource.kind].shape.spec, resource.spec, ['spec'])
}

function within(schema: unknown, value: unknown, path: FieldPath): Problem[] {
  if (value === undefined || typeof schema !== 'object' || schema === null) return []
  if (isLater(schema)) return [notServed(path, `${pathText(path)} is`)]
  const bare = bareSchema(schema)
  if (bare instanceof z.ZodObject) return fieldsWithin(bare, value, path)
  if (bare instanceof z.ZodArray && Array.isArray(value)) {
    return value.flatMap((entry, at) => within(bare.element, entry, [...path, at]))
  }
  if (bare instanceof z.ZodEnum && typeof value === 'string' && laterValuesOf(bare).has(value)) {
    return [notServed(path, `${pathText(path)}: ${value} is`)]
  }
  return []
}

function fieldsWithin(schema: z.ZodObject, value: unknown, path: FieldPath): Problem[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, each]) => within(schema.shape[key], each, [...path, key]))
}

function notServed(path: FieldPath, what: string): Problem {
  return {
    path,
    reason: 'NotServedYet',
    message: `${what} not served by this release yet and not in force; remove it until a release serves it`,
  }
}
