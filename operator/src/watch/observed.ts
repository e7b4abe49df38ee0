// Everything the operator watches: our eight kinds, namespaces, the gateway's endpoints, and what it made for tenants.
import { canonicalJSON } from '@smartflow/core/snapshot/canonical'
import type { KubeClient } from '../api/client.ts'
import {
  describeKey,
  type KubeObject,
  MANAGED_BY,
  MANAGED_BY_LABEL,
  type ResourceType,
  TYPES,
} from '../api/resource-type.ts'
import { foundAfterAll, type Missed } from './absence.ts'
import { objectId, partsOf } from './object-id.ts'
import { type Parsed, ParsedObjects } from './parsed.ts'
import { Reflector, type ReflectorOptions } from './reflector.ts'

/** Our own kinds. */
const OURS = Object.values<ResourceType>(TYPES).filter(({ group }) => group === TYPES.AIGateway.group)

/** What is published depends on these. */
const SOURCES = [...OURS, TYPES.Namespace]

/** Objects asked for by name at one time; of more there are samples: so many are held back for a while besides. */
const MOST_MISSED = 1_000

/** Objects of a page when everything is listed for a second look. */
const PAGE = 500

/** Kinds of what tenants get, in the gateway's namespace. The optional ones come with other projects' CRDs. */
const CHILDREN: readonly { readonly type: ResourceType; readonly optional: boolean }[] = [
  { type: TYPES.Ingress, optional: false },
  { type: TYPES.NetworkPolicy, optional: false },
  { type: TYPES.Certificate, optional: true },
  { type: TYPES.HTTPRoute, optional: true },
  { type: TYPES.ListenerSet, optional: true },
  { type: TYPES.ServiceMonitor, optional: true },
  { type: TYPES.ProxySettingsPolicy, optional: true },
  { type: TYPES.ClientSettingsPolicy, optional: true },
]

/**
 * What of an object moved: what is compiled from, or only its labels, annotations and finalizers, or only its status. An
 * object that is merely to be looked at again counts as `metadata`.
 */
export type Moved = 'spec' | 'metadata' | 'status'

/** What is told of changes. Both only note down; neither may throw. */
export interface ObservedListener {
  /** An object of ours came, changed or went. */
  readonly ours: (id: string, change: { readonly moved: Moved; readonly background: boolean }) => void
  /** Something of the cluster that our objects depend on did. */
  readonly around: (what: 'namespaces' | 'endpoints' | 'children', id: string) => void
}

/** Where to look. */
export interface ObservedOptions {
  readonly client: Pick<KubeClient, 'get' | 'list' | 'watch'>
  /** The operator's own: endpoints and children are looked at nowhere else. */
  readonly namespace: string
  readonly listener: ObservedListener
  /** A watch fails, for another reason than before; undefined: it is well again. */
  readonly failing: (plural: string, problem: string | undefined) => void
}

/** Caches of the watched objects. */
export class Observed {
  readonly #ours = new Map<string, Reflector>()
  readonly #children: readonly Reflector[]
  readonly #namespaces: Reflector
  readonly #endpoints: Reflector
  readonly #parsed = new ParsedObjects()
  #revision = 0
  readonly #client: ObservedOptions['client']

  constructor({ client, namespace, listener, failing }: ObservedOptions) {
    this.#client = client
    type Changed = (id: string, background: boolean) => void
    const reflector = (type: ResourceType, changed: Changed, more: Partial<ReflectorOptions> = {}): Reflector =>
      new Reflector({
        client,
        type,
        onChange: (key, { background }) => changed(objectId(type.kind, key.namespace, key.name), background),
        onFailing: problem => failing(type.plural, problem),
        ...more,
      })
    const ours: Changed = (id, background) => {
      this.#revision++
      const before = this.#parsed.known(id)
      const after = this.parsed(id)
      if (after === undefined) this.#parsed.forget(id)
      listener.ours(id, { moved: movedBetween(before, after), background })
    }
    for (const type of OURS) this.#ours.set(type.kind, reflector(type, ours))
    this.#namespaces = reflector(TYPES.Namespace, id => {
      this.#revision++
      listener.around('namespaces', id)
    })
    this.#endpoints = reflector(TYPES.EndpointSlice, id => listener.around('endpoints', id), { namespace })
    this.#children = CHILDREN.map(({ type, optional }) =>
      reflector(type, id => listener.around('children', id), {
        namespace,
        labelSelector: `${MANAGED_BY_LABEL}=${MANAGED_BY}`,
        optional,
      }),
    )
  }

  /** Starts every watch; resolves when every cache was filled once. */
  async start(): Promise<void> {
    for (const reflector of this.#all()) reflector.start()
    await Promise.all(this.#all().map(reflector => reflector.synced))
  }

  async stop(): Promise<void> {
    await Promise.all(this.#all().map(reflector => reflector.stop()))
  }

  /**
   * Lists our kinds and the namespaces afresh, for a second look before something drastic: true when the caches hold the
   * same objects. A cache that does not is filled anew, since its watch will not tell what it missed.
   */
  async confirm(): Promise<boolean> {
    let same = true
    for (const type of SOURCES) {
      const reflector = this.#reflectorOf(type.kind)
      if (reflector === undefined || (await this.#holdsSame(type, reflector))) continue
      reflector.listAgain()
      same = false
    }
    return same
  }

  /**
   * Asks the API server by name for those of these objects that no cache holds; ids of our kinds and of namespaces. Gives the
   * first that is there, in words: its kind is listed again. Undefined: all of them are gone.
   */
  async foundAfterAll(ids: Iterable<string>): Promise<string | undefined> {
    const missed: Missed[] = []
    for (const id of ids) {
      const { kind, namespace, name } = partsOf(id)
      const type = SOURCES.find(each => each.kind === kind)
      if (type === undefined || this.#reflectorOf(kind)?.get(namespace, name) !== undefined) continue
      missed.push({ key: { type, namespace, name } })
    }
    const step = Math.ceil(missed.length / MOST_MISSED)
    const asked = missed.filter((_, at) => at % step === 0)
    const found = await foundAfterAll(this.#client, asked)
    if (found === undefined) return undefined
    this.#reflectorOf(found.type.kind)?.listAgain()
    return describeKey(found)
  }

  #reflectorOf(kind: string): Reflector | undefined {
    return kind === TYPES.Namespace.kind ? this.#namespaces : this.#ours.get(kind)
  }

  /** Whether a list of late, and no event of a watch, said that something of ours is gone: see `Reflector.doubtful`. */
  doubtful(): boolean {
    return [...this.#ours.values(), this.#namespaces].some(reflector => reflector.doubtful())
  }

  async #holdsSame(type: ResourceType, reflector: Reflector): Promise<boolean> {
    const cached = new Set([...reflector.list()].map(({ metadata }) => metadata.uid))
    for await (const uid of this.#uids(type)) if (!cached.delete(uid)) return false
    return cached.size === 0
  }

  async *#uids(type: ResourceType): AsyncIterable<string> {
    let next: string | undefined
    do {
      const page = await this.#client.list(type, { limit: PAGE, continue: next })
      for (const { metadata } of page.items) yield metadata.uid
      next = page.continue
    } while (next !== undefined)
  }

  /** What keeps the caches of our kinds from being current, by plural; empty when all is well. */
  failing(): readonly string[] {
    return [...this.#ours.values(), this.#namespaces].flatMap(reflector => reflector.failing() ?? [])
  }

  /** An object of ours as the API server last gave it. */
  live(id: string): KubeObject | undefined {
    const [kind = '', namespace = '', name = ''] = id.split('/')
    return this.#ours.get(kind)?.get(namespace === '' ? undefined : namespace, name)
  }

  /** Takes an object of ours as the API server gave it back after a write. */
  learn(object: KubeObject): void {
    this.#revision++
    this.#ours.get(object.kind)?.learn(object)
  }

  /** Another number after each change of our objects and of namespaces. */
  revision(): number {
    return this.#revision
  }

  /** Every object of ours, checked. The same version of an object gives the same Resource, by identity. */
  *all(): Iterable<Parsed> {
    for (const reflector of this.#ours.values()) for (const live of reflector.list()) yield this.#parsed.of(live)
  }

  /** One object of ours, checked. */
  parsed(id: string): Parsed | undefined {
    const live = this.live(id)
    return live === undefined ? undefined : this.#parsed.of(live)
  }

  /** Labels of every namespace by its name. */
  namespaces(): ReadonlyMap<string, Readonly<Record<string, string>>> {
    return new Map([...this.#namespaces.list()].map(({ metadata }) => [metadata.name, metadata.labels ?? {}]))
  }

  /** EndpointSlices of the gateway's namespace. */
  endpointSlices(): Iterable<KubeObject> {
    return this.#endpoints.list()
  }

  /** What the operator made, of every kind. */
  *children(): Iterable<KubeObject> {
    for (const reflector of this.#children) yield* reflector.list()
  }

  /**
   * True when no AIGateway is known though tenants have what only one can have given them, and that is of late: AIGateways are
   * listed again.
   */
  lacksGateway(): boolean {
    const gateways = this.#ours.get('AIGateway')
    if (gateways === undefined || !gateways.doubtful() || [...gateways.list()].length > 0) return false
    if ([...this.children()].length === 0) return false
    gateways.listAgain()
    return true
  }

  /** Ids of those that they were made for. */
  ownersOfChildren(): ReadonlySet<string> {
    const owners = new Set<string>()
    for (const { metadata } of this.children()) {
      for (const { kind, name } of metadata.ownerReferences ?? []) {
        const type = OURS.find(each => each.kind === kind)
        if (type !== undefined) owners.add(objectId(kind, type.namespaced ? metadata.namespace : undefined, name))
      }
    }
    return owners
  }

  /** One of them, by id. */
  child(id: string): KubeObject | undefined {
    const { kind, namespace, name } = partsOf(id)
    return this.#children[CHILDREN.findIndex(({ type }) => type.kind === kind)]?.get(namespace, name)
  }

  /** True when the API server serves this kind of child. */
  serves(kind: string): boolean {
    const at = CHILDREN.findIndex(({ type }) => type.kind === kind)
    return at >= 0 && this.#children[at]?.absent() !== true
  }

  #all(): Reflector[] {
    return [...this.#ours.values(), this.#namespaces, this.#endpoints, ...this.#children]
  }
}

function movedBetween(before: Parsed | undefined, after: Parsed | undefined): Moved {
  if (before === undefined || after === undefined) return 'spec'
  // Parsing gives the same again when nothing of it moved.
  if (before.resource !== after.resource || before.problems !== after.problems) return 'spec'
  return before.live === after.live || aroundOf(before.live) !== aroundOf(after.live) ? 'metadata' : 'status'
}

function aroundOf({ metadata: { resourceVersion: _version, ...metadata } }: KubeObject): string {
  return canonicalJSON(metadata)
}
