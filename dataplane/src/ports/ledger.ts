// The ledger: budgets and rate limits, asked before a call and told the truth after it (K02, K03, K06).
import type { Micros } from '@smartflow/core/money'
import type { Budget } from '@smartflow/core/snapshot/items'
import type { BudgetState, RateState, Scope } from '../exchange/limits.ts'

/** What admission asks for: every scope says yes, or nothing is taken. */
export interface HoldRequest {
  readonly tenant: string
  /** Unique for ever: the request id. */
  readonly id: string
  readonly scopes: readonly Scope[]
  /** The most that the call can cost, micro-dollars. */
  readonly amount: Micros
  /** Tokens that count against TPM until the real number is known. */
  readonly tokens: number
}

/** What the call came to. */
export interface Outcome {
  readonly cost: Micros
  readonly tokens: number
}

/** A hold that was taken. It ends by `settle`, or by its lease when this process dies. */
export interface Hold {
  readonly budgets: readonly BudgetState[]
  readonly rates: readonly RateState[]
  /** The store was away and the process's own allowance was used (design: When something is down). */
  readonly degraded: boolean
  /** Tells the real cost. Takes effect exactly once, at the first call; never throws and never waits: what the store does not take now is kept and told later. */
  settle(outcome: Outcome): void
}

/** Why a hold was refused. */
export type HoldRefusal =
  | { readonly what: 'budget'; readonly budget: BudgetState; readonly period: Budget['period'] }
  | { readonly what: 'requests' | 'tokens' | 'concurrency'; readonly rate: RateState; readonly retryAfterMs: number }
  | { readonly what: 'unavailable'; readonly scope: string }

export type Admission = { readonly hold: Hold } | { readonly refusal: HoldRefusal }

/** Health of the ledger for probes and metrics. */
export interface LedgerHealth {
  readonly up: boolean
  /** Movements that wait to be told to the store. */
  readonly waiting: number
  /** Movements that were lost because the bounded wait list was full. Not zero = an alarm. */
  readonly lost: number
}

/** The port. One store call an admission; settlements are told in batches, off the caller's clock. */
export interface Ledger {
  admit(request: HoldRequest): Promise<Admission>
  health(): LedgerHealth
  /** Waits until every settlement so far is told, at most `timeoutMs`. */
  drain(timeoutMs: number): Promise<void>
  close(): Promise<void>
}
