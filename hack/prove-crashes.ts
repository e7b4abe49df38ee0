// `make prove-crashes`: an operator that dies at each of its writes in turn, also at those it begins and ends with, and one
// that is killed at ten random moments. Takes some eight minutes of a machine that does nothing else; what came of it is in
// docs/proof/crashes.md.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { provenance } from './provenance.ts'

const ROOT = resolve(import.meta.dirname, '..')
const VITEST = join(ROOT, 'node_modules/.bin/vitest')
const FILE = 'test/operator/chaos-crashes.prove.ts'
const OUTPUT = join(ROOT, 'docs/proof/crashes.md')

/** The part of vitest's JSON report that is told. */
interface Report {
  readonly testResults: readonly { readonly assertionResults: readonly Result[] }[]
}

interface Result {
  readonly fullName: string
  readonly status: string
  /** Milliseconds. */
  readonly duration?: number
  readonly meta: { readonly deaths?: readonly string[] }
}

/** Null: there is no report, since the run ended before its end. */
function run(report: string): { readonly passed: boolean; readonly results: readonly Result[] | null } {
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const args = [VITEST, 'run', '--config', 'test/prove.vitest.config.ts', ...reporters, FILE]
  const env = { ...process.env, CI: 'true' }
  const { status } = spawnSync(process.execPath, args, { cwd: ROOT, stdio: 'inherit', env })
  if (!existsSync(report)) return { passed: false, results: null }
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as Report
  const results = testResults.flatMap(({ assertionResults }) => assertionResults)
  return { passed: status === 0 && results.every(({ status: is }) => is === 'passed'), results }
}

function markdown(results: readonly Result[], { passed, busy }: { passed: boolean; busy: number }): string {
  const rows = results.map(({ fullName, status, duration = 0, meta }) => {
    const seconds = (duration / 1_000).toFixed(0)
    return `| ${fullName.trim()} | ${meta.deaths?.length ?? 'not told'} | ${seconds} s | ${status} |`
  })
  return [
    '# Crashes of the operator',
    '',
    `${provenance('prove-crashes', busy)} **${passed ? 'Passed' : 'FAILED'}.** \`make test\` tries the same with a key less, and each write either before or after.`,
    '',
    'While the operator dies and another one follows, a tenant comes with its providers, a chain, a policy and three keys, and one of the keys goes again. Each time it has to end as it ends without trouble: specs, statuses, finalizers, Secrets and network policies the same, a token that was handed out never another one, the deleted key refused by both data planes. Keys of another tenant are called all the time, and none of those calls may fail.',
    '',
    '| | deaths | time | |',
    '|---|---:|---:|---|',
    ...rows,
    '',
    ...results.flatMap(({ fullName, meta: { deaths = [] } }) => [
      `## It died: ${fullName.trim()}`,
      '',
      '```',
      ...deaths.map(readable),
      '```',
      '',
    ]),
  ].join('\n')
}

/** A digest says nothing. */
function readable(death: string, at: number): string {
  return `${String(at + 1).padStart(3)}  ${death.replace(/[0-9a-f]{32,}/, '…')}`
}

const [busy = 0] = loadavg()
const folder = mkdtempSync(join(tmpdir(), 'smartflow-prove-'))
try {
  const { passed, results } = run(join(folder, 'report.json'))
  if (results !== null && results.length > 0) {
    mkdirSync(dirname(OUTPUT), { recursive: true })
    writeFileSync(OUTPUT, markdown(results, { passed, busy }))
    console.log(`written: ${OUTPUT}`)
  }
  process.exitCode = passed ? 0 : 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
