// Turns what a test run left behind into one honest count, and names what failed: whatever went wrong outside a test is a
// failure too.
import { relative } from 'node:path'
import { stripVTControlCharacters } from 'node:util'

/** Tests and checks by outcome. */
export type Counts = { passed: number; failed: number; skipped: number }

/** The part of vitest's JSON report that is counted. */
type Report = {
  numPassedTests: number
  numFailedTests: number
  numPendingTests: number
  numTodoTests: number
  testResults: {
    status: string
    name?: string
    message?: string
    assertionResults: { status: string; fullName?: string; failureMessages?: readonly string[] }[]
  }[]
}

/** The longest line about a failure, in characters: the whole of it stands above in the log. */
const LONGEST_LINE = 300

/**
 * Counts a vitest run from its JSON report (undefined when it left none that can be read) and its exit code (null when
 * a signal ended it). A file that fails outside its tests, an error that belongs to no test, a run without a report and
 * a run without tests count as one failure each.
 */
export function countRun(json: string | undefined, exitCode: number | null): Counts {
  const report = readReport(json)
  if (!report) return { passed: 0, failed: 1, skipped: 0 }
  const brokenFiles = report.testResults.filter(
    file => file.status === 'failed' && file.assertionResults.every(test => test.status !== 'failed'),
  )
  const passed = report.numPassedTests
  const failed = report.numFailedTests + brokenFiles.length
  const somethingElse = failed === 0 && (exitCode !== 0 || passed === 0)
  return { passed, failed: somethingElse ? 1 : failed, skipped: report.numPendingTests + report.numTodoTests }
}

/**
 * A line for each failure of a run, `file > test: what went wrong`, with file names relative to `root`; for the end of a
 * log, which is all that some see of it.
 */
export function failureLines(json: string | undefined, root: string): readonly string[] {
  const files = readReport(json)?.testResults.filter(file => file.status === 'failed') ?? []
  return files.flatMap(file => {
    const name = relative(root, file.name ?? 'unknown')
    const failed = file.assertionResults.filter(test => test.status === 'failed')
    if (failed.length === 0) return [lineOf(name, file.message)]
    return failed.map(test => lineOf(`${name} > ${test.fullName ?? 'unknown'}`, test.failureMessages?.[0]))
  })
}

/** The head of what was said, and where in our own files it went wrong. */
function lineOf(what: string, said = ''): string {
  const [head = ''] = stripVTControlCharacters(said).split('\n')
  const place = /[\w./-]+\.ts:\d+/.exec(said.slice(head.length).replaceAll(/.*node_modules.*/g, ''))?.[0] ?? ''
  return `${what}: ${head.slice(0, LONGEST_LINE)}${place && ` (${place.split('/').slice(-2).join('/')})`}`
}

function readReport(json: string | undefined): Report | undefined {
  try {
    const report = JSON.parse(json ?? '') as Report
    return Number.isInteger(report.numPassedTests) && Array.isArray(report.testResults) ? report : undefined
  } catch {
    return undefined
  }
}

/** The sum of several counts. */
export function addCounts(all: Counts[]): Counts {
  const sum = { passed: 0, failed: 0, skipped: 0 }
  for (const { passed, failed, skipped } of all) {
    sum.passed += passed
    sum.failed += failed
    sum.skipped += skipped
  }
  return sum
}

/** The closing line that machines read. */
export const closingLine = ({ passed, failed, skipped }: Counts): string =>
  `${passed} passed, ${failed} failed, ${skipped} skipped`
