// Which tokens the gateway has to make: those of VirtualKeys that bring none and whose Secret is not there yet.
import type { Resource } from '../resources/resource.ts'
import type { SecretValues } from '../resources/secret.ts'
import { compareText } from '../snapshot/canonical.ts'
import { secretsOf } from './secrets.ts'
import { type TokenPlace, tokenPlace } from './key-tokens.ts'

/** A token to make, and the key it is for. */
export interface MissingToken extends TokenPlace {
  readonly alias: string
}

/**
 * Places without a token, each once, by namespace and Secret. Keys with `keyFrom` bring their own and are never among
 * them.
 */
export function missingTokens(resources: readonly Resource[], secrets: SecretValues): MissingToken[] {
  const known = secretsOf({ resources, secrets })
  const missing = new Map<string, MissingToken>()
  for (const resource of resources) {
    if (resource.kind !== 'VirtualKey' || resource.spec.keyFrom !== undefined) continue
    if (resource.metadata.deletionTimestamp !== undefined) continue
    const place = tokenPlace(resource)
    const name = `${place.namespace}/${place.secretName}`
    const token = known.get(name)?.[place.key]?.trim() ?? ''
    if (token === '') missing.set(name, { ...place, alias: resource.spec.alias })
  }
  return [...missing].sort(([a], [b]) => compareText(a, b)).map(([, token]) => token)
}
