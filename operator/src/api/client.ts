// The Kubernetes API as the operator uses it: plain objects over one pool of connections. Every call has a deadline;
// everything rejects with ApiError.
import { ApiError } from './api-error.ts'
import {
  asKubeObject,
  isRecord,
  type KubeObject,
  type NewObject,
  type ObjectKey,
  keyOf,
  pathOf,
  type ResourceType,
} from './resource-type.ts'
import { Transport, type TransportOptions } from './transport.ts'
import { readEvents, type WatchEvent } from './watch-stream.ts'

/** What of a type is meant. Without a namespace it is all of them. */
export interface Selection {
  readonly namespace?: string | undefined
  readonly labelSelector?: string | undefined
  readonly fieldSelector?: string | undefined
}

export interface ListOptions extends Selection, CallOptions {
  readonly limit?: number
  readonly continue?: string | undefined
  readonly resourceVersion?: string
}

export interface ListPage {
  readonly items: KubeObject[]
  readonly resourceVersion: string
  /** Where the next page begins; undefined on the last. */
  readonly continue: string | undefined
}

export interface WatchOptions extends Selection {
  readonly resourceVersion?: string | undefined
  /** Begins with what exists, closed by a bookmark with `initialEventsEnd`. */
  readonly sendInitialEvents?: boolean
  /** The server ends the watch after this. */
  readonly timeoutSeconds: number
  /** Silence after which the watch counts as broken; bookmarks come about once a minute. Default two minutes. */
  readonly idleMs?: number
  readonly signal: AbortSignal
  /** Called when the server accepted the watch, before any event. */
  readonly onOpen?: () => void
}

export interface CallOptions {
  /** Default 10 s. */
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface CreateOptions extends CallOptions {
  readonly dryRun?: boolean
}

export interface ApplyOptions extends CallOptions {
  readonly fieldManager: string
  readonly force?: boolean
  readonly subresource?: 'status'
  readonly dryRun?: boolean
  readonly fieldValidation?: 'Strict'
}

export interface DeleteOptions extends CallOptions {
  readonly uid?: string
  readonly resourceVersion?: string
  readonly propagation?: 'Background' | 'Foreground' | 'Orphan'
}

/** One operation of RFC 6902. */
export interface JsonPatchOperation {
  readonly op: 'test' | 'add' | 'remove' | 'replace'
  /** Pointer into the object; `/` in a name is `~1`. */
  readonly path: string
  readonly value?: unknown
}

const CALL_MS = 10_000
const OPEN_MS = 30_000
const IDLE_MS = 120_000

export class KubeClient {
  readonly #transport: Transport

  constructor(options: TransportOptions) {
    this.#transport = new Transport(options)
  }

  /** Undefined when there is no such object (or no such type). */
  async get(key: ObjectKey, { timeoutMs = CALL_MS, signal }: CallOptions = {}): Promise<KubeObject | undefined> {
    try {
      const answer = await this.#transport.json({ method: 'GET', path: pathOf(key), timeoutMs, signal })
      return objectOf(answer, key.type)
    } catch (error) {
      if (error instanceof ApiError && error.reason === 'NotFound') return undefined
      throw error
    }
  }

  /** One page. NotFound means that the type is not installed; an empty page is really empty. */
  async list(type: ResourceType, options: ListOptions = {}): Promise<ListPage> {
    const { namespace, timeoutMs = CALL_MS, signal, ...query } = options
    const path = pathOf({ type, namespace })
    const answer = await this.#transport.json({ method: 'GET', path, query, timeoutMs, signal })
    const metadata = isRecord(answer) && isRecord(answer['metadata']) ? answer['metadata'] : {}
    const { resourceVersion, continue: next } = metadata
    const items = isRecord(answer) ? answer['items'] : undefined
    // Go writes an empty list as null at times; anything else that is no list is no answer.
    if (typeof resourceVersion !== 'string' || !(Array.isArray(items) || items === null)) {
      throw new ApiError('Transient', `GET ${path}: the answer is no list`)
    }
    return {
      items: (items ?? []).map((item: unknown) => objectOf(item, type)),
      resourceVersion,
      continue: typeof next === 'string' && next !== '' ? next : undefined,
    }
  }

  /** Events from `resourceVersion` on. Ends when the server ends it or the signal fires; throws ApiError otherwise. */
  async *watch(type: ResourceType, options: WatchOptions): AsyncGenerator<WatchEvent, void, undefined> {
    const { namespace, signal, onOpen, idleMs = IDLE_MS, ...query } = options
    try {
      const answer = await this.#transport.open({
        method: 'GET',
        path: pathOf({ type, namespace }),
        query: {
          ...query,
          watch: true,
          allowWatchBookmarks: true,
          ...(options.sendInitialEvents && { resourceVersionMatch: 'NotOlderThan' }),
        },
        timeoutMs: OPEN_MS,
        signal,
      })
      onOpen?.()
      yield* readEvents(answer, type, idleMs)
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  async create(object: NewObject, { dryRun, ...options }: CreateOptions = {}): Promise<KubeObject> {
    const { type, namespace } = keyOf(object)
    return this.#write(type, options, {
      method: 'POST',
      path: pathOf({ type, namespace }),
      body: object,
      query: dryRunOf(dryRun),
    })
  }

  /** Server-side apply: `object` holds only what the field manager owns. */
  async apply(object: NewObject, options: ApplyOptions): Promise<KubeObject> {
    const { fieldManager, force, subresource, dryRun, fieldValidation, ...call } = options
    const key = keyOf(object)
    return this.#write(key.type, call, {
      method: 'PATCH',
      path: pathOf(key, subresource),
      query: { fieldManager, force, fieldValidation, ...dryRunOf(dryRun) },
      // JSON is YAML.
      contentType: 'application/apply-patch+yaml',
      body: object,
    })
  }

  /** A JSON patch; a `test` that fails is Invalid. */
  async patchJson(
    key: ObjectKey,
    operations: readonly JsonPatchOperation[],
    { subresource, ...call }: CallOptions & { subresource?: 'status' | 'scale' } = {},
  ): Promise<KubeObject> {
    return this.#write(key.type, call, {
      method: 'PATCH',
      path: pathOf(key, subresource),
      contentType: 'application/json-patch+json',
      body: operations,
    })
  }

  /** Replaces the whole object; a resourceVersion in it that is not the newest is a Conflict. */
  async replace(object: NewObject, options: CallOptions = {}): Promise<KubeObject> {
    const key = keyOf(object)
    return this.#write(key.type, options, { method: 'PUT', path: pathOf(key), body: object })
  }

  /** False when it is gone already, also when another object has its name meanwhile (`uid`). */
  async delete(key: ObjectKey, options: DeleteOptions = {}): Promise<boolean> {
    const { uid, resourceVersion, propagation, timeoutMs = CALL_MS, signal } = options
    const body = {
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      preconditions: { uid, resourceVersion },
      propagationPolicy: propagation,
    }
    try {
      await this.#transport.json({ method: 'DELETE', path: pathOf(key), body, timeoutMs, signal })
      return true
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      const another = error.reason === 'Conflict' && uid !== undefined && resourceVersion === undefined
      if (error.reason === 'NotFound' || another) return false
      throw error
    }
  }

  /** Ends every call, watch and connection. */
  close(): Promise<void> {
    return this.#transport.close()
  }

  async #write(type: ResourceType, options: CallOptions, request: WriteRequest): Promise<KubeObject> {
    const { timeoutMs = CALL_MS, signal } = options
    return objectOf(await this.#transport.json({ ...request, timeoutMs, signal }), type)
  }
}

type WriteRequest = Omit<Parameters<Transport['json']>[0], 'timeoutMs' | 'signal'>

function dryRunOf(dryRun: boolean | undefined): { dryRun?: string } {
  return dryRun ? { dryRun: 'All' } : {}
}

function objectOf(answer: unknown, type: ResourceType): KubeObject {
  const object = asKubeObject(answer, type)
  if (object) return object
  throw new ApiError('Transient', `${type.kind}: the answer is no object of this kind`)
}
