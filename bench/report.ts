// The report of a run as Markdown tables. A cell is min / **median** / max over the rounds; one value when all agree.
import { describeCase, type Row, type Sizes } from './cases.ts'
import { type Column, columns, figure, fill, noise } from './columns.ts'
import { sideBySide } from './side-by-side.ts'

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

function table(rows: readonly Row[], cols: readonly Column[]): string[] {
  const names = [...new Set(rows.map(row => row.target))]
  const lines = [`| target | ${cols.map(col => col.title).join(' | ')} |`, `|---|${'---:|'.repeat(cols.length)}`]
  for (const name of names) {
    const mine = rows.filter(row => row.target === name)
    lines.push(`| ${name} | ${cols.map(col => fill(col, mine, rows)).join(' | ')} |`)
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

/** The whole report of a run, over all attempts that it made; `notes` say what the targets were. */
export function report(info: RunInfo, attempts: readonly Row[], notes: readonly string[] = []): string {
  const rows = quietest(attempts)
  const lines = [
    `${info.at.slice(0, 10)}, commit ${info.commit}, ${info.cores} cores (${info.cpu}), ${info.memoryGb} GB, ` +
      `${info.platform}, node ${info.node}. Load generator, mock upstream, target and Redis share the cores. ` +
      `${info.rounds} interleaved rounds; a cell is min / **median** / max. CPU is of the target's processes alone. ` +
      `${attempts.length - rows.length} of ${attempts.length} measurements were made again because of other programs.`,
    ...(notes.length > 0 ? ['', ...notes.map(note => `- ${note}`)] : []),
    '',
    '### Side by side, medians',
    '',
    ...sideBySide(rows),
  ]
  const ids = [...new Set(rows.map(row => row.case))].toSorted()
  for (const id of ids) {
    const mine = rows.filter(row => row.case === id)
    lines.push('', `### ${id}. ${describeCase(id, info.sizes)}`, '', ...table(mine, columns[id]))
  }
  const named = rows.map(row => ({ ...row, target: `${row.case} ${row.target}` }))
  const byCase = ids.flatMap(id => named.filter(row => row.case === id))
  lines.push('', '### How quiet the machine was, and what the others used', '', ...table(byCase, noise))
  for (const [title, peer] of [
    ['FAULTS', false],
    ['Faults of the peers', true],
  ] as const) {
    const wrong = attempts.filter(row => row.peer === peer).flatMap(faults)
    if (wrong.length > 0) lines.push('', `### ${title}, of all attempts`, '', ...wrong.map(fault => `- ${fault}`))
  }
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
  const cpu = `CPU ${figure(row.cpuPer1000, 3)} + Redis ${figure(row.redisCpuPer1000, 3)} s / 1,000`
  return `round ${row.round} ${row.case} ${row.target}: ${load.ok} ok, ${figures}, ${cpu}${errors}`
}

/** What of a row means that the target answered wrongly; empty for a good one. */
export function faults(row: Row): string[] {
  const { load } = row
  const foreign = `foreign CPU ${figure(100 * row.usage.foreignShare, 0)} %`
  const where = `${row.case} ${row.target} round ${row.round} (${foreign})`
  const found = load.failed > 0 ? [`${where}: ${load.failed} failed: ${JSON.stringify(load.errors)}`] : []
  if (load.mode !== 'stream') return load.wrong > 0 ? [...found, `${where}: ${load.wrong} wrong replies`] : found
  for (const kind of ['lost', 'doubled', 'outOfOrder'] as const) {
    if (load[kind] > 0) found.push(`${where}: ${load[kind]} chunks ${kind}`)
  }
  return found
}
