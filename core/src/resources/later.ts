// Marks what the resource API names but this release does not serve yet, so that nobody believes a setting is in force.
import { z } from 'zod'

const fields = new WeakSet<object>()
const values = new WeakMap<object, ReadonlySet<string>>()

/**
 * An optional field of a later release: accepted and reported. It has no default, so that an object that does not set
 * it never reports it. Nothing may be wrapped around the result, or the mark is lost.
 */
export function later<T extends z.ZodType>(schema: T): z.ZodOptional<T> {
  const marked = schema.optional()
  fields.add(marked)
  return marked
}

/** An enum of which some values come in a later release: accepted and reported. */
export function laterValues<T extends z.core.util.EnumLike>(
  schema: z.ZodEnum<T>,
  some: readonly Extract<T[keyof T], string>[],
): z.ZodEnum<T> {
  values.set(schema, new Set(some))
  return schema
}

/** True for a field that `later` made. */
export function isLater(schema: object): boolean {
  return fields.has(schema)
}

/** Values of an enum that `laterValues` marked. */
export function laterValuesOf(schema: object): ReadonlySet<string> {
  return values.get(schema) ?? new Set()
}

/** A schema without what is wrapped around it (optional, default). */
export function bareSchema(schema: unknown): unknown {
  let at = schema
  while (
    at instanceof z.ZodOptional ||
    at instanceof z.ZodDefault ||
    at instanceof z.ZodPrefault ||
    at instanceof z.ZodNullable
  ) {
    at = at.unwrap()
  }
  return at
}
