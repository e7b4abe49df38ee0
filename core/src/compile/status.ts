// What a compile says about each object. Written down while compiling; objects nobody complained about are accepted.
import { compareText } from '../snapshot/canonical.ts'
import type { Condition, ConditionReason } from '../resources/metadata.ts'
import { describeResource, namespaceOf, type Resource } from '../resources/resource.ts'

/** An object's conditions. `generation` is the metadata.generation that was compiled, where there is one. */
export interface Status {
  readonly kind: Resource['kind']
  readonly namespace: string | undefined
  readonly name: string
  readonly generation: number | undefined
  readonly conditions: readonly Condition[]
}

type RejectReason = Extract<ConditionReason, 'Invalid' | 'Conflicted' | 'NamespaceNotAllowed' | 'UnsupportedValue'>
type UnresolvedReason = Extract<ConditionReason, 'SecretNotFound' | 'RefNotFound'>

interface Entry {
  rejected: { reason: RejectReason; message: string } | undefined
  unresolved: { reason: UnresolvedReason; messages: string[] } | undefined
  note: string | undefined
}

const WITH_REFERENCES: ReadonlySet<string> = new Set(['AIProvider', 'FallbackChain', 'VirtualKey'])

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
    this.#entry(resource).note = message
  }

  isRejected(resource: Resource): boolean {
    return this.#entries.get(resource)?.rejected !== undefined
  }

  /** Statuses of these objects by kind, namespace and name. Secrets have none. */
  statuses(resources: readonly Resource[]): Status[] {
    return resources
      .filter(resource => resource.kind !== 'Secret')
      .map(resource => this.#statusOf(resource))
      .sort((a, b) => compareText(sortKey(a), sortKey(b)))
  }

  #entry(resource: Resource): Entry {
    const known = this.#entries.get(resource)
    if (known !== undefined) return known
    const entry: Entry = { rejected: undefined, unresolved: undefined, note: undefined }
    this.#entries.set(resource, entry)
    return entry
  }

  #statusOf(resource: Resource): Status {
    const { metadata } = resource
    const conditions = conditionsOf(resource, this.#entry(resource))
    return {
      kind: resource.kind,
      namespace: namespaceOf(resource),
      name: metadata.name,
      generation: metadata.generation,
      conditions,
    }
  }
}

function conditionsOf(resource: Resource, entry: Entry): Condition[] {
  if (entry.rejected !== undefined) return [{ type: 'Accepted', status: 'False', ...entry.rejected }]
  const accepted: Condition = {
    type: 'Accepted',
    status: 'True',
    reason: 'Accepted',
    message: entry.note ?? `${describeResource(resource)} is valid`,
  }
  return WITH_REFERENCES.has(resource.kind) ? [accepted, resolvedRefs(entry)] : [accepted]
}

function resolvedRefs({ unresolved }: Entry): Condition {
  if (unresolved === undefined) {
    return { type: 'ResolvedRefs', status: 'True', reason: 'ResolvedRefs', message: 'everything it refers to is there' }
  }
  const message = unresolved.messages.join('; ')
  return { type: 'ResolvedRefs', status: 'False', reason: unresolved.reason, message }
}

function sortKey(status: Status): string {
  return [status.kind, status.namespace ?? '', status.name, status.conditions[0]?.reason].join('\0')
}
