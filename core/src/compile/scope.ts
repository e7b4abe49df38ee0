// What compiling the objects of one tenant shares.
import type { SecretValues } from '../resources/secret.ts'
import type { GatewaySettings } from '../snapshot/items.ts'
import type { StatusBook } from './status.ts'
import type { World } from './world.ts'

/** One tenant's compile. `secrets` are those of the world and of the Secrets among its resources. */
export interface Scope {
  readonly world: World
  readonly secrets: SecretValues
  readonly settings: GatewaySettings
  readonly book: StatusBook
  readonly tenant: string
  /** How many virtual keys the tenant may have; undefined: any number. */
  readonly maxVirtualKeys: number | undefined
  /** Why keys of this namespace may not have the role; undefined when they may. */
  allowsRole(role: string, namespace: string): { readonly refused: string } | undefined
}
