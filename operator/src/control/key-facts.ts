// What the status of a VirtualKey says of its Secret, its rotation and its end.
import { tokenPlace } from '@smartflow/core/compile/key-tokens'
import type { Resource } from '@smartflow/core/resources/resource'
import type { VirtualKey } from '@smartflow/core/resources/virtual-key'
import type { KubeObject } from '../api/resource-type.ts'
import type { KeySecretPlan } from '../desired/key-secret.ts'
import { idOf } from '../watch/object-id.ts'
import type { SecretReader } from '../watch/secrets.ts'
import { itemOf } from './accepted.ts'
import { type KindFacts, NO_FACTS } from './kind-facts.ts'
import { REVOKE_FINALIZER } from './key-annotations.ts'
import type { Plan } from './loop.ts'
import { soonest } from './reconciled.ts'
import type { Usage } from './usage.ts'

/** A deletion that takes longer is worth saying. */
const SLOW_DELETION_MS = 5_000
/** A new key whose own Secret is not there after this is worth saying too; usually it is being made. */
const SLOW_SECRET_MS = 5_000

/** What they read. */
export interface KeyFactsOptions {
  readonly secrets: Pick<SecretReader, 'valuesOf' | 'live' | 'isKnown' | 'revision'>
  /** The address that stands in Secrets beside the token. */
  readonly url: () => string
  readonly secretPlan: (key: VirtualKey) => KeySecretPlan | undefined
  readonly stillServed: (id: string) => string | undefined
  readonly usage: Pick<Usage, 'statusOf' | 'conditionOf' | 'basis' | 'revision'>
}

/** Facts of keys. The token itself is in none of them. */
export class KeyFacts {
  readonly #options: KeyFactsOptions

  constructor(options: KeyFactsOptions) {
    this.#options = options
  }

  facts(live: KubeObject, resource: Resource | undefined, plan: Plan): KindFacts {
    if (live.metadata.deletionTimestamp !== undefined) return this.#leaving(live, live.metadata.deletionTimestamp)
    if (resource?.kind !== 'VirtualKey') return NO_FACTS
    const id = idOf(live)
    const expiresAt = resource.spec.expiresAt === undefined ? undefined : Date.parse(resource.spec.expiresAt)
    const { again, fields, amend } = this.#secretFacts(resource, keyIdIn(plan, id))
    const { usage, spent } = this.#usageOf(resource, live)
    const facts = {
      expiresAt,
      // Both may have passed: what they changed is in the status then.
      again: soonest(expiresAt, again),
      fields: { ...fields, usage },
      ...(spent !== undefined && { conditions: [spent] }),
      ...(amend !== undefined && { amend }),
    }
    const unmade = resource.spec.keyFrom === undefined && isWithoutSecret(plan, id)
    if (!unmade) return facts
    return { ...facts, notBefore: Date.parse(live.metadata.creationTimestamp ?? '') + SLOW_SECRET_MS }
  }

  /** False while its own Secret is not as it was when the plan was made: what compiling said of the key is out of date then. */
  isPlanned(key: VirtualKey, plan: Plan): boolean {
    const { namespace, secretName } = tokenPlace(key)
    const name = `${namespace}/${secretName}`
    return plan.secrets.get(name) === this.#options.secrets.valuesOf(name)
  }

  /** What they depend on beside the key, compared by identity. */
  basis(key: VirtualKey): readonly unknown[] {
    const { secrets, url, usage } = this.#options
    const { namespace, secretName } = tokenPlace(key)
    const name = `${namespace}/${secretName}`
    return [secrets.isKnown(name), secrets.valuesOf(name), secrets.live(name), url(), usage.basis(nameOf(key))]
  }

  /** What the bases of all keys are looked up in. */
  sources(): readonly unknown[] {
    const { secrets, url, usage } = this.#options
    return [secrets.revision(), url(), usage.revision()]
  }

  #usageOf(key: VirtualKey, live: KubeObject) {
    if (key.spec.budget === undefined) return {}
    const { usage } = this.#options
    return { usage: usage.statusOf(nameOf(key), live), spent: usage.conditionOf(nameOf(key)) }
  }

  #secretFacts(key: VirtualKey, keyID: string | undefined): Pick<KindFacts, 'fields' | 'amend' | 'again'> {
    const { namespace, secretName, key: entry } = tokenPlace(key)
    const secretRef = { name: secretName, key: entry }
    const isThere = this.#options.secrets.live(`${namespace}/${secretName}`) !== undefined
    const plan = isThere && key.spec.keyFrom === undefined ? this.#options.secretPlan(key) : undefined
    if (plan === undefined) return { fields: { secretRef, keyID } }
    const { problem, rotatedAt, nextRotation, tokens, again } = plan
    const times = {
      rotatedAt: timeOf(rotatedAt),
      nextRotation: timeOf(nextRotation),
      previousKeyExpires: timeOf(tokens?.previous?.expires),
    }
    return {
      again,
      fields: { secretRef, keyID, ...times },
      ...(problem !== undefined && { amend: withReason(problem) }),
    }
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

function nameOf({ metadata }: VirtualKey): string {
  return `${metadata.namespace}/${metadata.name}`
}

/** Only of a key that is served: a token that stands in a second key's Secret is not that key's. */
function keyIdIn(plan: Plan, id: string): string | undefined {
  const item = itemOf(plan, id)
  return item?.kind === 'VirtualKey' ? item.secrets[0]?.keyId : undefined
}

function isWithoutSecret(plan: Plan, id: string): boolean {
  const conditions = plan.statuses.get(id)?.conditions ?? []
  return conditions.some(({ type, reason }) => type === 'ResolvedRefs' && reason === 'SecretNotFound')
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
