// Where a call may go.
import type { Breaker, Retry } from '@smartflow/core/snapshot/items'
import type { FormatName } from '@smartflow/core/providers'

/** One eligible upstream: a provider and the model's name there. */
export interface Target {
  readonly name: string
  /** The AIProvider, `namespace/name`. */
  readonly provider: string
  /** Its row: the name that headers, records and metrics show. */
  readonly preset: string
  readonly model: string
  /** Wire formats of the provider; a call in one of them goes out as it came in. */
  readonly formats: readonly FormatName[]
  /** How often it is tried, and when it is left alone. */
  readonly terms: TargetTerms
}

/** See ChainItem; a target outside a chain is tried once, and never left alone. Milliseconds. */
export interface TargetTerms {
  readonly timeout: number | undefined
  readonly retry: Retry
  readonly breaker: Breaker | undefined
}

/** What bounds the attempts of one call over all its targets; milliseconds until the answer begins. */
export interface RouteBounds {
  /** The chain that says so; undefined for a model that a provider serves by its own name. */
  readonly chain: string | undefined
  readonly maxAttempts: number
  readonly maxTotalDuration: number | undefined
}
