// `node bench/run.ts`: the gateway, the Node floor and no gateway at all side by side, in interleaved rounds, on this
// machine. Prints Markdown, keeps rows, report, logs and profiles in results/<time>/, and fails on a wrong reply.
import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, totalmem, tmpdir } from 'node:os'
import { join } from 'node:path'
import { measureCase, warmUp, type Lane, type Row, type Surroundings } from './cases.ts'
import { HELP, readOptions, type Options } from './options.ts'
import { readProfile } from './profile.ts'
import { freePorts, startProgram } from './programs.ts'
import { briefly, faults, report, type RunInfo } from './report.ts'

/** How often a case is measured when others use the machine. */
const ATTEMPTS = 3
const RESULTS = join(import.meta.dirname, '..', 'results')

function commit(): string {
  try {
    const git = (...args: string[]): string =>
      execFileSync('git', args, { cwd: import.meta.dirname, stdio: 'pipe' }).toString()
    return git('rev-parse', '--short', 'HEAD').trim() + (git('status', '--porcelain') === '' ? '' : ' and changes')
  } catch {
    return 'unknown'
  }
}

function runInfo({ rounds, sizes }: Options): RunInfo {
  return {
    at: new Date().toISOString(),
    commit: commit(),
    platform: `${process.platform} ${process.arch}`,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    rounds,
    sizes,
  }
}

/** Starts the targets one after the other, each in a folder of its own under `dir`, and warms them up. */
async function startLanes(options: Options, upstreamUrl: string, dir: string, kept: string): Promise<Lane[]> {
  const lanes: Lane[] = []
  for (const target of options.targets) await target.prepare?.()
  try {
    for (const target of options.targets) {
      const own = join(dir, target.name)
      mkdirSync(own)
      const prof = ['--cpu-prof', '--cpu-prof-interval', '500', '--cpu-prof-dir', join(kept, target.name)]
      const nodeArgs = options.profile ? prof : []
      const lane = { target, running: await target.start({ upstreamUrl, dir: own, logs: kept, nodeArgs }) }
      lanes.push(lane)
      if (options.warm === 0) continue
      console.error(`warming up ${target.name}`)
      await warmUp(lane, options.warm)
    }
    return lanes
  } catch (error) {
    await stopLanes(lanes)
    throw error
  }
}

async function stopLanes(lanes: readonly Lane[]): Promise<void> {
  await Promise.all(lanes.map(({ running }) => running.stop()))
}

/** Measures one case of one lane, again while others use the machine, at most `ATTEMPTS` times. */
async function untilQuiet(most: number, measureOnce: (attempt: number) => Promise<Row>): Promise<void> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const { usage } = await measureOnce(attempt)
    if (usage.foreignShare <= most) return
  }
}

/** Which lane goes first turns from round to round, so that none always has the quiet or the warm machine. */
async function runRounds(
  { rounds, cases, sizes, quiet }: Options,
  lanes: readonly Lane[],
  upstream: Omit<Surroundings, 'idlePids'>,
  onRow: (row: Row) => void,
): Promise<void> {
  for (let round = 1; round <= rounds; round++) {
    const first = (round - 1) % lanes.length
    const order = [...lanes.slice(first), ...lanes.slice(0, first)]
    for (const [id, lane] of cases.flatMap(id => order.map(lane => [id, lane] as const))) {
      const others = lanes.filter(other => other !== lane)
      const idlePids = others.flatMap(({ running }) => [...running.pids, ...running.redisPids])
      await untilQuiet(quiet, async attempt => {
        const row = { round, attempt, ...(await measureCase(id, lane, sizes, { ...upstream, idlePids })) }
        onRow(row)
        return row
      })
    }
  }
}

/** What there is to say of a target besides its figures. */
function describeLane({ target, running }: Lane): string[] {
  const { name, portion = 1 } = target
  const less = portion === 1 ? [] : [`${portion} of the calls of a and of the streams of c`]
  const said = [...(running.about === undefined ? [] : [running.about]), ...less]
  return said.length === 0 ? [] : [`${name}: ${said.join('; ')}`]
}

function printProfiles(options: Options, kept: string): void {
  for (const { name } of options.targets) {
    const dir = join(kept, name)
    const files = readdirSync(kept).includes(name) ? readdirSync(dir).filter(f => f.endsWith('.cpuprofile')) : []
    for (const file of files) console.log(`\n## Self time of ${name}\n\n${readProfile(join(dir, file))}`)
  }
}

async function main(): Promise<void> {
  const options = await readOptions()
  if (options === undefined) return console.log(HELP)
  const info = runInfo(options)
  const kept = join(RESULTS, info.at.replace(/\D/g, '').slice(0, 14))
  mkdirSync(kept, { recursive: true })
  const file = join(kept, 'rows.jsonl')
  appendFileSync(file, `${JSON.stringify(info)}\n`)
  const dir = mkdtempSync(join(tmpdir(), 'smartflow-bench-'))
  process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
  const [port = 0] = await freePorts(1)
  const upstreamUrl = `http://127.0.0.1:${port}`
  const args = [join(import.meta.dirname, 'upstream.ts'), '--port', String(port)]
  const upstream = await startProgram({ name: 'upstream', args, logs: kept }, `${upstreamUrl}/health`)
  const rows: Row[] = []
  const notes: string[] = []
  try {
    const lanes = await startLanes(options, upstreamUrl, dir, kept)
    notes.push(...lanes.flatMap(describeLane))
    try {
      await runRounds(options, lanes, { upstreamUrl, upstreamPid: upstream.pid }, row => {
        rows.push(row)
        appendFileSync(file, `${JSON.stringify(row)}\n`)
        console.error(briefly(row))
      })
    } finally {
      await stopLanes(lanes)
    }
  } finally {
    await upstream.stop()
  }
  const text = report(info, rows, notes)
  writeFileSync(join(kept, 'report.md'), text)
  console.log(text)
  if (options.profile) printProfiles(options, kept)
  process.exitCode = rows.some(row => !row.peer && faults(row).length > 0) ? 1 : 0
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130))
await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exit(1)
})
