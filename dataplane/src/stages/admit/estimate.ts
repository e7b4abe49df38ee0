// What a call may cost at most: the amount of its hold. Too high is corrected by the settlement, too low would overspend.
import type { Micros } from '@smartflow/core/money'
import type { Call } from '../../exchange/call.ts'
import { costOf, type Price } from '../../exchange/usage.ts'

/** Completion tokens held when neither the caller nor the price list bounds them. */
const DEFAULT_COMPLETION_TOKENS = 4_096

/**
 * The dearest of the targets decides; unknown prices count nothing. `tokens` count against TPM until the usage is known.
 * `factor` corrects the prompt's estimate by what was learnt.
 */
export function estimate(
  call: Call,
  prices: Iterable<Price | undefined>,
  factor: number,
): { amount: Micros; tokens: number } {
  if (call.operation === 'count-tokens') return { amount: 0, tokens: 0 }
  const prompt = Math.ceil(call.estimatedPromptTokens * factor)
  const { choices } = call
  let amount = 0
  let tokens = prompt + (call.maxTokens ?? DEFAULT_COMPLETION_TOKENS) * choices
  for (const price of prices) {
    if (!price) continue
    const completion =
      Math.min(call.maxTokens ?? DEFAULT_COMPLETION_TOKENS, price.maxOutputTokens ?? Infinity) * choices
    const usage = { prompt, cachedPrompt: 0, cacheWrite: 0, completion, reasoning: 0, source: 'counted' as const }
    amount = Math.max(amount, costOf(usage, price))
    tokens = Math.min(tokens, prompt + completion)
  }
  return { amount, tokens }
}
