// The request leg: what guardrails say of what the caller sends, and the call as it may go on.
import type { Call } from '../../exchange/call.ts'
import type { Verdict } from '../../exchange/facts.ts'
import { type JsonBody, readJson } from '../../exchange/json.ts'
import { splice } from '../../exchange/json-texts.ts'
import { Refusal } from '../../exchange/refusal.ts'
import type { Watch } from './guards.ts'
import { judgeSlots } from './slots.ts'
import { Tally } from './tally.ts'

/** `refusal`: it may not go on. `call`: the very one that came, unless something in it was masked. */
export interface Inspected {
  readonly verdict: Verdict
  readonly refusal: Refusal | undefined
  readonly call: Call
}

/** Reads the whole request; a masked one is read anew, so that bytes, text and value say the same. */
export function inspectRequest(call: Call, watch: Watch): Inspected {
  const tally = new Tally(watch)
  const replacements = judgeSlots(call.dialect.textsOfRequest(call.body), watch, tally)
  if (replacements.length === 0) return { verdict: tally.verdict(undefined), refusal: refusalOf(tally), call }
  const bytes = Buffer.from(splice(call.body.text, replacements))
  const body = tally.blocked ? undefined : readMasked(bytes)
  if (!body && !tally.blocked) tally.cannotMask()
  return { verdict: tally.verdict(bytes), refusal: refusalOf(tally), call: body ? { ...call, body } : call }
}

function refusalOf(tally: Tally): Refusal | undefined {
  return tally.blocked ? tally.refusal() : undefined
}

/** Undefined when masks made it a body that no two parsers read alike: two names of one object became the same. */
function readMasked(bytes: Buffer): JsonBody | undefined {
  try {
    return readJson(bytes)
  } catch (error) {
    if (error instanceof Refusal) return undefined
    throw error
  }
}
