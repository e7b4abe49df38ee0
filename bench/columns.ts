// The columns of the report's tables: what each reads from a measurement, and how the rounds come together in a cell.
import type { CaseId, Row } from './cases.ts'
import type { WholeResult } from './load.ts'
import type { Spread } from './samples.ts'
import type { StreamResult } from './streams.ts'

/** `read` gets one measurement and all of its case; over the rounds a cell shows the spread, the sum or the highest. */
export type Column = {
  title: string
  digits: number
  read: (row: Row, all: readonly Row[]) => number | undefined
  fold?: 'spread' | 'sum' | 'most'
}

type Quantile = 'p50' | 'p90' | 'p99' | 'max'
type Read = (row: Row) => number | undefined

/** `value` with thousands' commas and so many digits after the point. */
export function figure(value: number, digits: number): string {
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

/** Ascending, without what is missing or not a number. */
function known(values: readonly (number | undefined)[]): number[] {
  return values
    .filter((value): value is number => value !== undefined && !Number.isNaN(value))
    .toSorted((a, b) => a - b)
}

/** The lower middle of the values that there are. */
export function median(values: readonly (number | undefined)[]): number | undefined {
  const sorted = known(values)
  return sorted[Math.ceil(sorted.length / 2) - 1]
}

/** min / **median** / max of the values that there are, with so many digits after the point. */
export function cell(values: readonly (number | undefined)[], digits: number): string {
  const texts = known(values).map(value => figure(value, digits))
  const [least] = texts
  if (least === undefined) return '–'
  const middle = texts[Math.ceil(texts.length / 2) - 1] ?? least
  const most = texts.at(-1) ?? least
  return least === most ? least : `${least} / **${middle}** / ${most}`
}

/** The cell of one target: `mine` are its measurements, `all` those of every target in the case. */
export function fill({ digits, read, fold }: Column, mine: readonly Row[], all: readonly Row[]): string {
  const values = mine.map(row => read(row, all))
  if (fold === 'sum') return figure(sumOf(values), digits)
  if (fold === 'most') return figure(Math.max(...known(values)), digits)
  return cell(values, digits)
}

/** The sum of the values that there are. */
export function sumOf(values: readonly (number | undefined)[]): number {
  return known(values).reduce((sum, value) => sum + value, 0)
}

/** A plain column. */
export function column(title: string, digits: number, read: Column['read']): Column {
  return { title, digits, read }
}

/** A column of counts, summed over the rounds. */
export function total(title: string, read: Read): Column {
  return { title, digits: 0, read, fold: 'sum' }
}

/** The measurement of `target` in the round of `row`. */
export function same(row: Row, target: string, all: readonly Row[]): Row | undefined {
  return all.find(other => other.target === target && other.round === row.round)
}

/** The figure less that of `direct` in the same round; none for `direct` itself. */
function added(title: string, digits: number, read: Read): Column {
  const over = (row: Row, all: readonly Row[]): number | undefined => {
    const base = row.target === 'direct' ? undefined : same(row, 'direct', all)
    const [mine, bare] = [read(row), base === undefined ? undefined : read(base)]
    return mine === undefined || bare === undefined ? undefined : mine - bare
  }
  return column(title, digits, over)
}

const whole = ({ load }: Row): WholeResult | undefined => (load.mode === 'stream' ? undefined : load)
const stream = ({ load }: Row): StreamResult | undefined => (load.mode === 'stream' ? load : undefined)

const latency =
  (quantile: Quantile): Read =>
  row =>
    whole(row)?.latencyMs?.[quantile]

function spread(field: 'ttftMs' | 'gapMs' | 'transitMs', quantile: Quantile): Read {
  return row => {
    const value: Spread | undefined = stream(row)?.[field]
    return value?.[quantile]
  }
}

/** Undefined for a target without processes of that kind. */
function alive(row: Row, group: 'target' | 'redis', value: number): number | undefined {
  return row.usage.groups[group].processes === 0 ? undefined : value
}

/** CPU of the target alone. */
export const cpuOf: Read = row => alive(row, 'target', row.cpuPer1000)
/** CPU of its Redis. */
export const redisCpuOf: Read = row => alive(row, 'redis', row.redisCpuPer1000)
/** Highest resident memory of the target, 10^6 bytes. */
export const rssOf: Read = row => alive(row, 'target', row.usage.groups.target.rssPeakMb)
/** Chunks lost, doubled or out of order. */
export const chunkFaultsOf: Read = row => {
  const load = stream(row)
  return load && load.lost + load.doubled + load.outOfOrder
}
/** Replies that were not what was asked. */
export const notOkOf: Read = ({ load }) => (load.mode === 'stream' ? load.failed : load.failed + load.wrong)
/** Whole calls a second. */
export const rpsOf: Read = row => whole(row)?.rps

/** CPU of the target alone over that of the floor in the same round. */
export const overFloor = column('÷ floor', 2, (row, all) => {
  const base = same(row, 'floor', all)?.cpuPer1000 ?? 0
  const mine = cpuOf(row)
  return base === 0 || mine === undefined ? undefined : mine / base
})

/** Latency less that of no gateway at all. */
export const addedLatency = (quantile: 'p50' | 'p99', digits: number): Column =>
  added(`added ${quantile}`, digits, latency(quantile))
/** Time to the first chunk less that of no gateway at all. */
export const addedFirstChunk = (quantile: 'p50' | 'p99'): Column =>
  added(`added ${quantile}`, 2, spread('ttftMs', quantile))

function cpuColumns(unit: string, digits: number): Column[] {
  return [
    column(`CPU s / 1,000 ${unit}`, digits, cpuOf),
    overFloor,
    column(`Redis CPU s / 1,000`, digits, redisCpuOf),
    column('RSS MB', 0, rssOf),
    column('Redis RSS MB', 0, row => alive(row, 'redis', row.usage.groups.redis.rssPeakMb)),
  ]
}

const notOk = total('not ok', notOkOf)
const atUpstream = column('upstream calls / call', 2, ({ load, upstream }) =>
  load.ok === 0 ? undefined : upstream.requests / load.ok,
)

/** The columns of each case's own table. */
export const columns: Record<CaseId, readonly Column[]> = {
  a: [
    column('p50 ms', 3, latency('p50')),
    addedLatency('p50', 3),
    column('p99 ms', 3, latency('p99')),
    addedLatency('p99', 3),
    ...cpuColumns('calls', 3),
    atUpstream,
    notOk,
  ],
  b: [
    column('calls/s', 0, rpsOf),
    column('p50 ms', 1, latency('p50')),
    column('p99 ms', 1, latency('p99')),
    ...cpuColumns('calls', 3),
    atUpstream,
    notOk,
  ],
  c: [
    column('first chunk p50 ms', 1, spread('ttftMs', 'p50')),
    addedFirstChunk('p50'),
    addedFirstChunk('p99'),
    column('gap p99 ms', 1, spread('gapMs', 'p99')),
    column('transit p50 ms', 2, spread('transitMs', 'p50')),
    column('transit p99 ms', 2, spread('transitMs', 'p99')),
    ...cpuColumns('streams', 2),
    total('lost', row => stream(row)?.lost),
    total('doubled', row => stream(row)?.doubled),
    total('out of order', row => stream(row)?.outOfOrder),
    notOk,
  ],
  d: [
    column('calls/s', 0, rpsOf),
    column('p50 ms', 2, latency('p50')),
    addedLatency('p50', 2),
    column('p99 ms', 2, latency('p99')),
    addedLatency('p99', 2),
    column('sent late, p99 ms', 2, row => whole(row)?.lateMs?.p99),
    ...cpuColumns('calls', 3),
    notOk,
  ],
}

/** How quiet the machine was, and what all others used. */
export const noise: readonly Column[] = [
  { title: 'foreign CPU %, worst', digits: 1, read: row => 100 * row.usage.foreignShare, fold: 'most' },
  { title: 'steal s, worst', digits: 2, read: row => row.usage.stealSeconds, fold: 'most' },
  column('load generator CPU s', 2, row => row.usage.selfCpuSeconds),
  column('upstream CPU s', 2, row => row.usage.groups.upstream.cpuSeconds),
  column('idle targets CPU s', 2, row => row.usage.groups.idle.cpuSeconds),
  column('fixed work ms', 1, row => row.calibrationMs),
]
