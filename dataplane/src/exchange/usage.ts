// What a call used and what that costs: tokens as the provider reports them, money in whole micro-dollars.
import type { Micros } from '@smartflow/core/money'

/** Tokens of one call. `prompt` includes `cachedPrompt` and `cacheWrite`; `completion` includes `reasoning` (OpenAI's way of counting). */
export interface Usage {
  readonly prompt: number
  readonly cachedPrompt: number
  /** Prompt tokens that the provider wrote into its cache, which some charge more for. */
  readonly cacheWrite: number
  readonly completion: number
  readonly reasoning: number
  /** `reported` by the provider; `counted` by us from the text that passed (stream cut short, or no usage sent). */
  readonly source: 'reported' | 'counted'
}

/** Nothing used: a cache hit, a refusal, an upstream that never answered. */
export const NO_USAGE: Usage = {
  prompt: 0,
  cachedPrompt: 0,
  cacheWrite: 0,
  completion: 0,
  reasoning: 0,
  source: 'reported',
}

/** Prices of a model, micro-dollars per million tokens; where they come from goes into the record (K07). */
export interface Price {
  readonly input: number
  readonly output: number
  readonly cachedInput: number
  readonly cacheWrite: number
  readonly maxOutputTokens: number | undefined
  readonly source: string
}

/** The cost of a usage, rounded up to a whole micro-dollar so that no paid call is ever free. */
export function costOf(usage: Usage, price: Price): Micros {
  const { prompt, cachedPrompt, cacheWrite, completion } = usage
  const fresh = prompt - cachedPrompt - cacheWrite
  const input = fresh * price.input + cachedPrompt * price.cachedInput + cacheWrite * price.cacheWrite
  const millionths = input + completion * price.output
  return Math.ceil(millionths / 1_000_000)
}
