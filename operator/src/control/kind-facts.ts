// What a status of one kind has beside what all kinds have.
import type { ObjectStatus, StatusInput } from '../desired/status.ts'

/** Facts of one object. Times are milliseconds since the epoch. */
export interface KindFacts {
  /** Conditions of the kind; those with `gatesReady` keep the object from being Ready. */
  readonly conditions?: NonNullable<StatusInput['extra']>
  readonly fields?: Readonly<Record<string, unknown>>
  /** Where the object's digest is not that of one item. */
  readonly digest?: StatusInput['digest']
  /** `config` is the configuration in force, not the first that carried the object as it is now. */
  readonly newest?: boolean
  readonly expiresAt?: number | undefined
  /** When something of it changes by itself. */
  readonly again?: number | undefined
  /** Before then nothing is written. */
  readonly notBefore?: number | undefined
  /** Last changes to the whole status. */
  readonly amend?: (status: ObjectStatus) => ObjectStatus
}

/** Nothing to add. */
export const NO_FACTS: KindFacts = {}
