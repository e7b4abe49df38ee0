// The lookup view of a configuration: what each call keeps from the door to the end. Built without stopping the event
// loop; tenants that did not change are taken over from the view before.
import { hash } from 'node:crypto'
import { canonicalJSON, compareText, digestOf } from './canonical.ts'
import type { ChainItem, GatewaySettings, KeyItem, PolicyItem, ProviderItem, TenantItem } from './items.ts'
import { credentialContext, type Keyring } from './keyring.ts'
import { Pacer, type PacerClock } from './pacer.ts'
import type { SnapshotData, TenantData, Version } from './snapshot-data.ts'

/** A team as its tenant declares it. */
export type Team = TenantItem['teams'][number]

/** One tenant's configuration, ready for lookups. Nothing in it changes after it was built. */
export interface TenantView {
  /** Digest of the tenant's whole content. */
  readonly digest: string
  readonly item: TenantItem
  /** By `namespace/name`. */
  readonly keys: ReadonlyMap<string, KeyItem>
  readonly providers: ReadonlyMap<string, ProviderItem>
  /** In the order of their names. */
  readonly chains: readonly ChainItem[]
  /** The highest priority first, then by name. */
  readonly policies: readonly PolicyItem[]
  /** Digest of the policies: part of every cache key, so that a changed policy never serves an old answer. */
  readonly policyVersion: string
  /** The declared team, or undefined: then it has no limits of its own. */
  team(name: string): Team | undefined
  /** The provider's credential, opened on first use and kept; undefined when it has none. Throws a SealError. */
  credential(provider: string): string | undefined
}

/** A key that a token proved to own, and whose it is. */
export interface FoundKey {
  readonly tenant: TenantView
  readonly key: KeyItem
  /** When this token stops working, in epoch milliseconds: it was replaced. Undefined: it is the key's present one. */
  readonly tokenExpiresAt?: number | undefined
}

/** The whole configuration in force. Each call takes it once and keeps it. */
export interface Snapshot {
  readonly version: Version
  readonly settings: GatewaySettings
  /** Sorted. */
  tenantNames(): readonly string[]
  tenant(name: string): TenantView | undefined
  /** The key behind a token, suspended and expired ones too, or undefined; compares in constant time. The caller looks. */
  findKey(token: string): FoundKey | undefined
}

/** What building needs beside the data. */
export interface ViewOptions {
  readonly keyring: Keyring
  /**
   * The view in force, built with the same keyring; its unchanged tenants are taken over with their opened credentials.
   */
  readonly previous?: Snapshot | undefined
  readonly clock?: PacerClock
}

/** Proven tokens that a view remembers. */
const MAX_PROVEN = 10_000

interface Candidate extends FoundKey {
  readonly hash: string
}

/**
 * Builds the view, stepping aside whenever 2 ms were used up. Rejects only for data that no verification would pass.
 */
export async function buildView(data: SnapshotData, options: ViewOptions): Promise<Snapshot> {
  const pacer = new Pacer(options.clock)
  const tenants = new Map<string, TenantView>()
  const candidates = new Map<string, Candidate[]>()
  for (const name of [...data.tenants.keys()].sort(compareText)) {
    const content = data.tenants.get(name)
    if (content === undefined) continue
    const before = options.previous?.tenant(name)
    const view =
      before?.digest === content.digest ? before : await buildTenant({ name, content, keyring: options.keyring }, pacer)
    tenants.set(name, view)
    await addCandidates(candidates, view, pacer)
  }
  return new BuiltSnapshot(data, options.keyring, tenants, candidates)
}

async function addCandidates(candidates: Map<string, Candidate[]>, tenant: TenantView, pacer: Pacer): Promise<void> {
  for (const key of tenant.keys.values()) {
    for (const secret of key.secrets) {
      const candidate = { tenant, key, hash: secret.hash, tokenExpiresAt: secret.expiresAt }
      const known = candidates.get(secret.keyId)
      if (known === undefined) candidates.set(secret.keyId, [candidate])
      else known.push(candidate)
    }
    if (pacer.due()) await pacer.pause()
  }
}

interface TenantSource {
  readonly name: string
  readonly content: TenantData
  readonly keyring: Keyring
}

/** The items of a tenant, sorted into their kinds. */
interface Sorted {
  item: TenantItem | undefined
  readonly keys: Map<string, KeyItem>
  readonly providers: Map<string, ProviderItem>
  readonly chains: ChainItem[]
  readonly policies: PolicyItem[]
}

async function buildTenant(source: TenantSource, pacer: Pacer): Promise<TenantView> {
  const sorted: Sorted = { item: undefined, keys: new Map(), providers: new Map(), chains: [], policies: [] }
  for (const item of source.content.items) {
    sortIn(sorted, item)
    if (pacer.due()) await pacer.pause()
  }
  if (sorted.item === undefined)
    throw new Error(`tenant "${source.name}" has no AITenant item; compile always writes one`)
  sorted.chains.sort((a, b) => compareText(a.name, b.name))
  sorted.policies.sort((a, b) => b.priority - a.priority || compareText(a.name, b.name))
  return new BuiltTenant(source, sorted.item, sorted)
}

function sortIn(sorted: Sorted, item: TenantData['items'][number]): void {
  switch (item.kind) {
    case 'VirtualKey':
      sorted.keys.set(item.name, item)
      break
    case 'AIProvider':
      sorted.providers.set(item.name, item)
      break
    case 'FallbackChain':
      sorted.chains.push(item)
      break
    case 'Policy':
      sorted.policies.push(item)
      break
    case 'AITenant':
      sorted.item = item
      break
  }
}

class BuiltTenant implements TenantView {
  readonly digest: string
  readonly item: TenantItem
  readonly keys: ReadonlyMap<string, KeyItem>
  readonly providers: ReadonlyMap<string, ProviderItem>
  readonly chains: readonly ChainItem[]
  readonly policies: readonly PolicyItem[]
  readonly policyVersion: string
  readonly #keyring: Keyring
  readonly #teams: ReadonlyMap<string, Team>
  readonly #credentials = new Map<string, string>()

  constructor(source: TenantSource, item: TenantItem, sorted: Sorted) {
    this.#keyring = source.keyring
    this.digest = source.content.digest
    this.item = item
    this.keys = sorted.keys
    this.providers = sorted.providers
    this.chains = sorted.chains
    this.policies = sorted.policies
    this.policyVersion = digestOf(canonicalJSON(sorted.policies))
    this.#teams = new Map(item.teams.map(team => [team.name, team]))
  }

  team(name: string): Team | undefined {
    return this.#teams.get(name)
  }

  credential(provider: string): string | undefined {
    const opened = this.#credentials.get(provider)
    const sealed = this.providers.get(provider)?.credential
    if (opened !== undefined || sealed === undefined) return opened
    const credential = this.#keyring.open(this.item.name, sealed, credentialContext(provider)).toString()
    this.#credentials.set(provider, credential)
    return credential
  }
}

class BuiltSnapshot implements Snapshot {
  readonly version: Version
  readonly settings: GatewaySettings
  readonly #keyring: Keyring
  readonly #tenants: ReadonlyMap<string, TenantView>
  readonly #names: readonly string[]
  readonly #candidates: ReadonlyMap<string, readonly Candidate[]>
  /** Tokens that proved themselves to this view, by the digest of the whole token: two HMACs less a call. */
  readonly #proven = new Map<string, FoundKey>()

  constructor(
    data: SnapshotData,
    keyring: Keyring,
    tenants: ReadonlyMap<string, TenantView>,
    candidates: ReadonlyMap<string, readonly Candidate[]>,
  ) {
    this.version = data.version
    this.settings = data.settings
    this.#keyring = keyring
    this.#tenants = tenants
    this.#names = [...tenants.keys()]
    this.#candidates = candidates
  }

  tenantNames(): readonly string[] {
    return this.#names
  }

  tenant(name: string): TenantView | undefined {
    return this.#tenants.get(name)
  }

  findKey(token: string): FoundKey | undefined {
    const digest = hash('sha256', token, 'base64')
    const known = this.#proven.get(digest)
    if (known !== undefined) return known
    const candidates = this.#candidates.get(this.#keyring.keyId(token)) ?? []
    const found = candidates.find(candidate => this.#keyring.verify(candidate.tenant.item.name, token, candidate.hash))
    if (found === undefined) return undefined
    const key = { tenant: found.tenant, key: found.key, tokenExpiresAt: found.tokenExpiresAt }
    if (this.#proven.size >= MAX_PROVEN) this.#proven.clear()
    this.#proven.set(digest, key)
    return key
  }
}
