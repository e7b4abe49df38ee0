// VirtualKeys: their Secrets, made once and rotated; and their end, which waits until every pod has let go of them (K01).
import { tokenPlace } from '@smartflow/core/compile/key-tokens'
import type { VirtualKey } from '@smartflow/core/resources/virtual-key'
import { ApiError } from '../api/api-error.ts'
import { keyOf, type KubeObject, TYPES } from '../api/resource-type.ts'
import type { Writer } from '../apply/writer.ts'
import { keySecret, type KeySecretPlan } from '../desired/key-secret.ts'
import type { Parsed } from '../watch/parsed.ts'
import type { SecretReader } from '../watch/secrets.ts'
import { isAccepted } from './accepted.ts'
import { FORCE_REVOKE, REVOKE_FINALIZER } from './key-annotations.ts'
import type { Reconciled } from './reconciled.ts'
import type { Plan } from './loop.ts'

/** A Secret nobody has looked at yet is looked at within this. */
const SOON_MS = 500
/** A Secret that is somebody else's, or going, is looked at again after this. */
const TAKEN_MS = 5_000

/** A key that somebody changed has its Secret looked at again, but not more often than this. */
const LOOK_MS = 5_000

/** What keys need. */
export interface KeyReconcilerOptions {
  readonly writer: Writer
  readonly secrets: SecretReader
  /** Who may still serve a deleted key; undefined: nobody does. */
  readonly stillServed: (id: string) => string | undefined
  readonly newToken: () => string
  /** The address that applications in the cluster call; kept beside the token. */
  readonly url: () => string
  readonly now: () => number
  readonly rotated: (key: KubeObject) => void
}

/** Reconciles keys. */
export class KeyReconciler {
  readonly #options: KeyReconcilerOptions

  constructor(options: KeyReconcilerOptions) {
    this.#options = options
  }

  async reconcile(id: string, { live, resource }: Parsed, plan: Plan): Promise<Reconciled> {
    if (live.metadata.deletionTimestamp !== undefined) return this.#release(id, live)
    if (resource?.kind !== 'VirtualKey') return {}
    // A key that is not accepted gets no token: there is nothing it could be used for.
    if (!isAccepted(plan, id)) return {}
    await this.#guard(live, resource)
    return resource.spec.keyFrom === undefined ? this.#keepSecret(resource, live) : {}
  }

  /** What the key's Secret would need now; undefined while nobody has looked at it. For its status, too. */
  secretPlan(key: VirtualKey): KeySecretPlan | undefined {
    const { secrets, now, newToken, url } = this.#options
    const { namespace, secretName } = tokenPlace(key)
    const name = `${namespace}/${secretName}`
    if (!secrets.isKnown(name)) return undefined
    return keySecret({ key, live: secrets.live(name), now: now(), newToken, url: url() })
  }

  /** Somebody changed the key, or wants it looked at: its Secret, which nobody watches, may have changed as well. */
  changed({ resource }: Parsed): void {
    if (resource?.kind !== 'VirtualKey' || resource.spec.keyFrom !== undefined) return
    const { namespace, secretName } = tokenPlace(resource)
    const name = `${namespace}/${secretName}`
    if (this.#options.secrets.live(name) !== undefined) this.#options.secrets.refresh(name, LOOK_MS)
  }

  /** Before there is a token there must be the finalizer that revokes it. */
  async #guard(live: KubeObject, key: VirtualKey): Promise<void> {
    const { writer } = this.#options
    if (key.spec.deletionPolicy === 'Orphan') await writer.removeFinalizer(keyOf(live), REVOKE_FINALIZER, live)
    else await writer.addFinalizer(keyOf(live), REVOKE_FINALIZER, live)
  }

  async #keepSecret(key: VirtualKey, live: KubeObject): Promise<Reconciled> {
    const { secrets, writer, now, rotated } = this.#options
    const plan = this.secretPlan(key)
    if (plan === undefined) return { requeueAfterMs: SOON_MS }
    const { write, again, problem } = plan
    const { namespace, secretName } = tokenPlace(key)
    if (problem !== undefined) {
      // Whoever it belongs to may take it away: a former key's goes soon.
      secrets.refresh(`${namespace}/${secretName}`)
      return { requeueAfterMs: TAKEN_MS }
    }
    try {
      if (write?.kind === 'create') secrets.put(await writer.createOnce(write.object))
      if (write?.kind === 'patch') {
        const place = { type: TYPES.Secret, namespace: write.namespace, name: write.name }
        secrets.put(await writer.patch(place, write.operations))
      }
    } catch (error) {
      // What is in the cache is not what is there: look before the next attempt.
      if (error instanceof ApiError) secrets.refresh(`${namespace}/${secretName}`)
      throw error
    }
    if (plan.rotates) rotated(live)
    return { requeueAfterMs: again === undefined ? undefined : Math.max(0, again - now()) }
  }

  async #release(id: string, live: KubeObject): Promise<Reconciled> {
    const { stillServed, writer } = this.#options
    const forced = live.metadata.annotations?.[FORCE_REVOKE.annotation] === FORCE_REVOKE.value
    if (forced || stillServed(id) === undefined) await writer.removeFinalizer(keyOf(live), REVOKE_FINALIZER, live)
    return {}
  }
}
