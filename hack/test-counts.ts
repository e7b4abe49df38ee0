// Turns what a test run left behind into one honest count: whatever went wrong outside a test is a failure too.

/** Tests and checks by outcome. */
export type Counts = { passed: number; failed: number; skipped: number }

/** The part of vitest's JSON report that is counted. */
type Report = {
  numPassedTests: number
  numFailedTests: number
  numPendingTests: number
  numTodoTests: number
  testResults: { status: string; assertionResults: { status: string }[] }[]
}

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
