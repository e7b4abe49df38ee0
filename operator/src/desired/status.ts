// What an object's status says: from what compiling said of it, what was published, and what the pods serve. Pure.
import type { Condition as CompiledCondition } from '@smartflow/core/resources/metadata'
import { compareVersions } from '@smartflow/core/snapshot/follow'
import { programmedOf, type ProgrammedInput } from './programmed.ts'
import { readPrevious, type WrittenCondition, writtenTime } from './written-condition.ts'

/** A condition before it has a time. */
export interface StatusCondition {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
  /** CamelCase. */
  readonly reason: string
  /** For a person: what is wrong and what to do. */
  readonly message: string
}

/** The first configuration that carried the object as it is now. */
export interface ConfigPlace {
  readonly epoch: number
  readonly generation: number
  readonly digest: string
}

/** A whole status, as it is written. Fields of single kinds stand beside the common ones. */
export interface ObjectStatus {
  readonly observedGeneration: number
  readonly conditions: readonly WrittenCondition[]
  readonly config?: ConfigPlace
  readonly [field: string]: unknown
}

/** Everything a status depends on. */
export interface StatusInput extends Omit<ProgrammedInput, 'config'> {
  readonly kind: string
  /** The object's metadata.generation. */
  readonly generation: number
  /** Its status as the cache has it. */
  readonly previous: unknown
  /** What compiling said; undefined: it was not compiled. `generation`: the metadata.generation that was. */
  readonly compiled:
    | { readonly generation: number | undefined; readonly conditions: readonly CompiledCondition[] }
    | undefined
  /** Why the object does not pass its schema; its last good form may serve on. */
  readonly invalid?: string | undefined
  /** The first version that carried the object as it is now, as far as it is known; otherwise the one in force counts. */
  readonly since?: { readonly epoch: number; readonly generation: number } | undefined
  /** When a VirtualKey ends, in milliseconds since the epoch. */
  readonly expiresAt?: number | undefined
  /** Conditions from elsewhere (certificate, routes, the store), and whether Ready waits for each. */
  readonly extra?: readonly (StatusCondition & { readonly gatesReady?: boolean })[]
  /** Fields of the kind; undefined ones are left out. */
  readonly fields?: Readonly<Record<string, unknown>>
}

/** Reasons that nothing but a change of the object, or of another one, mends: kstatus then says Failed at once. */
const TERMINAL: ReadonlySet<string> = new Set([
  'Invalid',
  'UnsupportedValue',
  'NamespaceNotAllowed',
  'Conflicted',
  'NotServedYet',
])

/** Order of the written conditions. */
const ORDER = ['Ready', 'Accepted', 'ResolvedRefs', 'Programmed', 'Stalled', 'Reconciling']

/** The status to be written. Conditions that say the same as before keep their time. */
export function statusOf(input: StatusInput): ObjectStatus {
  const observedGeneration = judgedGeneration(input)
  const config = configOf(input)
  const own = ownConditions(input)
  const programmed = programmedOf({ ...input, config })
  const summary = summarize([...own, programmed, ...gating(input)], own)
  const expired = expiredCondition(input)
  const wanted = [...own.filter(({ type }) => type !== 'Ready' && type !== 'Stalled'), programmed, ...summary]
  const extra = (input.extra ?? []).map(({ type, status, reason, message }) => ({ type, status, reason, message }))
  const all = [...wanted, ...extra, ...(expired === undefined ? [] : [expired])]
  const before = readPrevious(input.previous).conditions
  const conditions = all
    .map(condition => written(condition, { observedGeneration, before, now: input.now }))
    .sort((a, b) => rank(a.type) - rank(b.type) || (a.type < b.type ? -1 : 1))
  const fields = Object.fromEntries(Object.entries(input.fields ?? {}).filter(([, value]) => value !== undefined))
  return { ...fields, observedGeneration, conditions, ...(config !== undefined && { config }) }
}

/** A status may not claim more than what was judged: the compile may have seen an earlier form of the object. */
function judgedGeneration({ generation, compiled, invalid }: StatusInput): number {
  return invalid !== undefined ? generation : (compiled?.generation ?? generation)
}

/**
 * Kept while the digest is the same, so that a new generation does not mean a new status for every object. What is in force
 * as something else, or not at all, keeps what was.
 */
function configOf({ digest, version, since, previous }: StatusInput): ConfigPlace | undefined {
  const stored = readPrevious(previous).config
  const { wanted, inForce } = digest
  if (version === undefined || inForce === undefined || inForce !== wanted)
    return wanted === undefined ? undefined : stored
  if (stored?.digest === inForce && compareVersions(stored, version) <= 0) return stored
  const { epoch, generation } = since ?? version
  return { epoch, generation, digest: inForce }
}

function ownConditions({ compiled, invalid }: StatusInput): StatusCondition[] {
  if (invalid !== undefined) return [{ type: 'Accepted', status: 'False', reason: 'Invalid', message: invalid }]
  if (compiled !== undefined) return [...compiled.conditions]
  return [{ type: 'Accepted', status: 'Unknown', reason: 'Pending', message: 'the object was not looked at yet' }]
}

function gating({ extra = [] }: StatusInput): StatusCondition[] {
  return extra.filter(({ gatesReady }) => gatesReady === true)
}

/**
 * Ready, and what keeps it: Stalled for what only a change mends, else Reconciling. `parts`: everything that Ready needs,
 * the most telling first.
 */
function summarize(parts: readonly StatusCondition[], own: readonly StatusCondition[]): StatusCondition[] {
  const [later] = own.filter(({ type }) => type === 'Ready')
  const failing = firstFailing(parts, later)
  if (failing === undefined) {
    return [{ type: 'Ready', status: 'True', reason: 'Ready', message: 'every gateway pod serves it' }]
  }
  const { reason, message } = failing
  const status = failing.status === 'Unknown' ? 'Unknown' : 'False'
  const terminal = (failing.type === 'Accepted' || failing === later) && TERMINAL.has(reason)
  return [
    { type: 'Ready', status, reason, message },
    { type: terminal ? 'Stalled' : 'Reconciling', status: 'True', reason, message },
  ]
}

/** Accepted before what is not served yet, that before references, and the pods and the rest last. */
function firstFailing(
  parts: readonly StatusCondition[],
  later: StatusCondition | undefined,
): StatusCondition | undefined {
  const fails = (type: string): StatusCondition | undefined =>
    parts.find(part => part.type === type && part.status !== 'True')
  const rest = parts.find(({ type, status }) => status !== 'True' && type !== 'Ready' && type !== 'Stalled')
  return fails('Accepted') ?? later ?? fails('ResolvedRefs') ?? rest
}

function expiredCondition({ expiresAt, now }: StatusInput): StatusCondition | undefined {
  if (expiresAt === undefined || expiresAt > now) return undefined
  const message = `the key ended on ${new Date(expiresAt).toISOString()} and is refused; set a later spec.expiresAt`
  return { type: 'Expired', status: 'True', reason: 'Expired', message }
}

interface Written {
  readonly observedGeneration: number
  readonly before: readonly WrittenCondition[]
  readonly now: number
}

function written(condition: StatusCondition, { observedGeneration, before, now }: Written): WrittenCondition {
  const last = before.find(({ type }) => type === condition.type)
  const since = last?.status === condition.status ? last.lastTransitionTime : writtenTime(now)
  return {
    ...condition,
    message: condition.message.slice(0, MAX_MESSAGE),
    observedGeneration,
    lastTransitionTime: since,
  }
}

/** The API's own limit. */
const MAX_MESSAGE = 32_768

function rank(type: string): number {
  const at = ORDER.indexOf(type)
  return at < 0 ? ORDER.length : at
}
