// The client port over objects in memory: for tests of what lies above it, with fake timers. Every answer comes in the
// same turn of the event loop; failures are scripted.
import { ApiError, type ApiErrorReason } from '../../operator/src/api/api-error.ts'
import type { JsonPatchOperation, KubeClient, ListOptions, WatchOptions } from '../../operator/src/api/client.ts'
import {
  asKubeObject,
  describeKey,
  isRecord,
  keyOf,
  type KubeObject,
  type NewObject,
  type ObjectKey,
  type ResourceType,
} from '../../operator/src/api/resource-type.ts'
import type { WatchEvent } from '../../operator/src/api/watch-stream.ts'

type Port = Pick<KubeClient, 'get' | 'list' | 'watch' | 'create' | 'apply' | 'patchJson' | 'delete'>

/** One call: the verb, and which object or kind. */
export interface Call {
  readonly verb: keyof Port
  readonly what: string
  readonly body?: unknown
}

interface Watcher {
  readonly kind: string
  readonly events: (WatchEvent | ApiError)[]
  wake: () => void
}

export class MemoryApi implements Port {
  /** Every call, in order. */
  readonly calls: Call[] = []
  readonly #objects = new Map<string, KubeObject>()
  readonly #watchers = new Set<Watcher>()
  readonly #failing: { verb: keyof Port; what: RegExp; reason: ApiErrorReason; times: number }[] = []
  #version = 100

  /** The next calls of this verb on what matches fail, `times` of them. */
  fail(verb: keyof Port, what: RegExp, reason: ApiErrorReason, times = Infinity): void {
    this.#failing.push({ verb, what, reason, times })
  }

  /** No call fails any more. */
  mend(): void {
    this.#failing.length = 0
  }

  /** What was written, by verb and name. */
  written(): string[] {
    return this.calls.flatMap(({ verb, what }) => (['get', 'list', 'watch'].includes(verb) ? [] : [`${verb} ${what}`]))
  }

  /** Makes or changes an object as somebody else would. */
  put(object: KubeObject): KubeObject {
    const name = describeKey(keyOf(object))
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.#version) } }
    const type = this.#objects.has(name) ? 'MODIFIED' : 'ADDED'
    this.#objects.set(name, stored)
    this.#tell(stored.kind, { type, object: stored })
    return stored
  }

  /** Takes an object away; `Kind namespace/name`. */
  remove(name: string): void {
    const object = this.#objects.get(name)
    this.#objects.delete(name)
    if (object !== undefined) this.#tell(object.kind, { type: 'DELETED', object })
  }

  /** An object as it is; `Kind namespace/name`. */
  object(name: string): KubeObject | undefined {
    return this.#objects.get(name)
  }

  /** Ends the watches of a kind with an error. */
  breakWatches(kind: string): void {
    this.#tell(kind, new ApiError('Transient', `watch of ${kind}: broken`))
  }

  async get(key: ObjectKey): Promise<KubeObject | undefined> {
    this.#note('get', describeKey(key))
    return this.#objects.get(describeKey(key))
  }

  async list(type: ResourceType, options: ListOptions = {}) {
    this.#note('list', type.kind)
    const { namespace, limit = Infinity, continue: from = '0' } = options
    const all = [...this.#objects.values()].filter(
      ({ kind, metadata }) => kind === type.kind && (namespace === undefined || metadata.namespace === namespace),
    )
    const end = Number(from) + limit
    const items = all.slice(Number(from), end)
    return { items, resourceVersion: String(this.#version), continue: end < all.length ? String(end) : undefined }
  }

  async *watch(type: ResourceType, { signal, onOpen }: WatchOptions): AsyncGenerator<WatchEvent, void, undefined> {
    this.#note('watch', type.kind)
    const watcher: Watcher = { kind: type.kind, events: [], wake: () => undefined }
    const wake = (): void => watcher.wake()
    signal.addEventListener('abort', wake)
    this.#watchers.add(watcher)
    try {
      onOpen?.()
      while (!signal.aborted) {
        const event = watcher.events.shift()
        if (event instanceof ApiError) throw event
        if (event === undefined) await new Promise<void>(resolve => (watcher.wake = resolve))
        else yield event
      }
    } finally {
      this.#watchers.delete(watcher)
      signal.removeEventListener('abort', wake)
    }
  }

  async create(object: NewObject): Promise<KubeObject> {
    const name = describeKey(keyOf(object))
    this.#note('create', name, object)
    if (this.#objects.has(name)) throw new ApiError('AlreadyExists', `${name} exists`)
    const uid = `uid-${++this.#version}`
    return this.put({ ...object, metadata: { ...object.metadata, uid, resourceVersion: '0', generation: 1 } })
  }

  async apply(object: NewObject, { subresource }: { subresource?: 'status' }): Promise<KubeObject> {
    const name = describeKey(keyOf(object))
    this.#note('apply', `${name}${subresource === undefined ? '' : '/status'}`, object)
    const there = this.#objects.get(name)
    const { uid } = { uid: undefined, ...object.metadata }
    if (there === undefined && uid !== undefined) throw new ApiError('Conflict', `${name} is gone`)
    if (there === undefined) {
      const metadata = { ...object.metadata, uid: `uid-${++this.#version}`, resourceVersion: '0' }
      return this.put({ ...object, metadata })
    }
    if (uid !== undefined && uid !== there.metadata.uid) throw new ApiError('Conflict', `${name} is another`)
    if (subresource === 'status') return this.put({ ...there, status: object.status })
    return this.put({ ...there, ...object, metadata: { ...there.metadata, ...object.metadata } })
  }

  async patchJson(key: ObjectKey, operations: readonly JsonPatchOperation[]): Promise<KubeObject> {
    const name = describeKey(key)
    this.#note('patchJson', name, operations)
    const there = this.#objects.get(name)
    if (there === undefined) throw new ApiError('NotFound', `${name} is not there`)
    const changed: unknown = structuredClone(there)
    for (const operation of operations) change(changed, operation)
    const object = asKubeObject(changed, key.type)
    if (object === undefined) throw new Error(`a patch made no object of ${name}`)
    const { deletionTimestamp, finalizers = [] } = object.metadata
    if (deletionTimestamp !== undefined && finalizers.length === 0) this.remove(name)
    else return this.put(object)
    return object
  }

  async delete(key: ObjectKey, { uid }: { uid?: string } = {}): Promise<boolean> {
    const name = describeKey(key)
    this.#note('delete', name)
    const there = this.#objects.get(name)
    if (there === undefined || (uid !== undefined && there.metadata.uid !== uid)) return false
    this.remove(name)
    return true
  }

  #note(verb: keyof Port, what: string, body?: unknown): void {
    this.calls.push({ verb, what, body })
    const failing = this.#failing.find(each => each.verb === verb && each.what.test(what) && each.times > 0)
    if (failing === undefined) return
    failing.times--
    throw new ApiError(failing.reason, `${verb} ${what}: ${failing.reason}`)
  }

  #tell(kind: string, event: WatchEvent | ApiError): void {
    for (const watcher of this.#watchers) {
      if (watcher.kind !== kind) continue
      watcher.events.push(event)
      watcher.wake()
    }
  }
}

function change(target: unknown, { op, path, value }: JsonPatchOperation): void {
  const names = path
    .split('/')
    .slice(1)
    .map(name => name.replaceAll('~1', '/'))
  const last = names.pop() ?? ''
  let at = target
  for (const name of names) at = isRecord(at) || Array.isArray(at) ? Reflect.get(at, name) : undefined
  if (typeof at !== 'object' || at === null) throw new ApiError('Invalid', `${path} leads nowhere`)
  const there: unknown = Reflect.get(at, last)
  if (op === 'test' && JSON.stringify(there) !== JSON.stringify(value)) throw new ApiError('Invalid', `${path} differs`)
  if (op === 'test') return
  if (Array.isArray(at)) at.splice(last === '-' ? at.length : Number(last), op === 'add' ? 0 : 1, ...added(op, value))
  else if (op === 'remove') Reflect.deleteProperty(at, last)
  else Reflect.set(at, last, value)
}

function added(op: JsonPatchOperation['op'], value: unknown): unknown[] {
  return op === 'remove' ? [] : [value]
}
