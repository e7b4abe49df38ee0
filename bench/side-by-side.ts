// One table over all cases: a row a target, medians of the rounds, and what the gateway is of each peer.
import type { CaseId, Row } from './cases.ts'
import {
  addedFirstChunk,
  addedLatency,
  chunkFaultsOf,
  type Column,
  column,
  cpuOf,
  figure,
  median,
  notOkOf,
  overFloor,
  redisCpuOf,
  rpsOf,
  rssOf,
  same,
  sumOf,
  total,
} from './columns.ts'

/** A column of one case, or of all of them: then it is the highest or the sum over the cases. */
type Across = { title: string; from: CaseId | 'all'; column: Column }

const ACROSS: readonly Across[] = [
  { title: 'a: added p50 ms', from: 'a', column: addedLatency('p50', 2) },
  { title: 'a: added p99 ms', from: 'a', column: addedLatency('p99', 2) },
  { title: 'b: calls/s', from: 'b', column: column('', 0, rpsOf) },
  { title: 'b: CPU s / 1,000 calls', from: 'b', column: column('', 3, cpuOf) },
  { title: 'b: ÷ floor', from: 'b', column: overFloor },
  { title: 'b: Redis CPU s / 1,000', from: 'b', column: column('', 3, redisCpuOf) },
  { title: 'c: CPU s / 1,000 streams', from: 'c', column: column('', 2, cpuOf) },
  { title: 'c: Redis CPU s / 1,000', from: 'c', column: column('', 2, redisCpuOf) },
  { title: 'c: first chunk, added p50 ms', from: 'c', column: addedFirstChunk('p50') },
  { title: 'c: first chunk, added p99 ms', from: 'c', column: addedFirstChunk('p99') },
  { title: 'c: chunk faults', from: 'c', column: total('', chunkFaultsOf) },
  { title: 'not ok', from: 'all', column: total('', notOkOf) },
  { title: 'RSS MB, most', from: 'all', column: { title: '', digits: 0, read: rssOf, fold: 'most' } },
]

const OURS = 'gateway'
const NONE = '–'

function ofCase(rows: readonly Row[], from: Across['from']): Row[] {
  return rows.filter(row => from === 'all' || row.case === from)
}

/** The figure of one target; undefined when there is none. */
function value({ from, column: { read, fold } }: Across, target: string, rows: readonly Row[]): number | undefined {
  const all = ofCase(rows, from)
  const values = all.filter(row => row.target === target).map(row => read(row, all))
  const found = values.filter(one => one !== undefined && !Number.isNaN(one))
  if (found.length === 0) return undefined
  if (fold === 'sum') return sumOf(found)
  return fold === 'most' ? Math.max(...found.map(Number)) : median(found)
}

/** Median over the rounds of ours over theirs; counts have no ratio, nor has what is not above nothing. */
function ratio(across: Across, peer: string, rows: readonly Row[]): number | undefined {
  const { from, column: one } = across
  if (one.fold === 'sum') return undefined
  if (one.fold === 'most') return quotient(value(across, OURS, rows), value(across, peer, rows))
  const all = ofCase(rows, from)
  const pairs = all.filter(row => row.target === OURS).map(row => [row, same(row, peer, all)] as const)
  return median(pairs.map(([ours, theirs]) => quotient(one.read(ours, all), theirs && one.read(theirs, all))))
}

function quotient(ours: number | undefined, theirs: number | undefined): number | undefined {
  return ours === undefined || theirs === undefined || ours <= 0 || theirs <= 0 ? undefined : ours / theirs
}

/** The table as lines of Markdown. Ratios below 1 are in the gateway's favour, but for calls/s. */
export function sideBySide(rows: readonly Row[]): string[] {
  const used = ACROSS.filter(({ from }) => ofCase(rows, from).length > 0)
  const names = [...new Set(rows.map(row => row.target))]
  const peers = [...new Set(rows.filter(row => row.peer).map(row => row.target))]
  const line = (title: string, cells: readonly (string | undefined)[]): string =>
    `| ${title} | ${cells.map(text => text ?? NONE).join(' | ')} |`
  const show = (number: number | undefined, digits: number): string | undefined =>
    number === undefined ? undefined : figure(number, digits)
  return [
    line(
      'target',
      used.map(across => across.title),
    ),
    `|---|${'---:|'.repeat(used.length)}`,
    ...names.map(name =>
      line(
        name,
        used.map(across => show(value(across, name, rows), across.column.digits)),
      ),
    ),
    ...(names.includes(OURS) ? peers : []).map(peer =>
      line(
        `**ours ÷ ${peer}**`,
        used.map(across => show(ratio(across, peer, rows), 2)),
      ),
    ),
  ]
}
