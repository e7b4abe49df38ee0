// Members of a request's body that the gateway acts on: read strictly, refused by name.
import type { JsonObject } from '../../exchange/json.ts'
import { Refusal } from '../../exchange/refusal.ts'
import { shown } from './members.ts'

/** Beyond what any model gives or takes; products of such figures stay exact. */
const MAX_TOKENS = 100_000_000

/** A refusal that names the member and says what to send. */
export function wrong(param: string, advice: string): Refusal {
  return new Refusal('request_invalid', `"${param}" is not usable: ${advice}.`, { param })
}

/** A boolean; undefined when it was not sent, or as null. Throws `request_invalid`, like the others here. */
export function flag(value: JsonObject, name: string): boolean | undefined {
  const member = value[name]
  if (member === undefined || member === null) return undefined
  if (typeof member !== 'boolean') throw wrong(name, 'send a boolean')
  return member
}

/** A whole number within bounds. */
export function wholeNumber(
  value: JsonObject,
  name: string,
  { least = 1, most = MAX_TOKENS }: { least?: number; most?: number } = {},
): number | undefined {
  const member = value[name]
  if (member === undefined || member === null) return undefined
  if (typeof member !== 'number' || !Number.isSafeInteger(member) || member < least || member > most) {
    throw wrong(name, `send a whole number from ${least} to ${most} (got ${shown(member)})`)
  }
  return member
}

/** A number within bounds. */
export function numberWithin(value: JsonObject, name: string, low: number, high: number): number | undefined {
  const member = value[name]
  if (member === undefined || member === null) return undefined
  if (typeof member !== 'number' || member < low || member > high) {
    throw wrong(name, `send a number from ${low} to ${high} (got ${shown(member)})`)
  }
  return member
}

/** The model that was asked for: the header wins over the body (L11). `example` is a name for the refusal. */
export function readModel(asked: unknown, example: string): string {
  if (typeof asked !== 'string' || asked === '' || asked.length > 256) {
    throw wrong('model', `name a model, for example "${example}"`)
  }
  return asked
}

/** The messages, each an object with a role; at least `least`. */
export function readMessageList(value: JsonObject, least = 1): readonly JsonObject[] {
  const { messages } = value
  if (!Array.isArray(messages) || messages.length < least)
    throw wrong('messages', 'send a list of at least one message')
  for (const [index, message] of messages.entries()) {
    if (typeof message !== 'object' || message === null || Array.isArray(message) || typeof message.role !== 'string') {
      throw wrong(`messages[${index}]`, 'each message is an object with a "role"')
    }
  }
  return messages
}
