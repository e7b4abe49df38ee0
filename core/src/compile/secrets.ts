// The Secrets that a compile sees: those among the resources, and those from elsewhere.
import { type SecretValues, secretValues } from '../resources/secret.ts'
import type { World } from './world.ts'

/** Values by `namespace/name`; the world's own win over Secrets among its resources. */
export function secretsOf({ resources, secrets }: Pick<World, 'resources' | 'secrets'>): SecretValues {
  const declared = resources
    .filter(resource => resource.kind === 'Secret')
    .map(secret => [`${secret.metadata.namespace}/${secret.metadata.name}`, secretValues(secret)] as const)
  return new Map([...declared, ...secrets])
}
