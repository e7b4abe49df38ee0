// What serves for an object that does not pass its schema and never did while this operator ran. For most kinds nothing
// does. A tenant's namespaces must not fall to the default tenant meanwhile, so a broken tenant keeps them, suspended.
import { parseResource, type Resource } from '@smartflow/core/resources/resource'
import { isRecord, type KubeObject } from '../api/resource-type.ts'

const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/

/** A stand-in for a broken AITenant: its namespaces, no rights. Undefined for other kinds. */
export function servable(live: KubeObject): Resource | undefined {
  if (live.kind !== 'AITenant') return undefined
  const spec = isRecord(live.spec) ? live.spec : {}
  const namespaces = isRecord(spec['namespaces']) ? spec['namespaces'] : {}
  const names: unknown[] = Array.isArray(namespaces['names']) ? namespaces['names'] : []
  const known = names.filter((name): name is string => typeof name === 'string' && LABEL.test(name)).slice(0, 64)
  const { selector } = namespaces
  const kept = isRecord(selector) ? standIn(live, { names: known, selector }) : undefined
  return kept ?? standIn(live, { names: known })
}

function standIn({ apiVersion, kind, metadata }: KubeObject, namespaces: object): Resource | undefined {
  const { name, uid, creationTimestamp, generation, deletionTimestamp } = metadata
  const parsed = parseResource({
    apiVersion,
    kind,
    metadata: { name, uid, creationTimestamp, generation, deletionTimestamp },
    spec: { namespaces, suspend: true },
  })
  return Array.isArray(parsed) ? undefined : parsed
}
