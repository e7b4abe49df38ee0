// What a compile reads: the whole world as data, so that the same objects always give the same configuration.
import type { Resource } from '../resources/resource.ts'
import type { SecretValues } from '../resources/secret.ts'
import type { Keyring } from '../snapshot/keyring.ts'

/** Labels of an object. */
export type Labels = Readonly<Record<string, string>>

/**
 * Everything a compile depends on. The order of `resources` does not matter. What was compiled of an object is
 * remembered by the object's identity: give the same object again while it is unchanged, and never change one.
 */
export interface World {
  readonly resources: readonly Resource[]
  /**
   * Secret values from elsewhere (a cluster, tokens made by the gateway); they win over Secrets among the resources.
   */
  readonly secrets: SecretValues
  /**
   * The process environment of a standalone run, for credentials and base URLs that rows name; undefined in a cluster.
   */
  readonly environment: Readonly<Record<string, string | undefined>> | undefined
  /** True: one machine without Kubernetes. The demo upstream then stands in for providers without a credential. */
  readonly standalone: boolean
  readonly keyring: Keyring
  /** The uid of the VirtualKey that a token is served for already, by the token's id. */
  readonly heldTokens?: ReadonlyMap<string, string> | undefined
  /** The only namespace whose AIGateways count; undefined: any. */
  readonly gatewayNamespace?: string | undefined
  /** Every namespace of the cluster with its labels; undefined: those that objects name, with their names as labels. */
  readonly namespaces?: ReadonlyMap<string, Labels> | undefined
}
