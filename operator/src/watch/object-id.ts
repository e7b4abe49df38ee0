// How the operator calls an object inside: `Kind/namespace/name`, with an empty namespace for cluster-scoped kinds.
import type { KubeObject } from '../api/resource-type.ts'

/** The name of an object among all kinds. */
export function objectId(kind: string, namespace: string | undefined, name: string): string {
  return `${kind}/${namespace ?? ''}/${name}`
}

/** The id of an object at hand. */
export function idOf(object: KubeObject): string {
  return objectId(object.kind, object.metadata.namespace, object.metadata.name)
}

/** The parts of an id. Names hold no slash, so that it can be taken apart. */
export function partsOf(id: string): { kind: string; namespace: string | undefined; name: string } {
  const [kind = '', namespace = '', name = ''] = id.split('/')
  return { kind, namespace: namespace === '' ? undefined : namespace, name }
}
