// Budgets and rate limits from text to whole numbers.
import { parseUSD } from '../money.ts'
import type { BudgetSpec, RateLimitSpec } from '../resources/metadata.ts'
import type { Budget, RateLimit } from '../snapshot/items.ts'

/** The budget in micro-dollars; undefined stays undefined (unlimited). */
export function budgetOf(spec: BudgetSpec | undefined): Budget | undefined {
  return spec === undefined ? undefined : { amount: parseUSD(spec.amountUSD), period: spec.period }
}

/** The limits that are set; undefined when none is (unlimited). */
export function rateLimitOf(spec: RateLimitSpec | undefined): RateLimit | undefined {
  const { rpm, tpm, concurrency } = spec ?? {}
  const limited = rpm !== undefined || tpm !== undefined || concurrency !== undefined
  return limited ? { rpm, tpm, concurrency } : undefined
}
