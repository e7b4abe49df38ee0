// What statuses of virtual keys say of spending (K02). Looked up once a minute; told when a threshold is crossed or a new
// period begins, else at most every five minutes: a busy key must not mean a write a minute for each of thousands.
import { partsOfPlace } from '@smartflow/core/compile/status'
import { formatUSD } from '@smartflow/core/money'
import { isRecord, type KubeObject } from '../api/resource-type.ts'
import type { KeyBudget, Spent } from '../apply/ledger-reader.ts'
import type { StatusCondition } from '../desired/status.ts'
import { writtenTime } from '../desired/written-condition.ts'
import type { Plan } from './loop.ts'

const LOOK_MS = 60_000
const TELL_MS = 5 * 60_000
/** Percent of a budget whose crossing is told at once. */
const THRESHOLDS = [50, 80, 90, 100]

/** `VirtualKey.status.usage`. */
export interface UsageStatus {
  readonly spentUSD: string
  readonly periodStart?: string
  readonly observedAt: string
}

/** What usage is looked up with. */
export interface UsageOptions {
  readonly plan: () => Plan | undefined
  /** Rejects while the ledger cannot be read. */
  readonly read: (budgets: readonly KeyBudget[]) => Promise<readonly Spent[]>
  readonly now: () => number
  /** Something is to be told. */
  readonly changed: () => void
  readonly failed: (message: string, error: unknown) => void
}

interface Told {
  readonly spent: Spent
  readonly at: number
  readonly exhausted: boolean
}

/** Keeps one figure a key with a budget. */
export class Usage {
  readonly #options: UsageOptions
  readonly #told = new Map<string, Told>()
  #revision = 0
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> | undefined

  constructor(options: UsageOptions) {
    this.#options = options
  }

  start(): void {
    this.#timer = setInterval(() => this.look(), LOOK_MS)
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#looking
  }

  /** Looks now, unless it is looking. */
  look(): void {
    this.#looking ??= this.#look()
      .catch((error: unknown) => this.#options.failed('what keys have spent could not be read', error))
      .finally(() => (this.#looking = undefined))
  }

  /** What the status of the key named `namespace/name` says; `live` keeps the time of a figure that is the same. */
  statusOf(name: string, live: KubeObject): UsageStatus | undefined {
    const before = usageIn(live)
    const told = this.#told.get(name)
    if (told === undefined) return before
    const { spent, start } = told.spent
    // A key that nobody has used yet is not worth a write.
    if (before === undefined && spent === 0) return undefined
    const figure = { spentUSD: formatUSD(spent), ...(start > 0 && { periodStart: writtenTime(start) }) }
    const same = before?.spentUSD === figure.spentUSD && before.periodStart === figure.periodStart
    return same ? before : { ...figure, observedAt: writtenTime(told.at) }
  }

  /** What both depend on beside the key, compared by identity. */
  basis(name: string): unknown {
    return this.#told.get(name)
  }

  /** Another number after each change of what is told of any key. */
  revision(): number {
    return this.#revision
  }

  /** The condition of a key whose budget is used up. */
  conditionOf(name: string): StatusCondition | undefined {
    if (this.#told.get(name)?.exhausted !== true) return undefined
    const message = 'the budget of the period is spent and calls get 429; raise spec.budget or wait for the next period'
    return { type: 'BudgetExhausted', status: 'True', reason: 'Spent', message }
  }

  async #look(): Promise<void> {
    const plan = this.#options.plan()
    if (plan === undefined) return
    const keys = keysWithBudget(plan)
    for (const name of this.#told.keys()) {
      if (keys.has(name)) continue
      this.#told.delete(name)
      this.#revision++
    }
    const spent = await this.#options.read([...keys.values()])
    let news = false
    for (const [at, [name, { amount }]] of [...keys].entries()) {
      const found = spent[at]
      if (found !== undefined) news = this.#take(name, found, amount) || news
    }
    if (news) this.#options.changed()
  }

  #take(name: string, spent: Spent, amount: number): boolean {
    const now = this.#options.now()
    const told = this.#told.get(name)
    const crossed =
      told === undefined || told.spent.start !== spent.start || stepOf(told.spent, amount) !== stepOf(spent, amount)
    const due = told !== undefined && told.spent.spent !== spent.spent && now - told.at >= TELL_MS
    if (!crossed && !due) return false
    this.#revision++
    this.#told.set(name, { spent, at: now, exhausted: spent.spent >= amount })
    return true
  }
}

function stepOf({ spent }: Spent, amount: number): number {
  return THRESHOLDS.filter(percent => spent * 100 >= percent * amount).length
}

function keysWithBudget(plan: Plan): Map<string, KeyBudget & { readonly amount: number }> {
  const keys = new Map<string, KeyBudget & { readonly amount: number }>()
  for (const [place, item] of plan.items) {
    if (item.kind !== 'VirtualKey' || item.budget === undefined) continue
    keys.set(item.name, { tenant: partsOfPlace(place).tenant, name: item.name, ...item.budget })
  }
  return keys
}

function usageIn({ status }: KubeObject): UsageStatus | undefined {
  const usage = isRecord(status) && isRecord(status['usage']) ? status['usage'] : {}
  const { spentUSD, periodStart, observedAt } = usage
  if (typeof spentUSD !== 'string' || typeof observedAt !== 'string') return undefined
  return { spentUSD, observedAt, ...(typeof periodStart === 'string' && { periodStart }) }
}
