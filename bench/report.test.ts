// The report over made-up measurements: the side-by-side table, ratios to peers, and whose faults are whose.
import { describe, expect, it } from 'vitest'
import type { CaseId, Row } from './cases.ts'
import { report, type RunInfo } from './report.ts'
import { sideBySide } from './side-by-side.ts'

const SPREAD = { n: 1, mean: 1, p50: 1, p90: 1, p99: 1, max: 1 }
const GROUP = { cpuSeconds: 0, rssPeakMb: 0, processes: 0 }

type Made = { of: CaseId; target: string; round?: number; peer?: boolean; cpu?: number; rss?: number; ms?: number }

/** A measurement as one would be; latencies are `ms` (p50) and ten times that (p99), everything else is given. */
function row(made: Made, load: Partial<Row['load']> = {}): Row {
  const { of, target, round = 1, peer = false, cpu, rss = 0, ms = 1 } = made
  const spread = { ...SPREAD, p50: ms, p99: 10 * ms }
  const common = { connections: 1, ok: 10, failed: 0, seconds: 1, errors: {} }
  const whole = { ...common, mode: 'closed', requests: 10, wrong: 0, rps: 10, latencyMs: spread }
  const counts = { chunks: 500, lost: 0, doubled: 0, outOfOrder: 0, noUsage: 0, noDone: 0 }
  const times = { ttftMs: spread, gapMs: spread, transitMs: spread }
  const stream = { ...common, ...counts, ...times, mode: 'stream', streams: 10, streamsPerSecond: 1 }
  const own = cpu === undefined ? GROUP : { cpuSeconds: 1, rssPeakMb: rss, processes: 1 }
  return {
    at: '',
    round,
    attempt: 1,
    case: of,
    target,
    peer,
    load: { ...(of === 'c' ? stream : whole), ...load } as Row['load'],
    cpuPer1000: cpu ?? 0,
    redisCpuPer1000: 0,
    usage: {
      wallSeconds: 1,
      groups: { target: own, redis: GROUP, upstream: GROUP, idle: GROUP },
      selfCpuSeconds: 0,
      foreignShare: 0,
      stealSeconds: 0,
    },
    upstream: { requests: 10, streams: 0, chunks: 0, clientGone: 0 },
    calibrationMs: 1,
  }
}

/** The cells of the row that starts with `name`, by column title. */
function cells(lines: readonly string[], name: string): Record<string, string> {
  const split = (line = ''): string[] => line.split('|').map(text => text.trim())
  const titles = split(lines[0])
  const found = split(lines.find(line => line.startsWith(`| ${name} |`)))
  return Object.fromEntries(titles.map((title, at) => [title, found[at] ?? '']).filter(([title]) => title !== ''))
}

const rows = [1, 2, 3].flatMap(round => [
  row({ of: 'a', target: 'direct', round, ms: 1 }),
  row({ of: 'a', target: 'floor', round, cpu: 0.1, ms: 1.1 }),
  row({ of: 'a', target: 'gateway', round, cpu: 0.2, rss: 100, ms: 1.5 }),
  row({ of: 'a', target: 'portkey', round, peer: true, cpu: 0.4, rss: 50, ms: 2 }),
  row({ of: 'b', target: 'direct', round }, { rps: 9000 }),
  row({ of: 'b', target: 'floor', round, cpu: 0.1 * round }, { rps: 4000 }),
  row({ of: 'b', target: 'gateway', round, cpu: 0.3 * round, rss: 120 }, { rps: 3000 }),
  row({ of: 'b', target: 'portkey', round, peer: true, cpu: 0.6 * round, rss: 60 }, { rps: 1500 }),
  row({ of: 'c', target: 'direct', round }),
  row({ of: 'c', target: 'gateway', round, cpu: 2, ms: 3 }),
  row(
    { of: 'c', target: 'portkey', round, peer: true, cpu: Number.NaN },
    { ok: 0, failed: 10, lost: 490, doubled: 7, outOfOrder: 3, ttftMs: undefined, errors: { 'status 500: x': 10 } },
  ),
])

const info: RunInfo = {
  at: '2026-01-01T00:00:00Z',
  commit: 'abc',
  platform: 'linux x64',
  cpu: 'some',
  cores: 2,
  memoryGb: 8,
  node: 'v26',
  rounds: 3,
  sizes: { sequential: 1, connections: 1, rate: 1, seconds: 1, concurrent: 1, streams: 1, chunks: 1, delay: 1 },
}

describe('the side-by-side table', () => {
  const lines = sideBySide(rows)

  it('has a row a target with the figures of every case', () => {
    expect(cells(lines, 'gateway')).toEqual({
      target: 'gateway',
      'a: added p50 ms': '0.50',
      'a: added p99 ms': '5.00',
      'b: calls/s': '3,000',
      'b: CPU s / 1,000 calls': '0.600',
      'b: ÷ floor': '3.00',
      'b: Redis CPU s / 1,000': '–',
      'c: CPU s / 1,000 streams': '2.00',
      'c: Redis CPU s / 1,000': '–',
      'c: first chunk, added p50 ms': '2.00',
      'c: first chunk, added p99 ms': '20.00',
      'c: chunk faults': '0',
      'not ok': '0',
      'RSS MB, most': '120',
    })
  })

  it('has no figure for what a target did not do, and counts what it did wrong', () => {
    expect(cells(lines, 'portkey')).toMatchObject({
      'c: CPU s / 1,000 streams': '–',
      'c: first chunk, added p50 ms': '–',
      'c: chunk faults': '1,500',
      'not ok': '30',
    })
    expect(cells(lines, 'direct')).toMatchObject({ 'a: added p50 ms': '–', 'b: calls/s': '9,000', 'b: ÷ floor': '–' })
  })

  it('divides ours by each peer round by round', () => {
    expect(cells(lines, '**ours ÷ portkey**')).toMatchObject({
      'a: added p50 ms': '0.50',
      'b: calls/s': '2.00',
      'b: CPU s / 1,000 calls': '0.50',
      'b: ÷ floor': '0.50',
      'c: CPU s / 1,000 streams': '–',
      'c: chunk faults': '–',
      'RSS MB, most': '2.00',
    })
    expect(lines.filter(line => line.includes('ours ÷'))).toHaveLength(1)
  })

  it('leaves out cases that were not run', () => {
    const [head = ''] = sideBySide(rows.filter(one => one.case === 'b'))
    expect(head).not.toMatch(/[ac]: /)
  })
})

describe('the report', () => {
  it('tells faults of the peers apart from those of ours', () => {
    const text = report(info, rows, ['portkey: some version'])
    expect(text).toContain('- portkey: some version')
    expect(text).toContain('### Faults of the peers')
    expect(text).toContain('c portkey round 1 (foreign CPU 0 %): 490 chunks lost')
    expect(text).not.toContain('FAULTS')
    expect(report(info, [...rows, row({ of: 'b', target: 'gateway', round: 4, cpu: 1 }, { failed: 1 })])).toContain(
      '### FAULTS, of all attempts\n\n- b gateway round 4',
    )
  })
})
