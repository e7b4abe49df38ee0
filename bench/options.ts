// The options of a bench run, from flags or from the environment.
import { parseArgs } from 'node:util'
import { caseIds, type CaseId, type Sizes } from './cases.ts'
import type { Target } from './target.ts'
import { loadPeer, targets } from './targets.ts'

/** What `--help` prints. */
export const HELP = `node bench/run.ts, options as flags or (in capitals) from the environment:
  --rounds 3          --seconds 10 (b, d)        --cases a,b,c    --rate 1000 (calls a second of d)
  --targets direct,floor,gateway,gateway-cached,gateway-whole
  --peers none        other gateways beside them, e.g. portkey,litellm,nginx (files of bench/peers); what they need is
                      installed once, into the user's cache
  --warm 15           seconds of whole calls on each target before the first round, then half as many of streams: V8
                      goes on compiling for 10 to 15 s under load, and a shorter warm-up measures its compiler
  --scale 1           times the number of calls of a and of streams of c
  --quiet 0.1         foreign share of the CPU above which a case is measured again, up to three times
  --profile           start the targets with --cpu-prof and print where their time went (default: case b, one round)`

/** What a run does; `quiet` is the share of foreign CPU (0–1) above which a measurement is made again. */
export type Options = {
  rounds: number
  warm: number
  quiet: number
  cases: readonly CaseId[]
  targets: readonly Target[]
  sizes: Sizes
  profile: boolean
}

function list(text: string): string[] {
  return text.split(/[\s,]+/).filter(word => word !== '')
}

function atLeast(name: string, text: string, least: number): number {
  const value = Number(text)
  if (!(value >= least)) throw new Error(`${name} must be a number of at least ${least}`)
  return value
}

function isCase(id: string): id is CaseId {
  return caseIds.some(known => known === id)
}

function pickCases(text: string): CaseId[] {
  const ids = list(text)
  const unknown = ids.find(id => !isCase(id))
  if (unknown !== undefined) throw new Error(`no case ${unknown}; there are ${caseIds.join(', ')}`)
  return ids.filter(isCase)
}

async function pickTargets(names: string, peers: string): Promise<Target[]> {
  const own = list(names).map(name => {
    const found = targets.find(target => target.name === name)
    if (found === undefined) throw new Error(`no target ${name}; there are ${targets.map(t => t.name).join(', ')}`)
    return found
  })
  return [
    ...own,
    ...(await Promise.all(
      list(peers)
        .filter(name => name !== 'none')
        .map(loadPeer),
    )),
  ]
}

/** Reads flags and environment; undefined when help was asked for. Throws on anything unknown. */
export async function readOptions(
  args = process.argv.slice(2),
  env: Record<string, string | undefined> = process.env,
): Promise<Options | undefined> {
  const text = { type: 'string' } as const
  const flags = { profile: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } } as const
  const names = {
    rounds: text,
    seconds: text,
    cases: text,
    targets: text,
    peers: text,
    warm: text,
    scale: text,
    rate: text,
    quiet: text,
  }
  const { values } = parseArgs({ args, options: { ...names, ...flags } })
  if (values.help) return undefined
  const { profile } = values
  /** From the flag, else from the environment; empty counts as not set. */
  const setting = (name: keyof typeof names, otherwise: string): string =>
    values[name] || env[name.toUpperCase()] || otherwise
  const scale = atLeast('scale', setting('scale', '1'), 0.01)
  const allTargets = targets.map(target => target.name).join(',')
  return {
    profile,
    rounds: atLeast('rounds', setting('rounds', profile ? '1' : '3'), 1),
    warm: atLeast('warm', setting('warm', '15'), 0),
    quiet: atLeast('quiet', setting('quiet', '0.1'), 0),
    cases: pickCases(setting('cases', profile ? 'b' : 'a,b,c')),
    targets: await pickTargets(setting('targets', allTargets), setting('peers', '')),
    sizes: {
      sequential: Math.ceil(2000 * scale),
      connections: 64,
      rate: atLeast('rate', setting('rate', '1000'), 1),
      seconds: atLeast('seconds', setting('seconds', '10'), 0.1),
      concurrent: 200,
      streams: Math.ceil(1000 * scale),
      chunks: 50,
      delay: 20,
    },
  }
}
