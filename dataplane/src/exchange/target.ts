// Where a call may go.

/** One eligible upstream: a provider and the model's name there. */
export interface Target {
  readonly name: string
  /** The AIProvider, `namespace/name`. */
  readonly provider: string
  /** Its row: the name that headers, records and metrics show. */
  readonly preset: string
  readonly model: string
}
