// A run is only as green as it really was: each way a run can go wrong without a failed test counts as a failure.
import { expect, test } from 'vitest'
import { addCounts, closingLine, countRun, failureLines } from './test-counts.ts'

type File = { status: string; tests: string[] }

/** A report as vitest writes it, of files with tests of these outcomes. */
function report(...files: File[]): string {
  const tests = files.flatMap(file => file.tests)
  const count = (status: string): number => tests.filter(outcome => outcome === status).length
  return JSON.stringify({
    numPassedTests: count('passed'),
    numFailedTests: count('failed'),
    numPendingTests: count('skipped'),
    numTodoTests: count('todo'),
    testResults: files.map(({ status, tests: outcomes }) => ({
      status,
      assertionResults: outcomes.map(outcome => ({ status: outcome })),
    })),
  })
}

const GREEN = { status: 'passed', tests: ['passed', 'passed', 'skipped', 'todo'] }

test('tests are counted by outcome', () => {
  expect(countRun(report(GREEN), 0)).toEqual({ passed: 2, failed: 0, skipped: 2 })
  expect(countRun(report(GREEN, { status: 'failed', tests: ['failed', 'passed'] }), 1)).toEqual({
    passed: 3,
    failed: 1,
    skipped: 2,
  })
})

test.each([
  ['a file that cannot be imported', report(GREEN, { status: 'failed', tests: [] }), 1],
  ['a hook that throws after the tests', report(GREEN, { status: 'failed', tests: [] }), 1],
  ['an error that belongs to no test', report(GREEN), 1],
  ['an end by a signal', report(GREEN), null],
])('%s is a failure', (_, json, exitCode) => {
  expect(countRun(json, exitCode)).toEqual({ passed: 2, failed: 1, skipped: 2 })
})

test.each([
  ['no report', undefined],
  ['half a report', report(GREEN).slice(0, 50)],
  ['a report of another kind', '{}'],
  ['no file at all', report()],
])('%s is a failure even when the run says it went well', (_, json) => {
  expect(countRun(json, 0)).toEqual({ passed: 0, failed: 1, skipped: 0 })
})

test('a run that skipped everything is a failure', () => {
  expect(countRun(report({ status: 'passed', tests: ['skipped'] }), 0)).toEqual({ passed: 0, failed: 1, skipped: 1 })
})

test('the closing line says the sum', () => {
  const sum = addCounts([
    { passed: 1, failed: 0, skipped: 2 },
    { passed: 10, failed: 3, skipped: 0 },
  ])
  expect(closingLine(sum)).toBe('11 passed, 3 failed, 2 skipped')
})

test('what failed is named at the end: the test or else the file, what was said first, and where in our files', () => {
  const said = `Error: \u001b[31mexpected 1\u001b[39m to be 2
    at toBe (/somewhere/node_modules/chai/lib/index.ts:3:1)
    at /here/test/e2e/calls.test.ts:41:7`
  const json = JSON.stringify({
    ...(JSON.parse(report(GREEN)) as object),
    testResults: [
      { status: 'passed', name: '/here/a.test.ts', assertionResults: [{ status: 'passed', fullName: 'is well' }] },
      {
        status: 'failed',
        name: '/here/test/e2e/calls.test.ts',
        assertionResults: [
          { status: 'passed', fullName: 'calls are counted' },
          { status: 'failed', fullName: 'calls are charged', failureMessages: [said, 'and then this'] },
        ],
      },
      { status: 'failed', name: '/here/b.test.ts', message: 'cannot be imported', assertionResults: [] },
    ],
  })
  expect(failureLines(json, '/here')).toEqual([
    'test/e2e/calls.test.ts > calls are charged: Error: expected 1 to be 2 (e2e/calls.test.ts:41)',
    'b.test.ts: cannot be imported',
  ])
  expect(failureLines(undefined, '/here')).toEqual([])
})
