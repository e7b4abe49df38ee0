// The objects of one type as last seen, and what each list or event changes about them.
import type { KubeObject, ObjectKey, ResourceType } from '../api/resource-type.ts'

/** What became known of one object. */
export interface Change {
  readonly key: ObjectKey
  readonly uid: string
  /** `resync`: nothing changed, look at it again all the same. */
  readonly kind: 'added' | 'changed' | 'deleted' | 'resync'
}

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration'

export class ObjectCache {
  readonly #type: ResourceType
  #objects = new Map<string, KubeObject>()

  constructor(type: ResourceType) {
    this.#type = type
  }

  get(namespace: string | undefined, name: string): KubeObject | undefined {
    return this.#objects.get(idOf(namespace, name))
  }

  values(): Iterable<KubeObject> {
    return this.#objects.values()
  }

  /** Takes a whole list as the truth: what it lacks was deleted, and a new uid is another object of the same name. */
  replace(items: readonly KubeObject[]): Change[] {
    const before = this.#objects
    this.#objects = new Map(
      items.map(item => {
        const known = before.get(idOfObject(item))
        // What was made of an object is known by the object: one that did not change stays.
        return [idOfObject(item), known !== undefined && isSame(item, known) ? known : slim(item)]
      }),
    )
    const gone = [...before]
      .filter(([id]) => !this.#objects.has(id))
      .map(([, object]) => this.#change(object, 'deleted'))
    return [...gone, ...items.flatMap(item => this.#difference(before.get(idOfObject(item)), item, isOther))]
  }

  /** Takes an object of an event; one that is not newer than what is known changes nothing. */
  put(object: KubeObject): Change[] {
    const known = this.get(object.metadata.namespace, object.metadata.name)
    const changes = this.#difference(known, object, isNewer)
    if (changes.length > 0) this.#objects.set(idOfObject(object), slim(object))
    return changes
  }

  /** Takes the end of an object; that of an earlier one of the same name changes nothing. */
  remove(object: KubeObject): Change[] {
    const known = this.get(object.metadata.namespace, object.metadata.name)
    if (known?.metadata.uid !== object.metadata.uid) return []
    this.#objects.delete(idOfObject(object))
    return [this.#change(known, 'deleted')]
  }

  /** Every object as something to look at again. */
  resync(): Change[] {
    return [...this.#objects.values()].map(object => this.#change(object, 'resync'))
  }

  #difference(
    known: KubeObject | undefined,
    object: KubeObject,
    differs: (object: KubeObject, known: KubeObject) => boolean,
  ): Change[] {
    if (!known) return [this.#change(object, 'added')]
    if (known.metadata.uid !== object.metadata.uid) {
      return [this.#change(known, 'deleted'), this.#change(object, 'added')]
    }
    return differs(object, known) ? [this.#change(object, 'changed')] : []
  }

  #change({ metadata }: KubeObject, kind: Change['kind']): Change {
    const { namespace, name, uid } = metadata
    return { key: { type: this.#type, ...(namespace !== undefined && { namespace }), name }, uid, kind }
  }
}

/** Newer by version: versions of one type are numbers that grow, too large for a Number. */
function isNewer(object: KubeObject, known: KubeObject): boolean {
  const version = versionOf(object)
  const knownVersion = versionOf(known)
  return version === undefined || knownVersion === undefined ? isOther(object, known) : version > knownVersion
}

function isOther(object: KubeObject, known: KubeObject): boolean {
  return object.metadata.resourceVersion !== known.metadata.resourceVersion
}

function isSame(object: KubeObject, known: KubeObject): boolean {
  return object.metadata.uid === known.metadata.uid && !isOther(object, known)
}

function versionOf({ metadata }: KubeObject): bigint | undefined {
  return /^\d+$/.test(metadata.resourceVersion) ? BigInt(metadata.resourceVersion) : undefined
}

function idOf(namespace: string | undefined, name: string): string {
  return `${namespace ?? ''}/${name}`
}

function idOfObject({ metadata }: KubeObject): string {
  return idOf(metadata.namespace, metadata.name)
}

/** Who wrote what and the copy that kubectl keeps are half of an object's size, and nothing here reads them. */
export function slim(object: KubeObject): KubeObject {
  const { managedFields: _managed, annotations, ...metadata } = object.metadata
  if (!annotations) return { ...object, metadata }
  const { [LAST_APPLIED]: _applied, ...kept } = annotations
  return { ...object, metadata: { ...metadata, annotations: kept } }
}
