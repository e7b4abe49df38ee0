// From what was observed to what is in force: changes → compile → publish → a plan that the reconcilers read. One turn at
// a time; changes that come meanwhile cause one more.
import { partsOfPlace, type Status } from '@smartflow/core/compile/status'
import type { AIGateway } from '@smartflow/core/resources/ai-gateway'
import type { Resource } from '@smartflow/core/resources/resource'
import type { SecretValues } from '@smartflow/core/resources/secret'
import type { Compiled, Item } from '@smartflow/core/snapshot/items'
import type { Keyring } from '@smartflow/core/snapshot/keyring'
import { isRecord } from '../api/resource-type.ts'
import type { PublicationOutcome } from '../apply/publication.ts'
import type { Observed } from '../watch/observed.ts'
import { type Parsed, problemText } from '../watch/parsed.ts'
import type { SecretOwner, SecretReader } from '../watch/secrets.ts'
import { Compiling } from './compiling.ts'
import { heldTokens } from './held-tokens.ts'
import { REVOKE_FINALIZER } from './key-annotations.ts'
import { servable } from './last-resort.ts'
import { areMarked, neededBy } from './removals.ts'
import { secretsOf, wantedSecrets } from './wanted-secrets.ts'

/** A turn begins this long after a change, so that a `kubectl apply` of many objects is one turn, … */
const QUIET_MS = 50
/** … and at the latest this long after the first. */
const LATEST_MS = 250
/**
 * While changes keep coming there is a rest of so many times the work of a turn, at most this long: turns of thousands of
 * objects would otherwise leave no time for what they are made for.
 */
const REST = { times: 3, mostMs: 1_000 }
/** After a turn that could not be finished. */
const RETRY_MS = 1_000
/** Without any change: the store may have lost or rolled back what it had. */
const LOOK_AGAIN_MS = 5_000

/** Where objects keep coming no two lists are the same: a removal of few is not looked at more often than this. */
const MOST_LOOKS_AT_FEW = 3

/** The result of one turn. Replaced whole, never changed. */
export interface Plan {
  /** What compiling said of each object, by id. */
  readonly statuses: ReadonlyMap<string, Status>
  /** Objects that do not pass their schema, by id, and why. Their last good form serves on. */
  readonly invalid: ReadonlyMap<string, string>
  /** What was compiled: every object in the form that serves. */
  readonly resources: ReadonlyMap<string, Resource>
  /** Objects that are being deleted, by id; those of most kinds are left out of what was compiled. */
  readonly deleting: ReadonlySet<string>
  /** By accepted AITenant: those of its host names that may be exposed. */
  readonly hosts: ReadonlyMap<string, readonly string[]>
  /** The AIGateway in force: the one that compiling accepted; undefined when there is none. */
  readonly gateway: AIGateway | undefined
  /** Everything that was compiled, by `placeName`. */
  readonly items: ReadonlyMap<string, Item>
  /** Values of Secrets that it was compiled from, by `namespace/name`. */
  readonly secrets: SecretValues
  readonly outcome: PublicationOutcome
}

/** What a loop works with. */
export interface LoopOptions {
  readonly observed: Observed
  readonly secrets: SecretReader
  readonly keyring: Keyring
  /** Publishes to the store that the gateway in force names. */
  readonly publish: (compiled: Compiled, gateway: AIGateway | undefined) => Promise<PublicationOutcome>
  /** Secrets to look at beside those that resources name. */
  readonly alsoWanted?: () => Iterable<[string, SecretOwner]>
  /** A fresh list did not say the same, or is to be doubted: what was held back must be held back again. */
  readonly unconfirmed: () => void
  /** The operator's own namespace. */
  readonly namespace: string
  /** A new plan is there. */
  readonly planned: (plan: Plan) => void
  /** Another operator has taken over: this one must end. */
  readonly fenced: (message: string) => void
  readonly failed: (message: string, error?: unknown) => void
  readonly now: () => number
}

/** What the caches hold, as a turn sees it. The same again while nothing of them changed. */
interface Seen extends Pick<Plan, 'resources' | 'invalid' | 'deleting'> {
  readonly revision: number
  readonly namespaces: ReadonlyMap<string, Readonly<Record<string, string>>>
}

/** The loop. Runs only while its process leads. */
export class Loop {
  readonly #options: LoopOptions
  readonly #compiling: Compiling
  #plan: Plan | undefined
  #seen: Seen | undefined
  #restUntil = 0
  #looksAtFew = 0
  /** What the turn under way took of this process, without what it waited for. */
  #workedMs = 0
  #firstChange: number | undefined
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #stopped = true
  /** Why the turn before, and this one, could not be finished. */
  #said: ReadonlySet<string> = new Set()
  #saying = new Set<string>()

  constructor(options: LoopOptions) {
    const { keyring, namespace } = options
    this.#options = options
    this.#compiling = new Compiling({ keyring, gatewayNamespace: namespace })
  }

  /** The newest plan; undefined before the first turn. */
  plan(): Plan | undefined {
    return this.#plan
  }

  start(): void {
    this.#stopped = false
    this.touch()
  }

  /** Ends after the turn that is under way. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#running
  }

  /** Something changed. */
  touch(): void {
    if (this.#stopped) return
    const now = this.#options.now()
    this.#firstChange ??= now
    if (this.#running !== undefined) return
    this.#schedule(Math.max(0, Math.min(QUIET_MS, this.#firstChange + LATEST_MS - now), this.#restUntil - now))
  }

  #schedule(ms: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#run(), ms)
  }

  #run(): void {
    if (this.#running !== undefined || this.#stopped) return
    this.#firstChange = undefined
    let again = LOOK_AGAIN_MS
    const startedAt = performance.now()
    this.#workedMs = 0
    this.#running = this.#turn()
      .then(finished => {
        if (!finished) again = RETRY_MS
      })
      .catch((error: unknown) => {
        again = RETRY_MS
        this.#options.failed('a turn of the loop failed; it is tried again', error)
      })
      .finally(() => {
        this.#running = undefined
        if (this.#stopped) return
        if (this.#firstChange === undefined) return this.#schedule(again)
        // While changes keep coming, reconcilers and pods get as much time as the turns, and more than the work of them.
        const rest = Math.max(
          Math.min(LATEST_MS, performance.now() - startedAt),
          Math.min(REST.mostMs, REST.times * this.#workedMs),
        )
        this.#restUntil = this.#options.now() + rest
        this.#schedule(Math.max(QUIET_MS, rest))
      })
  }

  /** False: it could not be finished, and nothing that is in force was touched. */
  async #turn(): Promise<boolean> {
    const { observed, secrets, planned, fenced } = this.#options
    ;[this.#said, this.#saying] = [this.#saying, new Set()]
    const blind = observed.failing()
    if (blind.length > 0) {
      // A list that failed is not an empty list: what is published stays until everything can be seen again.
      this.#say(`nothing is published while the API server does not answer for: ${blind.join(', ')}`)
      return false
    }
    if (this.#plan === undefined && (await this.#lacksOwners())) return false
    const { resources, invalid, deleting, namespaces } = this.#timed(() => this.#look())
    const unread = this.#unreadKeys(resources)
    if (unread === undefined) return false
    const values = secrets.values()
    const { compiled, hosts, items, gateway, ...told } = this.#timed(() =>
      this.#compiling.compile({
        resources,
        secrets: values,
        namespaces,
        heldTokens: () => heldTokens(this.#plan, observed),
      }),
    )
    let outcome = await this.#options.publish(compiled, gateway)
    if (outcome.outcome === 'held') {
      const seen = await this.#secondLook(outcome, deleting, { items, namespaces })
      // Whatever was compiled from a list that lacks what is there is not to be told either.
      if (seen === 'wrong') return false
      // The same once more goes through.
      if (seen === 'the same') outcome = await this.#options.publish(compiled, gateway)
    }
    if (outcome.outcome === 'stale') {
      fenced(outcome.message)
      return false
    }
    const plan: Plan = {
      statuses: without(told.statuses, unread),
      invalid,
      resources,
      deleting,
      hosts,
      gateway,
      items,
      secrets: values,
      outcome,
    }
    this.#plan = plan
    this.#timed(() => planned(plan))
    return outcome.outcome !== 'unavailable' && outcome.outcome !== 'held'
  }

  /** `wrong`: what was compiled lacks what is there. `unsure`: that may be, and what is in force stays. */
  async #secondLook(
    held: Extract<PublicationOutcome, { outcome: 'held' }>,
    deleting: ReadonlySet<string>,
    compiled: Pick<Plan, 'items'> & Pick<Seen, 'namespaces'>,
  ): Promise<'the same' | 'unsure' | 'wrong'> {
    const { observed, unconfirmed } = this.#options
    this.#say(held.message)
    // Before anything was told, nothing is until it was looked at twice.
    let seen: 'unsure' | 'wrong' = this.#plan === undefined ? 'wrong' : 'unsure'
    try {
      if (await this.#lacks(neededBy(held, compiled))) seen = 'wrong'
      else if (held.few && this.#looksAtFew++ >= MOST_LOOKS_AT_FEW) return 'the same'
      else if (!(await observed.confirm())) {
        this.#say('a fresh list is not what was watched: everything is listed again, and what is published stays')
      } else if (!held.few && observed.doubtful() && !areMarked(held, deleting)) {
        seen = 'unsure'
        this.#say('only lists say so, and no watch did: what is published stays until they have said so for a minute')
      } else return 'the same'
    } catch (error) {
      this.#say('nothing is removed while the API server does not answer', error)
    }
    unconfirmed()
    return seen
  }

  /** Whether somebody is unknown that the operator made children for before it started: that is said. */
  async #lacksOwners(): Promise<boolean> {
    const { observed } = this.#options
    if (await this.#lacks(observed.ownersOfChildren())) return true
    if (!observed.lacksGateway()) return false
    this.#say('no AIGateway is listed, though tenants have what one gave them: that is believed after a minute')
    return true
  }

  /** Whether one of these objects is in no cache though the API server knows it by name; that is said. */
  async #lacks(ids: Iterable<string>): Promise<boolean> {
    const found = await this.#options.observed.foundAfterAll(ids)
    if (found !== undefined) {
      this.#say(
        `a list lacks ${found}, which is there: it is listed again, and nothing is published or told until then`,
      )
    }
    return found !== undefined
  }

  /** Once, not with every attempt. */
  #say(problem: string, error?: unknown): void {
    if (!this.#said.has(problem)) this.#options.failed(problem, error)
    this.#saying.add(problem)
  }

  /**
   * Ids of new keys whose Secrets nobody could look at yet: each of them waits alone. Undefined: something else's Secret
   * was not looked at. It is not missing, and what is in force and names it must not go.
   */
  #unreadKeys(resources: ReadonlyMap<string, Resource>): readonly string[] | undefined {
    const { secrets, namespace } = this.#options
    const unread = new Set(secrets.waiting())
    if (unread.size === 0) return []
    const served = this.#plan && keysInForce(this.#plan)
    const keys: string[] = []
    for (const [id, resource] of resources) {
      if (!secretsOf(resource, namespace).some(([name]) => unread.has(name))) continue
      if (served === undefined || !this.#wasNeverServed(id, resource, served)) return undefined
      keys.push(id)
    }
    return keys
  }

  /**
   * By what is in force, and by the key's own status: the last plan may have been made of a list that lacked the key, and
   * was held back for that.
   */
  #wasNeverServed(id: string, { kind, metadata }: Resource, served: ReadonlySet<string>): boolean {
    if (kind !== 'VirtualKey') return false
    const { status } = this.#options.observed.live(id) ?? {}
    if (isRecord(status) && status['keyID'] !== undefined) return false
    return !served.has(`${metadata.namespace}/${metadata.name}`)
  }

  /** Everything there is, and whose Secrets are wanted therefore. */
  #look(): Seen {
    const { observed, secrets, namespace, alsoWanted } = this.#options
    const revision = observed.revision()
    if (this.#seen?.revision === revision) return this.#seen
    const deleting = new Set<string>()
    const resources = new Map<string, Resource>()
    const invalid = new Map<string, string>()
    const newKeys = new Set<string>()
    for (const parsed of observed.all()) {
      const { id, live, resource, problems } = parsed
      if (problems.length > 0) invalid.set(id, problemText(problems))
      if (live.metadata.deletionTimestamp !== undefined) deleting.add(id)
      if (isNewKey(parsed)) newKeys.add(id)
      const serves = resource ?? servable(live)
      if (serves !== undefined) resources.set(id, serves)
    }
    const named = wantedSecrets(resources, namespace, id => newKeys.has(id))
    secrets.want(new Map([...(alsoWanted?.() ?? []), ...named]))
    this.#seen = { revision, resources, invalid, deleting, namespaces: observed.namespaces() }
    return this.#seen
  }

  #timed<T>(work: () => T): T {
    const startedAt = performance.now()
    try {
      return work()
    } finally {
      this.#workedMs += performance.now() - startedAt
    }
  }
}

/** Before a key has a token it gets the finalizer. An orphaning one never has any: then somebody has to look. */
function isNewKey({ live, resource }: Parsed): boolean {
  if (resource?.kind !== 'VirtualKey' || resource.spec.deletionPolicy === 'Orphan') return false
  return live.metadata.finalizers?.includes(REVOKE_FINALIZER) !== true
}

/** Names of the keys that are served, `<namespace>/<name>`: once a turn, for thousands of new keys may be asked about. */
function keysInForce({ outcome }: Plan): ReadonlySet<string> {
  const places = [...outcome.inForce.keys()].map(partsOfPlace)
  return new Set(places.flatMap(({ kind, name }) => (kind === 'VirtualKey' ? [name] : [])))
}

function without(statuses: Plan['statuses'], ids: readonly string[]): Plan['statuses'] {
  if (ids.length === 0) return statuses
  const rest = new Map(statuses)
  for (const id of ids) rest.delete(id)
  return rest
}
