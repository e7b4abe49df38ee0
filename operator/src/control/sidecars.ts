// What sidecars of tenants need: a user of the store for each tenant, and a Secret in each of its namespaces that asks for
// it. A namespace that leaves the tenant loses both its password and what its Secret held.
import type { AITenant } from '@smartflow/core/resources/ai-tenant'
import type { SecretValues } from '@smartflow/core/resources/secret'
import { ApiError } from '../api/api-error.ts'
import { isRecord, type KubeObject, TYPES } from '../api/resource-type.ts'
import type { GatewayKeys } from '../apply/gateway-keys.ts'
import type { WantedUsers } from '../apply/store-users.ts'
import type { Writer } from '../apply/writer.ts'
import {
  emptiedSidecarSecret,
  INJECTION,
  keptSidecarSecret,
  SIDECAR_SECRET,
  type SidecarWrite,
} from '../desired/sidecar-secret.ts'
import { storeUserName, storeUserURL } from '../desired/store-user.ts'
import type { StatusCondition } from '../desired/status.ts'
import { idOf, objectId } from '../watch/object-id.ts'
import type { SecretOwner, SecretReader } from '../watch/secrets.ts'
import type { Parsed } from '../watch/parsed.ts'
import type { KindFacts } from './kind-facts.ts'
import type { Plan } from './loop.ts'

/** A tenant has sidecars in this many namespaces at most; the first by name. */
const MOST_NAMESPACES = 1_024

/** Says why the store has no users for us, or nothing when it has. */
type UsersProblem = Pick<StatusCondition, 'status' | 'reason' | 'message'> | undefined

/** What sidecars are made from. */
export interface SidecarsOptions {
  readonly gateway: string
  /** The operator's own. */
  readonly namespace: string
  readonly keys: Pick<GatewayKeys, 'keyring' | 'publicKey'>
  readonly writer: Pick<Writer, 'createOnce' | 'patch'>
  readonly secrets: Pick<SecretReader, 'values' | 'live' | 'isKnown' | 'put' | 'refresh'>
  /** Labels of every namespace. */
  readonly namespaces: () => ReadonlyMap<string, Readonly<Record<string, string>>>
  readonly tenants: () => Iterable<KubeObject>
  /** Of the store, with the operator's own password; undefined while none is known. */
  readonly storeURL: () => string | undefined
  /** Keeps the store's users; rejects with what the server says. */
  readonly keepUsers: (wanted: WantedUsers) => Promise<void>
  /** Tenants have to be looked at again. */
  readonly changed: () => void
}

/** See the file's head. */
export class Sidecars {
  readonly #options: SidecarsOptions
  #users: UsersProblem = PENDING
  /** Users that the store has: by tenant, the namespaces that have a password. */
  #kept = new Map<string, readonly string[]>()
  /** The plan whose users are still to be kept, while an attempt is under way or due. */
  #due: Plan | undefined
  #keeping = false
  /** What came of each namespace, by tenant. */
  readonly #outcomes = new Map<string, Map<string, Outcome>>()
  #places: { readonly plan: Plan; readonly byTenant: ReadonlyMap<string, readonly string[]> } | undefined

  constructor(options: SidecarsOptions) {
    this.#options = options
  }

  /** Secrets to look at, by `namespace/name`. */
  *wanted(): Iterable<[string, SecretOwner]> {
    const places = new Set<string>()
    for (const [name, labels] of this.#options.namespaces()) if (asks(labels)) places.add(name)
    for (const live of this.#options.tenants()) for (const name of namespacesIn(live.status)) places.add(name)
    if (places.size > 0) yield [this.#byHand(), 'theirs']
    for (const name of places) yield [`${name}/${SIDECAR_SECRET}`, 'ours']
  }

  /** Brings the store's users in line with a new plan; one attempt at a time. */
  planned(plan: Plan): void {
    for (const tenant of this.#outcomes.keys())
      if (!plan.resources.has(objectId('AITenant', undefined, tenant))) this.#outcomes.delete(tenant)
    this.#due = plan
    if (!this.#keeping) void this.#keepAll()
  }

  async #keepAll(): Promise<void> {
    this.#keeping = true
    for (let plan = this.#due; plan !== undefined; plan = this.#due) {
      this.#due = undefined
      await this.#keepUsers(plan)
    }
    this.#keeping = false
  }

  async #keepUsers(plan: Plan): Promise<void> {
    const { keys, keepUsers, changed } = this.#options
    const byTenant = new Map<string, readonly string[]>()
    for (const [tenant, places] of this.#placesOf(plan))
      if (this.#urlByHand(tenant) === undefined) byTenant.set(tenant, places)
    const wanted = new Map(
      [...byTenant].map(([tenant, places]) => [tenant, places.map(name => keys.keyring.storePassword(tenant, name))]),
    )
    const before = this.#users
    try {
      await keepUsers(wanted)
      const same = sameUsers(this.#kept, byTenant)
      this.#kept = byTenant
      this.#users = undefined
      if (before !== undefined || !same) changed()
    } catch (error) {
      this.#users = problemOf(error)
      if (before?.message !== this.#users.message && wanted.size > 0) changed()
    }
  }

  /** Writes what differs in the namespaces of one tenant. */
  async reconcile({ live, resource }: Parsed, plan: Plan): Promise<void> {
    if (live.metadata.deletionTimestamp !== undefined || plan.invalid.has(idOf(live))) return
    const tenant = live.metadata.name
    const places = this.#placesOf(plan).get(tenant) ?? []
    const former = namespacesIn(live.status).filter(namespace => !places.includes(namespace))
    const outcomes = new Map<string, Outcome>()
    this.#outcomes.set(tenant, outcomes)
    for (const namespace of former) outcomes.set(namespace, await this.#empty(live, namespace))
    if (resource?.kind !== 'AITenant') return
    for (const namespace of places) outcomes.set(namespace, await this.#keep(resource, namespace))
  }

  /** What the tenant's status says of them. */
  facts(live: KubeObject, plan: Plan): Pick<KindFacts, 'fields' | 'conditions'> {
    const tenant = live.metadata.name
    const places = this.#placesOf(plan).get(tenant) ?? []
    const former = namespacesIn(live.status).filter(name => this.#outcomes.get(tenant)?.get(name)?.kind !== 'emptied')
    const namespaces = [...new Set([...places, ...former])].sort()
    const fields = namespaces.length === 0 ? {} : { sidecars: { namespaces: namespaces.slice(0, MOST_NAMESPACES) } }
    if (places.length === 0) return { fields }
    return { fields, conditions: [{ type: 'SidecarsReady', ...this.#judge(tenant, places) }] }
  }

  #judge(tenant: string, places: readonly string[]): Pick<StatusCondition, 'status' | 'reason' | 'message'> {
    const problem = this.#urlByHand(tenant) === undefined ? this.#users : undefined
    if (problem !== undefined) {
      return { ...problem, message: problem.message.replaceAll('TENANT', tenant).replaceAll('SECRET', this.#byHand()) }
    }
    const of = (kind: Outcome['kind']): readonly string[] =>
      places.filter(name => (this.#outcomes.get(tenant)?.get(name)?.kind ?? 'pending') === kind)
    const [refused] = of('refused')
    const outcome = this.#outcomes.get(tenant)?.get(refused ?? '')
    if (outcome?.kind === 'refused') {
      return { status: 'False', reason: 'SecretRefused', message: `namespace ${refused}: ${outcome.why}` }
    }
    const pending = of('pending')
    if (pending.length > 0) {
      const message = `Secret ${SIDECAR_SECRET} is being made in ${named(pending)}`
      return { status: 'False', reason: 'Pending', message }
    }
    const foreign = of('foreign')
    const theirs = foreign.length === 0 ? '' : `; ${named(foreign)} brought one that the operator does not touch`
    return { status: 'True', reason: 'Ready', message: `Secret ${SIDECAR_SECRET} is in ${named(places)}${theirs}` }
  }

  /** Namespaces that ask for sidecars, by tenant; looked up once a plan. */
  #placesOf(plan: Plan): ReadonlyMap<string, readonly string[]> {
    if (this.#places?.plan === plan) return this.#places.byTenant
    const labels = this.#options.namespaces()
    const byTenant = new Map<string, readonly string[]>()
    for (const item of plan.items.values()) {
      if (item.kind !== 'AITenant') continue
      const places = item.namespaces.filter(name => asks(labels.get(name))).slice(0, MOST_NAMESPACES)
      if (places.length > 0) byTenant.set(item.name, places)
    }
    this.#places = { plan, byTenant }
    return byTenant
  }

  async #keep(tenant: AITenant, namespace: string): Promise<Outcome> {
    const { secrets, keys } = this.#options
    const { name } = tenant.metadata
    const REDIS_URL = this.#urlFor(name, namespace)
    const secret = `${namespace}/${SIDECAR_SECRET}`
    if (REDIS_URL === undefined || !secrets.isKnown(secret)) return WAITS
    const entries = {
      REDIS_URL,
      'tenant.keys': keys.keyring.exportTenant(name),
      'signing.pub': keys.publicKey,
    }
    const write = keptSidecarSecret(tenant, { namespace, entries }, secrets.live(secret))
    return write.kind === 'foreign' ? write : await this.#write(namespace, write, WRITTEN)
  }

  async #empty({ metadata }: KubeObject, namespace: string): Promise<Outcome> {
    const { secrets, namespaces } = this.#options
    const secret = `${namespace}/${SIDECAR_SECRET}`
    if (!namespaces().has(namespace)) return EMPTIED
    if (!secrets.isKnown(secret)) return WAITS
    return await this.#write(namespace, emptiedSidecarSecret({ metadata }, secrets.live(secret)), EMPTIED)
  }

  async #write(namespace: string, write: SidecarWrite, done: Outcome): Promise<Outcome> {
    const { writer, secrets } = this.#options
    try {
      if (write.kind === 'create') secrets.put(await writer.createOnce(write.object))
      if (write.kind === 'patch') {
        const key = { type: TYPES.Secret, namespace, name: SIDECAR_SECRET }
        secrets.put(await writer.patch(key, write.operations))
      }
      return done
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      // What is in the cache is not what is there: look before the next attempt.
      secrets.refresh(`${namespace}/${SIDECAR_SECRET}`)
      if (error.reason === 'NotFound') return WAITS
      if (error.reason === 'Forbidden') return { kind: 'refused', why: error.message }
      throw error
    }
  }

  /** The address for sidecars of one namespace; undefined while their user is not there. */
  #urlFor(tenant: string, namespace: string): string | undefined {
    const { gateway, keys, storeURL } = this.#options
    const byHand = this.#urlByHand(tenant)
    const url = storeURL()
    if (byHand !== undefined || url === undefined) return byHand
    if (this.#kept.get(tenant)?.includes(namespace) !== true) return undefined
    const user = { name: storeUserName(gateway, tenant), password: keys.keyring.storePassword(tenant, namespace) }
    return storeUserURL(url, { ...user, namespace: this.#options.namespace })
  }

  #byHand(): string {
    return `${this.#options.namespace}/${this.#options.gateway}-sidecar-urls`
  }

  #urlByHand(tenant: string): string | undefined {
    const values: SecretValues = this.#options.secrets.values()
    const url = values.get(this.#byHand())?.[tenant]?.trim()
    return url === '' ? undefined : url
  }
}

/** What came of a namespace's Secret. */
type Outcome =
  | { readonly kind: 'written' | 'emptied' | 'foreign' | 'pending' }
  | { readonly kind: 'refused'; readonly why: string }

const [WRITTEN, EMPTIED, WAITS] = [{ kind: 'written' }, { kind: 'emptied' }, { kind: 'pending' }] as const

const PENDING = { status: 'Unknown', reason: 'Pending', message: "the store's users were not looked at yet" } as const

/** TENANT and SECRET stand for whom it is said to. */
function problemOf(error: unknown): NonNullable<UsersProblem> {
  const said = error instanceof Error ? error.message : String(error)
  if (!(error instanceof Error && error.name === 'ReplyError')) {
    return { status: 'Unknown', reason: 'StoreUnavailable', message: said }
  }
  const message =
    `the store does not let the operator keep users for sidecars (${said.slice(0, 200)}): let its user run ACL, or make the ` +
    'user smartflow-sidecar-TENANT by hand (docs/kubernetes/redis-acl.md) and put its URL as TENANT into Secret SECRET'
  return { status: 'False', reason: 'StoreUserRefused', message }
}

function asks(labels: Readonly<Record<string, string>> | undefined): boolean {
  return labels?.[INJECTION.label] === INJECTION.value
}

/** Namespaces that the status says had a Secret. */
function namespacesIn(status: unknown): readonly string[] {
  const sidecars = isRecord(status) ? status['sidecars'] : undefined
  const list: unknown = isRecord(sidecars) ? sidecars['namespaces'] : undefined
  return Array.isArray(list) ? list.map(String) : []
}

function sameUsers(a: ReadonlyMap<string, readonly string[]>, b: ReadonlyMap<string, readonly string[]>): boolean {
  return a.size === b.size && [...b].every(([tenant, places]) => a.get(tenant)?.join(' ') === places.join(' '))
}

function named(names: readonly string[]): string {
  const more = names.length > 5 ? ` and ${names.length - 5} more` : ''
  return `${names.slice(0, 5).join(', ')}${more}`
}
