// Careful looks into parsed JSON: what is not of the wanted kind is undefined, nothing throws.
import type { JsonObject } from '../../exchange/json.ts'

/** A member of a value, if it is an object that has it. */
export function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}

/** A value that is a text. */
export function textIn(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** A value that is an object, no list. */
export function objectIn(value: unknown): JsonObject | undefined {
  return isObject(value) ? value : undefined
}

/** A value that is a list; empty when it is none. */
export function listIn(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** More tokens than any model reads or writes in one call: a provider that claims them is mistaken, and not believed. */
const MOST_TOKENS = 20_000_000

/** A token count that a provider may claim. */
export function tokensIn(value: unknown): number | undefined {
  const plausible = typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= MOST_TOKENS
  return plausible ? value : undefined
}

/** A JSON object out of a text. */
export function parseObject(text: string): JsonObject | undefined {
  try {
    return objectIn(JSON.parse(text))
  } catch {
    return undefined
  }
}

/** The first characters of a value, for messages. */
export function shown(value: unknown): string {
  return String(JSON.stringify(value)).slice(0, 60)
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
