// Markdown tables from the rows of a run. A cell is min / **median** / max over the rounds; one value when all agree.
import { describeCase, type CaseId, type Row, type Sizes } from './cases.ts'
import type { WholeResult } from './load.ts'
import type { Spread } from './samples.ts'
import type { StreamResult } from './streams.ts'

/** What a run was made on and of; the first line of its rows.jsonl. */
export type RunInfo = {
  at: string
  commit: string
  platform: string
  cpu: string
  cores: number
  memoryGb: number
  node: string
  rounds: number
  sizes: Sizes
}

type Column = { title: string; cell(rows: readonly Row[], all: readonly Row[]): string }
type Quantile = 'p50' | 'p90' | 'p99' | 'max'

function number(value: number, digits: number): string {
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

/** min / **median** / max of the values that there are, with so many digits after the point. */
export function cell(values: readonly (number | undefined)[], digits: number): string {
  const sorted = values
    .filter(value => value !== undefined && !Number.isNaN(value))
    .toSorted((a, b) => Number(a) - Number(b))
  const known = sorted.map(value => number(value ?? 0, digits))
  const [least] = known
  if (least === undefined) return '–'
  const middle = known[Math.ceil(known.length / 2) - 1] ?? least
  const most = known.at(-1) ?? least
  return least === most ? least : `${least} / **${middle}** / ${most}`
}

function whole(row: Row): WholeResult | undefined {
  return row.load.mode === 'stream' ? undefined : row.load
}

function stream(row: Row): StreamResult | undefined {
  return row.load.mode === 'stream' ? row.load : undefined
}

function column(title: string, digits: number, read: (row: Row) => number | undefined): Column {
  return { title, cell: rows => cell(rows.map(read), digits) }
}

/** The figure less that of `direct` in the same round. */
function added(title: string, digits: number, read: (row: Row) => number | undefined): Column {
  const over = (row: Row, all: readonly Row[]): number | undefined => {
    const mine = read(row)
    const base = same(row, 'direct', all)
    const bare = base === undefined ? undefined : read(base)
    return mine === undefined || bare === undefined ? undefined : mine - bare
  }
  return {
    title,
    cell: (rows, all) =>
      rows[0]?.target === 'direct'
        ? '–'
        : cell(
            rows.map(r => over(r, all)),
            digits,
          ),
  }
}

function same(row: Row, target: string, all: readonly Row[]): Row | undefined {
  return all.find(other => other.target === target && other.round === row.round)
}

/** CPU of the target alone over that of the floor in the same round. */
const overFloor: Column = {
  title: '÷ floor',
  cell: (rows, all) => {
    const ratios = rows.map(row => {
      const base = same(row, 'floor', all)?.cpuPer1000 ?? 0
      return base === 0 || row.usage.groups.target.processes === 0 ? undefined : row.cpuPer1000 / base
    })
    return cell(ratios, 2)
  },
}

function total(title: string, read: (row: Row) => number | undefined): Column {
  return {
    title,
    cell: rows =>
      number(
        rows.reduce((sum, row) => sum + (read(row) ?? 0), 0),
        0,
      ),
  }
}

function cpuColumns(unit: string, digits: number): Column[] {
  const alive = (row: Row, group: 'target' | 'redis', value: number): number | undefined =>
    row.usage.groups[group].processes === 0 ? undefined : value
  return [
    column(`CPU s / 1,000 ${unit}`, digits, row => alive(row, 'target', row.cpuPer1000)),
    overFloor,
    column(`Redis CPU s / 1,000`, digits, row => alive(row, 'redis', row.redisCpuPer1000)),
    column('RSS MB', 0, row => alive(row, 'target', row.usage.groups.target.rssPeakMb)),
    column('Redis RSS MB', 0, row => alive(row, 'redis', row.usage.groups.redis.rssPeakMb)),
  ]
}

const latency = (quantile: Quantile) => (row: Row) => whole(row)?.latencyMs?.[quantile]
const notOk = total('not ok', row => (row.load.mode === 'stream' ? row.load.failed : row.load.failed + row.load.wrong))
const atUpstream: Column = {
  title: 'upstream calls / call',
  cell: rows =>
    cell(
      rows.map(row => (row.load.ok === 0 ? undefined : row.upstream.requests / row.load.ok)),
      2,
    ),
}

function spread(field: 'ttftMs' | 'gapMs' | 'transitMs', quantile: Quantile): (row: Row) => number | undefined {
  return row => {
    const value: Spread | undefined = stream(row)?.[field]
    return value?.[quantile]
  }
}

const columns: Record<CaseId, readonly Column[]> = {
  a: [
    column('p50 ms', 3, latency('p50')),
    added('added p50', 3, latency('p50')),
    column('p99 ms', 3, latency('p99')),
    added('added p99', 3, latency('p99')),
    ...cpuColumns('calls', 3),
    atUpstream,
    notOk,
  ],
  b: [
    column('calls/s', 0, row => whole(row)?.rps),
    column('p50 ms', 1, latency('p50')),
    column('p99 ms', 1, latency('p99')),
    ...cpuColumns('calls', 3),
    atUpstream,
    notOk,
  ],
  c: [
    column('first chunk p50 ms', 1, spread('ttftMs', 'p50')),
    added('added p50', 2, spread('ttftMs', 'p50')),
    added('added p99', 2, spread('ttftMs', 'p99')),
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
    column('calls/s', 0, row => whole(row)?.rps),
    column('p50 ms', 2, latency('p50')),
    added('added p50', 2, latency('p50')),
    column('p99 ms', 2, latency('p99')),
    added('added p99', 2, latency('p99')),
    column('sent late, p99 ms', 2, row => whole(row)?.lateMs?.p99),
    ...cpuColumns('calls', 3),
    notOk,
  ],
}

const noise: readonly Column[] = [
  {
    title: 'foreign CPU, worst',
    cell: rows => `${number(100 * Math.max(...rows.map(r => r.usage.foreignShare)), 1)} %`,
  },
  { title: 'steal s, worst', cell: rows => number(Math.max(...rows.map(row => row.usage.stealSeconds)), 2) },
  column('load generator CPU s', 2, row => row.usage.selfCpuSeconds),
  column('upstream CPU s', 2, row => row.usage.groups.upstream.cpuSeconds),
  column('idle targets CPU s', 2, row => row.usage.groups.idle.cpuSeconds),
  column('fixed work ms', 1, row => row.calibrationMs),
]

function table(rows: readonly Row[], cols: readonly Column[]): string[] {
  const names = [...new Set(rows.map(row => row.target))]
  const lines = [`| target | ${cols.map(col => col.title).join(' | ')} |`, `|---|${'---:|'.repeat(cols.length)}`]
  for (const name of names) {
    const mine = rows.filter(row => row.target === name)
    lines.push(`| ${name} | ${cols.map(col => col.cell(mine, rows)).join(' | ')} |`)
  }
  return lines
}

/** Of the attempts at each measurement the one that other programs disturbed least. */
export function quietest(rows: readonly Row[]): Row[] {
  const best = new Map<string, Row>()
  for (const row of rows) {
    const key = `${row.case} ${row.target} ${row.round}`
    const other = best.get(key)
    if (other === undefined || row.usage.foreignShare < other.usage.foreignShare) best.set(key, row)
  }
  return [...best.values()]
}

/** The whole report of a run, over all attempts that it made. */
export function report(info: RunInfo, attempts: readonly Row[]): string {
  const rows = quietest(attempts)
  const lines = [
    `${info.at.slice(0, 10)}, commit ${info.commit}, ${info.cores} cores (${info.cpu}), ${info.memoryGb} GB, ` +
      `${info.platform}, node ${info.node}. Load generator, mock upstream, target and Redis share the cores. ` +
      `${info.rounds} interleaved rounds; a cell is min / **median** / max. CPU is of the target's processes alone. ` +
      `${attempts.length - rows.length} of ${attempts.length} measurements were made again because of other programs.`,
  ]
  const ids = [...new Set(rows.map(row => row.case))].toSorted()
  for (const id of ids) {
    const mine = rows.filter(row => row.case === id)
    lines.push('', `### ${id}. ${describeCase(id, info.sizes)}`, '', ...table(mine, columns[id]))
  }
  const named = rows.map(row => ({ ...row, target: `${row.case} ${row.target}` }))
  const byCase = ids.flatMap(id => named.filter(row => row.case === id))
  lines.push('', '### How quiet the machine was, and what the others used', '', ...table(byCase, noise))
  const wrong = attempts.flatMap(faults)
  if (wrong.length > 0) lines.push('', '### FAULTS, of all attempts', '', ...wrong.map(fault => `- ${fault}`))
  return `${lines.join('\n')}\n`
}

/** One line about one measurement, for the progress of a run. */
export function briefly(row: Row): string {
  const { load } = row
  const figures =
    load.mode === 'stream'
      ? `first ${load.ttftMs?.p50} ms, transit p99 ${load.transitMs?.p99 ?? '–'} ms, lost ${load.lost}`
      : `${load.rps} calls/s, p50 ${load.latencyMs?.p50} ms, p99 ${load.latencyMs?.p99} ms`
  const errors = Object.keys(load.errors).length > 0 ? ` ERRORS ${JSON.stringify(load.errors)}` : ''
  const cpu = `CPU ${number(row.cpuPer1000, 3)} + Redis ${number(row.redisCpuPer1000, 3)} s / 1,000`
  return `round ${row.round} ${row.case} ${row.target}: ${load.ok} ok, ${figures}, ${cpu}${errors}`
}

/** What of a row means that the target answered wrongly; empty for a good one. */
export function faults(row: Row): string[] {
  const { load } = row
  const foreign = `foreign CPU ${number(100 * row.usage.foreignShare, 0)} %`
  const where = `${row.case} ${row.target} round ${row.round} (${foreign})`
  const found = load.failed > 0 ? [`${where}: ${load.failed} failed: ${JSON.stringify(load.errors)}`] : []
  if (load.mode !== 'stream') return load.wrong > 0 ? [...found, `${where}: ${load.wrong} wrong replies`] : found
  for (const kind of ['lost', 'doubled', 'outOfOrder'] as const) {
    if (load[kind] > 0) found.push(`${where}: ${load[kind]} chunks ${kind}`)
  }
  return found
}
