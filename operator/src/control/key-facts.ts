// What the status of a VirtualKey says of its Secret, its rotation and its end.
import { tokenPlace } from '@smartflow/core/compile/key-tokens'
import type { Resource } from '@smartflow/core/resources/resource'
import type { VirtualKey } from '@smartflow/core/resources/virtual-key'
import type { Keyring } from '@smartflow/core/snapshot/keyring'
import type { KubeObject } from '../api/resource-type.ts'
import type { KeySecretPlan } from '../desired/key-secret.ts'
import { idOf } from '../watch/object-id.ts'
import type { SecretReader } from '../watch/secrets.ts'
import { type KindFacts, NO_FACTS } from './kind-facts.ts'
import { REVOKE_FINALIZER } from './key-annotations.ts'

/** A deletion that takes longer is worth saying. */
const SLOW_DELETION_MS = 5_000

/** What they read. */
export interface KeyFactsOptions {
  readonly keyring: Keyring
  readonly secrets: Pick<SecretReader, 'values'>
  readonly secretPlan: (key: VirtualKey) => KeySecretPlan | undefined
  readonly stillServed: (id: string) => string | undefined
}

/** Facts of keys. The token itself is in none of them. */
export class KeyFacts {
  readonly #options: KeyFactsOptions

  constructor(options: KeyFactsOptions) {
    this.#options = options
  }

  facts(live: KubeObject, resource: Resource | undefined): KindFacts {
    if (live.metadata.deletionTimestamp !== undefined) return this.#leaving(live, live.metadata.deletionTimestamp)
    if (resource?.kind !== 'VirtualKey') return NO_FACTS
    const expiresAt = resource.spec.expiresAt === undefined ? undefined : Date.parse(resource.spec.expiresAt)
    return { expiresAt, again: expiresAt, ...this.#secretFacts(resource) }
  }

  #secretFacts(key: VirtualKey): Pick<KindFacts, 'fields' | 'amend'> {
    const { namespace, secretName, key: entry } = tokenPlace(key)
    const secretRef = { name: secretName, key: entry }
    const token = this.#options.secrets.values().get(`${namespace}/${secretName}`)?.[entry]?.trim() ?? ''
    const keyID = token === '' ? undefined : this.#options.keyring.keyId(token)
    const plan = key.spec.keyFrom === undefined ? this.#options.secretPlan(key) : undefined
    const { problem } = plan ?? {}
    if (plan === undefined || plan.write?.kind === 'create') return { fields: { secretRef, keyID } }
    const { rotatedAt, nextRotation, tokens } = plan
    const times = {
      rotatedAt: timeOf(rotatedAt),
      nextRotation: timeOf(nextRotation),
      previousKeyExpires: timeOf(tokens?.previous?.expires),
    }
    return { fields: { secretRef, keyID, ...times }, ...(problem !== undefined && { amend: withReason(problem) }) }
  }

  #leaving(live: KubeObject, deletedAt: string): KindFacts {
    const blocked = live.metadata.finalizers?.includes(REVOKE_FINALIZER) ?? false
    const reason = blocked ? this.#options.stillServed(idOf(live)) : undefined
    const notBefore = Date.parse(deletedAt) + SLOW_DELETION_MS
    if (reason === undefined) return { notBefore }
    const how = 'look at those pods, or set the annotation smartflow.dev/force-revoke: "true" to let it go at once'
    const message = `the key is revoked only when no pod serves it any more: ${reason}; ${how}`
    return { notBefore, conditions: [{ type: 'DeletionBlocked', status: 'True', reason: 'StillServed', message }] }
  }
}

/** "Create the Secret" is no advice where one stands that is somebody else's. */
function withReason(problem: string): NonNullable<KindFacts['amend']> {
  return status => ({
    ...status,
    conditions: status.conditions.map(condition =>
      condition.reason === 'SecretNotFound' ? { ...condition, message: problem } : condition,
    ),
  })
}

function timeOf(milliseconds: number | undefined): string | undefined {
  return milliseconds === undefined ? undefined : new Date(milliseconds).toISOString()
}
