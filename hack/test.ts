// Runs every check of the project and tells the result; the last line is exactly `N passed, N failed, N skipped`, where
// each check before the tests counts as one. `--check` runs the quick part only: the checks, and tests without servers.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { addCounts, closingLine, type Counts, countRun, failureLines } from './test-counts.ts'

const ROOT = resolve(import.meta.dirname, '..')
const TOOLS = join(ROOT, 'node_modules', '.bin')

/** What is formatted; the rest (goldens, charts, documents) is kept as written. */
const FORMATTED = ['**/*.ts']

/** A run that takes longer hangs. The first run on a machine builds a Kubernetes control plane, for a quarter of an hour. */
const LIMIT_MS = 60 * 60_000

type Step = { name: string; hint: string; args: string[] }

const CHECKS: Step[] = [
  { name: 'types', hint: 'mend what tsc says', args: [join(TOOLS, 'tsc')] },
  { name: 'lint', hint: 'mend what oxlint says', args: [join(TOOLS, 'oxlint'), '--type-aware', '--deny-warnings'] },
  { name: 'format', hint: 'run `make format`', args: [join(TOOLS, 'oxfmt'), '--check', ...FORMATTED] },
  { name: 'imports', hint: 'see hack/imports.json', args: [join(ROOT, 'hack', 'check-imports.ts')] },
  { name: 'CRDs', hint: 'run `make generate`', args: [join(ROOT, 'hack', 'generate-crds.ts'), '--check'] },
]

type Result = { counts: Counts; failures: readonly string[] }
type Outcome = Result & { step: Step; seconds: number }

/** Runs one program with Node in the repository's root; null when a signal or the time limit ended it. */
async function run(args: string[]): Promise<number | null> {
  const { promise, resolve: ended, reject } = Promise.withResolvers<number | null>()
  const env = { ...process.env, PATH: `${TOOLS}${delimiter}${process.env['PATH'] ?? ''}` }
  spawn(process.execPath, args, { cwd: ROOT, env, stdio: 'inherit', timeout: LIMIT_MS })
    .once('error', reject)
    .once('exit', ended)
  return await promise
}

async function runCheck(step: Step): Promise<Result> {
  const passed = (await run(step.args)) === 0
  return { counts: { passed: passed ? 1 : 0, failed: passed ? 0 : 1, skipped: 0 }, failures: [] }
}

async function runTests(step: Step): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'smartflow-test-'))
  const file = join(folder, 'report.json')
  try {
    const exitCode = await run([...step.args, '--reporter=default', '--reporter=json', `--outputFile.json=${file}`])
    const report = existsSync(file) ? readFileSync(file, 'utf8') : undefined
    return { counts: countRun(report, exitCode), failures: failureLines(report, ROOT) }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function timed(step: Step, how: (step: Step) => Promise<Result>): Promise<Outcome> {
  console.log(`\n== ${step.name}`)
  const started = performance.now()
  const result = await how(step)
  return { step, ...result, seconds: (performance.now() - started) / 1000 }
}

function tell({ step, counts, failures, seconds }: Outcome): void {
  const verdict = counts.failed === 0 ? 'ok' : `FAILED: ${step.hint}`
  console.log(`${step.name.padEnd(8)} ${seconds.toFixed(1).padStart(6)} s  ${verdict}`)
  for (const failure of failures) console.log(`  ${failure}`)
}

const { values: options } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
const tests: Step = {
  name: 'tests',
  hint: 'see above',
  args: [join(TOOLS, 'vitest'), 'run', ...(options.check ? ['--project', 'unit'] : [])],
}
const outcomes: Outcome[] = []
for (const step of CHECKS) outcomes.push(await timed(step, runCheck))
outcomes.push(await timed(tests, runTests))
console.log('')
outcomes.forEach(tell)
const total = addCounts(outcomes.map(outcome => outcome.counts))
process.exitCode = total.failed === 0 ? 0 : 1
console.log(closingLine(total))
