// What is limited, and the state of budgets and rate limits as admission saw it; what the headers and the 429s show.
import type { Micros } from '@smartflow/core/money'
import type { Budget, RateLimit } from '@smartflow/core/snapshot/items'

/** State of one budget when the call was admitted or refused; micro-dollars; `resetAt` in epoch milliseconds. */
export interface BudgetState {
  readonly scope: string
  readonly limit: Micros
  readonly spent: Micros
  readonly held: Micros
  readonly resetAt: number | undefined
}

/** State of a rate limit after admission: what is left and when it is whole again (epoch milliseconds). */
export interface RateState {
  readonly scope: string
  readonly what: 'requests' | 'tokens' | 'concurrency'
  readonly limit: number
  readonly remaining: number
  readonly resetAt: number
}

/** Something that is limited: a key, a team, a tenant. Ids are stable and short ("key:team-a/app"). */
export interface Scope {
  readonly id: string
  readonly budget: Budget | undefined
  readonly rateLimit: RateLimit | undefined
}
