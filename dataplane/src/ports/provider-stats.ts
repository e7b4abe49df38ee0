// How the providers did lately, as this process saw it.

/** One provider; rates are fractions of the requests in the window, latency the mean in milliseconds (contract: providers). */
export interface ProviderHealth {
  readonly provider: string
  readonly status: 'healthy' | 'degraded' | 'down' | 'idle'
  readonly avg_latency_ms: number
  readonly success_rate: number
  readonly error_rate: number
  readonly rate_limit_rate: number
  readonly requests: number
  readonly last_updated: string
}

export interface ProviderStats {
  list(): readonly ProviderHealth[]
}
