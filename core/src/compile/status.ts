// What a compile says about each object. Written down while compiling; objects nobody complained about are accepted.
import { compareText } from '../snapshot/canonical.ts'
import type { Item } from '../snapshot/items.ts'
import { laterFieldsOf } from '../resources/later-fields.ts'
import type { Condition, ConditionReason } from '../resources/metadata.ts'
import { pathText, type Problem } from '../resources/problem.ts'
import { describeResource, namespaceOf, type Resource } from '../resources/resource.ts'
import { Memo } from './memo.ts'

/** Where an object is found in the configuration: kind and name are unique in the tenant. */
export interface ItemPlace {
  readonly tenant: string
  readonly kind: Item['kind']
  readonly name: string
}

/** The one text of a place, `<tenant> <kind> <name>`: what items and digests are looked up by. */
export function placeName({ tenant, kind, name }: ItemPlace): string {
  return `${tenant} ${kind} ${name}`
}

/** The parts of such a text. Names hold no space, so that it can be taken apart. */
export function partsOfPlace(text: string): { tenant: string; kind: string; name: string } {
  const [tenant = '', kind = '', name = ''] = text.split(' ')
  return { tenant, kind, name }
}

/** An object's conditions. `generation` is the metadata.generation that was compiled, where there is one. */
export interface Status {
  readonly kind: Resource['kind']
  readonly namespace: string | undefined
  readonly name: string
  readonly uid: string | undefined
  readonly generation: number | undefined
  /** Accepted; ResolvedRefs of objects that refer to others; Ready and Stalled only for what is not served yet. */
  readonly conditions: readonly Condition[]
  /** Fields (as paths) that this release does not serve yet. */
  readonly later: readonly string[]
  /** The item that carries the object; undefined: nothing of it is served, or it is settings of the whole gateway. */
  readonly item: ItemPlace | undefined
  /** What is worth knowing about the object although it is accepted. */
  readonly notes: readonly string[]
}

type RejectReason = Extract<ConditionReason, 'Invalid' | 'Conflicted' | 'NamespaceNotAllowed' | 'UnsupportedValue'>
type UnresolvedReason = Extract<ConditionReason, 'SecretNotFound' | 'RefNotFound' | 'RefNotPermitted'>

interface Entry {
  rejected: { reason: RejectReason; message: string } | undefined
  unresolved: { reason: UnresolvedReason; messages: string[] } | undefined
  readonly notes: string[]
  item: ItemPlace | undefined
}

const WITH_REFERENCES: ReadonlySet<string> = new Set(['AIProvider', 'FallbackChain', 'VirtualKey'])

/** Kinds that go on without a field that is not served yet: a guard goes on guarding, limits go on limiting. */
const SERVED_WITHOUT: ReadonlySet<string> = new Set(['AIGateway', 'AITenant', 'Policy'])

const laterFields = new Memo<Resource, readonly Problem[]>()
/** Statuses by what they were made of: most objects get the same one again. */
const statuses = new Memo<Resource, Status>()

/** Collects what compiling finds out. */
export class StatusBook {
  readonly #entries = new Map<Resource, Entry>()

  /** Not accepted; the first reason given stays. */
  reject(resource: Resource, reason: RejectReason, message: string): void {
    const entry = this.#entry(resource)
    entry.rejected ??= { reason, message }
  }

  /** A reference that leads nowhere; the first reason stays, messages add up. */
  unresolved(resource: Resource, reason: UnresolvedReason, message: string): void {
    const entry = this.#entry(resource)
    entry.unresolved ??= { reason, messages: [] }
    entry.unresolved.messages.push(message)
  }

  /** Something worth knowing about an accepted object. */
  note(resource: Resource, message: string): void {
    this.#entry(resource).notes.push(message)
  }

  /** The object is in the configuration as this item. */
  carried(resource: Resource, item: ItemPlace): void {
    this.#entry(resource).item = item
  }

  isRejected(resource: Resource): boolean {
    return this.#entries.get(resource)?.rejected !== undefined
  }

  /** True when serving the object without its later fields would be wider than its author meant. */
  isHeldBack(resource: Resource): boolean {
    return !SERVED_WITHOUT.has(resource.kind) && laterOf(resource).length > 0
  }

  /** Statuses of these objects by kind, namespace and name. Secrets have none. */
  statuses(resources: readonly Resource[]): Status[] {
    return resources
      .filter(resource => resource.kind !== 'Secret')
      .map(resource => this.#statusOf(resource))
      .sort(byName)
  }

  #entry(resource: Resource): Entry {
    const known = this.#entries.get(resource)
    if (known !== undefined) return known
    const entry: Entry = { rejected: undefined, unresolved: undefined, notes: [], item: undefined }
    this.#entries.set(resource, entry)
    return entry
  }

  #statusOf(resource: Resource): Status {
    const entry = this.#entry(resource)
    const { rejected, unresolved, notes, item } = entry
    const told = [rejected?.reason, rejected?.message, unresolved?.reason, unresolved?.messages.join('; ')]
    const basis = [...told, notes.join('; '), item?.tenant, item?.name]
    return statuses.get(resource, basis, () => statusOf(resource, entry))
  }
}

function laterOf(resource: Resource): readonly Problem[] {
  return laterFields.get(resource, [], () => laterFieldsOf(resource))
}

function statusOf(resource: Resource, entry: Entry): Status {
  const { metadata } = resource
  const later = laterOf(resource)
  return {
    kind: resource.kind,
    namespace: namespaceOf(resource),
    name: metadata.name,
    uid: metadata.uid,
    generation: metadata.generation,
    conditions: conditionsOf(resource, entry, later),
    later: later.map(problem => pathText(problem.path)),
    item: entry.item,
    notes: entry.notes,
  }
}

function conditionsOf(resource: Resource, entry: Entry, later: readonly Problem[]): Condition[] {
  if (entry.rejected !== undefined) return [{ type: 'Accepted', status: 'False', ...entry.rejected }]
  const refs = refersToOthers(resource) || entry.unresolved !== undefined ? [resolvedRefs(entry)] : []
  const accepted: Condition = {
    type: 'Accepted',
    status: 'True',
    reason: 'Accepted',
    message: entry.notes.length > 0 ? entry.notes.join('; ') : `${describeResource(resource)} is valid`,
  }
  return [accepted, ...refs, ...notServedYet(resource, later)]
}

function notServedYet(resource: Resource, later: readonly Problem[]): Condition[] {
  if (later.length === 0) return []
  const what = later.map(problem => problem.message).join('; ')
  const rest = SERVED_WITHOUT.has(resource.kind) ? 'the rest of the object is in force' : 'the object is not served'
  const told = { reason: 'NotServedYet', message: `${what}; ${rest}` } as const
  return [
    { type: 'Ready', status: 'False', ...told },
    { type: 'Stalled', status: 'True', ...told },
  ]
}

function refersToOthers(resource: Resource): boolean {
  if (resource.kind === 'Policy') return resource.spec.parentRef !== undefined
  if (resource.kind === 'AITenant') return resource.spec.gatewayRef !== undefined
  return WITH_REFERENCES.has(resource.kind)
}

function resolvedRefs({ unresolved }: Entry): Condition {
  if (unresolved === undefined) {
    return { type: 'ResolvedRefs', status: 'True', reason: 'ResolvedRefs', message: 'everything it refers to is there' }
  }
  const message = unresolved.messages.join('; ')
  return { type: 'ResolvedRefs', status: 'False', reason: unresolved.reason, message }
}

function byName(a: Status, b: Status): number {
  return compareText(a.kind, b.kind) || compareText(a.namespace ?? '', b.namespace ?? '') || compareText(a.name, b.name)
}
