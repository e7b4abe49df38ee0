// The ledger's keys. All of a tenant's keys share one slot of a cluster: `{tenant}` is their hash tag.
import { ledgerPrefix } from '@smartflow/core/budget-window'

/** Keys of one tenant, as one process uses them. Budgets and rates are named by the Planner, behind the same prefix. */
export class LedgerNames {
  readonly prefix: string
  /** Sorted set: process → end of its lease. */
  readonly processes: string
  /** Hash of this process: what it told so far. */
  readonly process: string
  /** Set of this process's holds. */
  readonly holds: string

  constructor(tenant: string, process: string) {
    this.prefix = ledgerPrefix(tenant)
    this.processes = `${this.prefix}procs`
    this.process = `${this.prefix}p:${process}`
    this.holds = `${this.prefix}h:${process}`
  }
}
