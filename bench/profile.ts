// Reads .cpuprofile files (node --cpu-prof) and says where the time went: self time by file and function.
// `node bench/profile.ts FILE...` prints the same for any such file.
import { readFileSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

type CallFrame = { functionName: string; url: string; lineNumber: number }
type Profile = {
  nodes: readonly { id: number; callFrame: CallFrame }[]
  samples: readonly number[]
  timeDeltas: readonly number[]
}

/** Self time of a function, or of a file with its functions, dearest first; `ms` of CPU, `share` 0–1 of busy time. */
export type FunctionTime = { name: string; ms: number; share: number }
export type FileTime = { file: string; ms: number; share: number; functions: readonly FunctionTime[] }

const ROOT = join(import.meta.dirname, '..')

/** A short name for the file of a call frame: relative to the repository, `undici`, `node:http`, `(native)`. */
function fileOf(url: string): string {
  if (url === '') return '(native)'
  if (!url.startsWith('file:')) return url
  const path = fileURLToPath(url)
  const packages = path.lastIndexOf('node_modules/')
  return packages < 0 ? relative(ROOT, path) : path.slice(packages + 'node_modules/'.length)
}

function nameOf({ functionName, lineNumber }: CallFrame): string {
  return `${functionName === '' ? '(anonymous)' : functionName}:${lineNumber + 1}`
}

function descending<T extends { ms: number }>(items: Iterable<T>): T[] {
  return [...items].toSorted((a, b) => b.ms - a.ms)
}

/** Self time of a profile (the parsed JSON of a .cpuprofile) by file; waiting counts for nothing. */
export function selfTimes(profile: Profile): FileTime[] {
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]))
  const files = new Map<string, Map<string, number>>()
  let busy = 0
  for (const [index, id] of profile.samples.entries()) {
    const frame = frames.get(id)
    if (frame === undefined || frame.functionName === '(idle)') continue
    const ms = (profile.timeDeltas[index] ?? 0) / 1000
    const special = frame.url === '' && frame.functionName.startsWith('(')
    const file = special ? frame.functionName : fileOf(frame.url)
    const functions = files.get(file) ?? new Map<string, number>()
    const name = nameOf(frame)
    functions.set(name, (functions.get(name) ?? 0) + ms)
    files.set(file, functions)
    busy += ms
  }
  const times = [...files].map(([file, functions]) => {
    const rows = descending([...functions].map(([name, ms]) => ({ name, ms, share: ms / busy })))
    const ms = rows.reduce((sum, row) => sum + row.ms, 0)
    return { file, ms, share: ms / busy, functions: rows }
  })
  return descending(times)
}

/** The part of the program a file belongs to: a room of ours, a package, node itself, or native code and collection. */
function partOf(file: string): string {
  if (file.startsWith('(')) return file
  if (file.startsWith('node:')) return 'node'
  const steps = file.split('/')
  if (steps[1] === 'src') return steps.slice(0, 3).join('/')
  return file.startsWith('@') ? steps.slice(0, 2).join('/') : (steps[0] ?? file)
}

function describeParts(times: readonly FileTime[], least: number): string[] {
  const parts = new Map<string, number>()
  for (const { file, share } of times) parts.set(partOf(file), (parts.get(partOf(file)) ?? 0) + share)
  return [...parts]
    .toSorted(([, a], [, b]) => b - a)
    .filter(([, share]) => share >= least)
    .map(([part, share]) => `${percent(share)} ${part}`)
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1).padStart(5)} %`
}

/**
 * Self times as text: first by part of the program, then files over `least` (0–1) of busy time, and in each at most
 * `most` functions over half of that.
 */
export function describeProfile(times: readonly FileTime[], least = 0.01, most = 6): string {
  const lines: string[] = ['by part', ...describeParts(times, least), 'by file and function']
  for (const { file, share, ms, functions } of times) {
    if (share < least) continue
    lines.push(`${percent(share)} ${file} (${Math.round(ms)} ms)`)
    for (const inner of functions.slice(0, most)) {
      if (inner.share >= least / 2 && functions.length > 1) lines.push(`    ${percent(inner.share)} ${inner.name}`)
    }
  }
  return lines.join('\n')
}

/** Reads a .cpuprofile file and describes it. */
export function readProfile(path: string): string {
  const profile: Profile = JSON.parse(readFileSync(path, 'utf8'))
  return `${basename(path)}\n${describeProfile(selfTimes(profile))}`
}

if (import.meta.main) for (const path of process.argv.slice(2)) console.log(readProfile(path))
