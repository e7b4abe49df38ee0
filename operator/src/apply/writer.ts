// How the operator writes objects: server-side apply of exactly the fields it owns, nothing at all when the live object
// has them already, and small guarded patches of finalizers. Never the metadata or spec of somebody else's object.
import { canonicalJSON, digestOf } from '@smartflow/core/snapshot/canonical'
import { ApiError } from '../api/api-error.ts'
import type { JsonPatchOperation, KubeClient } from '../api/client.ts'
import {
  apiVersionOf,
  describeKey,
  isRecord,
  keyOf,
  type KubeObject,
  type NewObject,
  type ObjectKey,
} from '../api/resource-type.ts'

/** Owner of the fields of our children. */
export const FIELD_MANAGER = 'smartflow-operator'
/** Owner of the status fields we write. */
export const STATUS_MANAGER = 'smartflow-operator/status'
/** On our children: digest of what was applied last, so that a field we no longer want is noticed and given up. */
export const APPLIED_ANNOTATION = 'smartflow.dev/applied'

export type Written = 'unchanged' | 'written'

export class Writer {
  readonly #client: Pick<KubeClient, 'get' | 'create' | 'apply' | 'patchJson' | 'delete'>
  readonly #changed: (object: KubeObject) => void

  /** `changed` is told each object of ours as the API server gave it back, before any watch does. */
  constructor(
    client: Pick<KubeClient, 'get' | 'create' | 'apply' | 'patchJson' | 'delete'>,
    changed: (object: KubeObject) => void = () => {},
  ) {
    this.#client = client
    this.#changed = changed
  }

  /**
   * Makes a child as desired; `live` is what is known of it. Fields that others set and we do not are left alone, those
   * we wanted before and no longer do go away. Rejects with ApiError: AlreadyExists when the name is taken by an object
   * that we did not make, Conflict when the object was made anew since `live`.
   */
  async apply(desired: NewObject, live: KubeObject | undefined): Promise<Written> {
    const wanted = withDigest(desired)
    if (live && live.metadata.deletionTimestamp === undefined && contains(live, wanted)) return 'unchanged'
    const uid = await this.#uidOfOurs(desired, live)
    // Without a uid there is no such object; with one it is a conflict when it is another by now.
    const object = uid === undefined ? wanted : { ...wanted, metadata: { ...wanted.metadata, uid } }
    try {
      await this.#client.apply(object, { fieldManager: FIELD_MANAGER, force: true, fieldValidation: 'Strict' })
      return 'written'
    } catch (error) {
      throw isAnother(error) ? new ApiError('Conflict', error.message, { code: error.code, cause: error }) : error
    }
  }

  /**
   * Makes our part of an object's status exactly `status`; undefined members are left out. `live` decides whether there
   * is anything to write. An object that is gone, or was made anew since, is left alone.
   */
  async applyStatus(key: ObjectKey, status: Readonly<Record<string, unknown>>, live: KubeObject): Promise<Written> {
    if (canonicalJSON(live.status ?? {}) === canonicalJSON(status)) return 'unchanged'
    const { name, namespace } = key
    const object = {
      apiVersion: apiVersionOf(key.type),
      kind: key.type.kind,
      // The uid makes it a conflict for an object made anew, and the server makes none where there is none.
      metadata: { name, ...(namespace !== undefined && { namespace }), uid: live.metadata.uid },
      status,
    }
    try {
      const options = { fieldManager: STATUS_MANAGER, force: true, subresource: 'status' } as const
      this.#changed(await this.#client.apply(object, options))
      return 'written'
    } catch (error) {
      if (isAnother(error) || (error instanceof ApiError && error.reason === 'NotFound')) return 'unchanged'
      throw error
    }
  }

  /** Creates an object unless it is there, and gives the one that is. Never changes it. */
  async createOnce(object: NewObject): Promise<KubeObject> {
    try {
      return await this.#client.create(object)
    } catch (error) {
      if (!(error instanceof ApiError && error.reason === 'AlreadyExists')) throw error
      const there = await this.#client.get(keyOf(object))
      if (there) return there
      throw new ApiError('Conflict', `${object.kind} ${object.metadata.name} was deleted while it was made`)
    }
  }

  /** Gives the object that is there, and creates it where there is none. Never changes it, and asks before it writes. */
  async ensure(object: NewObject): Promise<KubeObject> {
    return (await this.#client.get(keyOf(object))) ?? this.createOnce(object)
  }

  /** Adds our finalizer. Rejects with Conflict when `live` is not the newest any more. */
  async addFinalizer(key: ObjectKey, finalizer: string, live: KubeObject): Promise<Written> {
    const present = live.metadata.finalizers ?? []
    if (present.includes(finalizer) || live.metadata.deletionTimestamp !== undefined) return 'unchanged'
    const value = present.length === 0 ? [finalizer] : finalizer
    const path = present.length === 0 ? '/metadata/finalizers' : '/metadata/finalizers/-'
    return this.#patchGuarded(key, live, [{ op: 'add', path, value }])
  }

  /** Takes our finalizer off, and no other. Rejects with Conflict when `live` is not the newest any more. */
  async removeFinalizer(key: ObjectKey, finalizer: string, live: KubeObject): Promise<Written> {
    const index = (live.metadata.finalizers ?? []).indexOf(finalizer)
    if (index === -1) return 'unchanged'
    const path = `/metadata/finalizers/${index}`
    return this.#patchGuarded(key, live, [
      { op: 'test', path, value: finalizer },
      { op: 'remove', path },
    ])
  }

  /** Makes changes that name their own guard. Rejects with Conflict when the object is not the one they were made for. */
  async patch(key: ObjectKey, operations: readonly JsonPatchOperation[]): Promise<KubeObject> {
    try {
      return await this.#client.patchJson(key, operations)
    } catch (error) {
      throw asConflict(error)
    }
  }

  /** Deletes exactly this object; false when it is gone already. */
  remove(key: ObjectKey, uid: string): Promise<boolean> {
    return this.#client.delete(key, { uid, propagation: 'Background' })
  }

  /** An object we did not make is never taken over: somebody relies on it. */
  async #uidOfOurs(desired: NewObject, live: KubeObject | undefined): Promise<string | undefined> {
    if (live?.metadata.annotations?.[APPLIED_ANNOTATION] !== undefined) return live.metadata.uid
    const key = keyOf(desired)
    const there = await this.#client.get(key)
    if (!there) return undefined
    // Who wrote an object stays on record when somebody takes our annotation off.
    const managers = (there.metadata.managedFields ?? []).map(entry => (isRecord(entry) ? entry['manager'] : ''))
    if (managers.includes(FIELD_MANAGER)) return there.metadata.uid
    const message = `${describeKey(key)} exists and was not made by the operator: delete it, or rename what asks for it`
    throw new ApiError('AlreadyExists', message)
  }

  async #patchGuarded(
    key: ObjectKey,
    { metadata }: KubeObject,
    operations: readonly JsonPatchOperation[],
  ): Promise<Written> {
    const guards: JsonPatchOperation[] = [
      { op: 'test', path: '/metadata/uid', value: metadata.uid },
      { op: 'test', path: '/metadata/resourceVersion', value: metadata.resourceVersion },
    ]
    try {
      this.#changed(await this.#client.patchJson(key, [...guards, ...operations]))
      return 'written'
    } catch (error) {
      if (error instanceof ApiError && error.reason === 'NotFound') return 'unchanged'
      throw asConflict(error)
    }
  }
}

/** A test that fails is Invalid; so is a patch of our own making, which is none of a newer version. */
function asConflict(error: unknown): unknown {
  if (!(error instanceof ApiError) || error.reason !== 'Invalid') return error
  return new ApiError('Conflict', error.message, { code: error.code, cause: error })
}

/** Whether an apply with a uid met another object of that name (422), or none (409). */
function isAnother(error: unknown): error is ApiError {
  if (!(error instanceof ApiError)) return false
  return error.reason === 'Conflict' || error.causes.some(({ field }) => field === 'metadata.uid')
}

function withDigest(desired: NewObject): NewObject {
  const { annotations } = desired.metadata
  const digest = digestOf(canonicalJSON(desired)).slice(0, 32)
  return {
    ...desired,
    metadata: { ...desired.metadata, annotations: { ...annotations, [APPLIED_ANNOTATION]: digest } },
  }
}

/**
 * Whether everything wanted is in the live value. Members nobody here wants are ignored, and so are those that the
 * server adds to entries of lists; a list has as many entries as wanted, in the same order.
 */
function contains(live: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted)) {
    return (
      Array.isArray(live) && live.length === wanted.length && wanted.every((entry, at) => contains(live[at], entry))
    )
  }
  if (!isRecord(wanted)) return live === wanted
  return (
    isRecord(live) &&
    Object.entries(wanted).every(([name, value]) => value === undefined || contains(live[name], value))
  )
}
