// Which Secrets the resources name, and who writes each.
import { tokenPlace } from '@smartflow/core/compile/key-tokens'
import type { Resource } from '@smartflow/core/resources/resource'
import type { SecretOwner } from '../watch/secrets.ts'

/** By `namespace/name`; `isNew`: the key with this id never had a Secret. Only Secrets of the object's own namespace are ever named; the gateway's of `gatewayNamespace`. */
export function wantedSecrets(
  resources: ReadonlyMap<string, Resource>,
  gatewayNamespace: string,
  isNew: (id: string) => boolean,
): Map<string, SecretOwner> {
  const wanted = new Map<string, SecretOwner>()
  for (const [id, resource] of resources) {
    for (const [name, written] of secretsOf(resource, gatewayNamespace)) {
      const owner = written === 'ours' && isNew(id) ? 'unmade' : written
      // One that two objects name is looked at as often as the more watchful of them needs.
      if (wanted.get(name) !== 'theirs') wanted.set(name, owner)
    }
  }
  return wanted
}

/** Those that one resource names. */
export function secretsOf(resource: Resource, gatewayNamespace: string): [string, SecretOwner][] {
  switch (resource.kind) {
    case 'VirtualKey': {
      const { namespace, secretName } = tokenPlace(resource)
      return [[`${namespace}/${secretName}`, resource.spec.keyFrom === undefined ? 'ours' : 'theirs']]
    }
    case 'AIProvider': {
      const name = resource.spec.auth?.secretRef?.name
      return name === undefined ? [] : [[`${resource.metadata.namespace}/${name}`, 'theirs']]
    }
    case 'AIGateway': {
      const name = resource.spec.configStore?.redis?.secretRef?.name
      if (name === undefined || resource.metadata.namespace !== gatewayNamespace) return []
      return [[`${gatewayNamespace}/${name}`, 'theirs']]
    }
    default:
      return []
  }
}
