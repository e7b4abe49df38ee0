// Where a measurement of docs/proof comes from.
import { execFileSync } from 'node:child_process'
import { cpus, totalmem } from 'node:os'

/** A sentence with the target, the day, the commit and the machine; `busy`: the load average before it began. */
export function provenance(target: string, busy: number): string {
  const today = new Date().toISOString().slice(0, 10)
  return `\`make ${target}\` on ${today}, commit ${commit()}, Node ${process.versions.node}, ${machine()}; load average before it began: ${busy.toFixed(1)}.`
}

function commit(): string {
  const cwd = import.meta.dirname
  return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd, encoding: 'utf8' }).trim()
}

function machine(): string {
  const model = cpus()[0]?.model.trim() || 'unknown processor'
  return `${cpus().length} cores (${model}), ${Math.round(totalmem() / 1_000_000_000)} GB, ${process.platform}`
}
