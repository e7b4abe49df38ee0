// Budget windows: which stretch of UTC time a budget counts in. Pure arithmetic; whose clock it is, the caller decides.
import type { Period } from './snapshot/items.ts'

/** [start, end) in epoch milliseconds. A lifetime starts at 0 and ends at Infinity. */
export interface Window {
  readonly start: number
  readonly end: number
}

const DAY = 86_400_000
/** The first Monday of the epoch, 5 January 1970. */
const FIRST_MONDAY = 4 * DAY
const LIFETIME: Window = { start: 0, end: Infinity }

/** The window that holds `now`: the UTC day, the week from Monday, the month, or the whole life. */
export function windowOf(period: Period, now: number): Window {
  switch (period) {
    case 'Daily':
      return stretch(now, 0, DAY)
    case 'Weekly':
      return stretch(now, FIRST_MONDAY, 7 * DAY)
    case 'Monthly':
      return month(now)
    case 'Lifetime':
      return LIFETIME
  }
}

/** Names a window in store keys: the period's first letter and the start in seconds ("D1763769600", "L0"). */
function windowName(period: Period, window: Window): string {
  return `${period.charAt(0)}${window.start / 1000}`
}

function stretch(now: number, origin: number, length: number): Window {
  const start = origin + Math.floor((now - origin) / length) * length
  return { start, end: start + length }
}

function month(now: number): Window {
  const date = new Date(now)
  const year = date.getUTCFullYear()
  return { start: Date.UTC(year, date.getUTCMonth()), end: Date.UTC(year, date.getUTCMonth() + 1) }
}

/** Before every key of a tenant's ledger. */
export function ledgerPrefix(tenant: string): string {
  return `sf:{${tenant}}:led:`
}

/** A scope as the ledger calls it: the budget of one virtual key, which is named `namespace/name`. */
export function keyScope(name: string): string {
  return `key:${name}`
}

/** Where the ledger keeps a budget (a hash: spent, held; micro-dollars), behind the tenant's prefix. */
export function budgetName(scope: string, period: Period, window: Window): string {
  // Keys are listed one a line where holds are kept.
  return `b:${scope.replaceAll('\n', ' ')}:${windowName(period, window)}`
}
