// The readers of other programs' formats: /proc and ps lines, CPU profiles, and the cells of the report.
import { expect, it } from 'vitest'
import { measure, parsePsTime, parseStat } from './process.ts'
import { describeProfile, selfTimes } from './profile.ts'
import type { Row } from './cases.ts'
import { cell } from './columns.ts'
import { quietest } from './report.ts'

it('reads /proc/PID/stat, also with spaces and brackets in the name', () => {
  const line = `42 (a (b) c) S 7 42 42 0 -1 4194304 1 2 3 4 150 50 20 30 20 0 11 0 99 1000000 250 18446744073709551615`
  expect(parseStat(line)).toEqual({ parent: 7, cpuSeconds: 2.5, rssBytes: 250 * 4096 })
})

it('reads the CPU time of ps', () => {
  expect(['0:01.50', '12:03', '1:02:03', '2-01:00:00'].map(parsePsTime)).toEqual([1.5, 723, 3723, 176_400])
})

it('measures itself', async () => {
  const stop = await measure({ own: [process.pid], none: [] })
  const before = process.threadCpuUsage()
  while (process.threadCpuUsage(before).user < 60_000);
  const { groups, selfCpuSeconds, wallSeconds } = await stop()
  expect(groups.own.rssPeakMb).toBeGreaterThan(10)
  expect(groups.none).toEqual({ cpuSeconds: 0, rssPeakMb: 0, processes: 0 })
  expect(selfCpuSeconds).toBeGreaterThan(0.03)
  expect(wallSeconds).toBeGreaterThan(0.05)
})

it('sums self time by file and leaves waiting out', () => {
  const frame = (id: number, functionName: string, url: string) => ({
    id,
    callFrame: { functionName, url, lineNumber: id },
  })
  const url = new URL('../core/src/x.ts', import.meta.url).href
  const nodes = [
    frame(1, '(idle)', ''),
    frame(2, 'one', url),
    frame(3, 'two', url),
    frame(4, '(garbage collector)', ''),
  ]
  const times = selfTimes({ nodes, samples: [1, 2, 3, 2, 4], timeDeltas: [9000, 1000, 2000, 3000, 2000] })
  expect(times.map(({ file, ms, share }) => [file, ms, share])).toEqual([
    ['core/src/x.ts', 6, 0.75],
    ['(garbage collector)', 2, 0.25],
  ])
  expect(describeProfile(times)).toContain('50.0 % one:3')
})

it('writes a cell as min, median, max', () => {
  expect(cell([3, 1, undefined, 2], 1)).toBe('1.0 / **2.0** / 3.0')
  expect(cell([1.04, 1], 1)).toBe('1.0')
  expect(cell([undefined, Number.NaN], 1)).toBe('–')
})

it('keeps the attempt that others disturbed least', () => {
  const row = (round: number, attempt: number, foreignShare: number): Row =>
    ({ case: 'b', target: 'floor', round, attempt, usage: { foreignShare } }) as Row
  const rows = [row(1, 1, 0.5), row(1, 2, 0.1), row(1, 3, 0.2), row(2, 1, 0.3)]
  expect(quietest(rows).map(({ round, attempt }) => [round, attempt])).toEqual([
    [1, 2],
    [2, 1],
  ])
})
