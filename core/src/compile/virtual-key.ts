// VirtualKeys of one tenant: the token becomes a lookup id and a proof; the token itself goes nowhere.
import { describeResource } from '../resources/resource.ts'
import type { VirtualKey } from '../resources/virtual-key.ts'
import type { ChainItem, KeyItem } from '../snapshot/items.ts'
import { byAge, winnersOf } from './conflicts.ts'
import { type KeyTokens, tokensOf } from './key-tokens.ts'
import { budgetOf, rateLimitOf } from './limits.ts'
import { Memo } from './memo.ts'
import type { Scope } from './scope.ts'
import type { StatusBook } from './status.ts'
import type { World } from './world.ts'

/** What keys refer to: chains by `namespace/name`, and the names of the tenant's own providers. */
export interface KeyTargets {
  readonly chains: ReadonlyMap<string, ChainItem>
  readonly providers: ReadonlySet<string>
}

/** A key on its way: its object, whose it is, and its item. */
export interface KeyDraft {
  readonly object: VirtualKey
  readonly tenant: string
  readonly item: KeyItem
}

const drafts = new Memo<VirtualKey, KeyDraft>()

/** The tenant's keys that could be served; an alias is unique in its tenant, and the oldest keys fill its limit. */
export function draftKeys(scope: Scope, keys: readonly VirtualKey[], targets: KeyTargets): KeyDraft[] {
  for (const key of keys) {
    const refusal = scope.allowsRole(key.spec.role, key.metadata.namespace)
    if (refusal !== undefined) scope.book.reject(key, 'NamespaceNotAllowed', refusal.refused)
  }
  const claim = {
    keyOf: (key: VirtualKey) => key.spec.alias,
    what: (key: VirtualKey) => `in tenant ${scope.tenant} the alias ${key.spec.alias}`,
  }
  return withinLimit(winnersOf(keys, claim, scope.book), scope).flatMap(key => {
    const tokens = tokensOf(key, scope)
    const complete = hasChain(key, scope, targets)
    reportProviders(key, scope, targets)
    return tokens === undefined || !complete || scope.book.isHeldBack(key) ? [] : [draftOf(key, tokens, scope)]
  })
}

/**
 * The keys to serve, by tenant. Two keys with one token could not be told apart, even in two tenants, and even when it is
 * the previous token of one of them. The key that it was served for has it, else the older one: whoever gets hold of a
 * token must not be able to draw its calls to a key of their own.
 */
export function distinguishable(
  all: readonly KeyDraft[],
  book: StatusBook,
  held: World['heldTokens'] = new Map(),
): Map<string, KeyItem[]> {
  const byObject = new Map(all.map(draft => [draft.object, draft]))
  const owners = new Map<string, VirtualKey>()
  for (const { object, item } of all) {
    const { uid } = object.metadata
    if (uid === undefined || book.isRejected(object)) continue
    for (const { keyId } of item.secrets) if (held.get(keyId) === uid) owners.set(keyId, object)
  }
  const served = new Map<string, KeyItem[]>()
  for (const key of byAge([...byObject.keys()])) {
    const draft = byObject.get(key)
    if (draft === undefined || book.isRejected(key)) continue
    const { item, tenant } = draft
    const owner = item.secrets
      .map(secret => owners.get(secret.keyId))
      .find(found => found !== undefined && found !== key)
    if (owner !== undefined) {
      // Names of another tenant's objects are no business of this one's.
      const whose = byObject.get(owner)?.tenant === tenant ? describeResource(owner) : 'a key of another tenant'
      const message = `the token in its Secret belongs to ${whose}, which came first; put another one there`
      book.reject(key, 'Conflicted', message)
      continue
    }
    for (const { keyId } of item.secrets) owners.set(keyId, key)
    book.carried(key, { tenant, kind: 'VirtualKey', name: item.name })
    const known = served.get(tenant)
    if (known === undefined) served.set(tenant, [item])
    else known.push(item)
  }
  return served
}

/** The oldest keys, as many as the tenant may have. */
function withinLimit(oldestFirst: readonly VirtualKey[], { maxVirtualKeys, tenant, book }: Scope): VirtualKey[] {
  if (maxVirtualKeys === undefined) return [...oldestFirst]
  for (const key of oldestFirst.slice(maxVirtualKeys)) {
    const message =
      `tenant ${tenant} may have ${maxVirtualKeys} virtual keys, and older ones are that many; ` +
      `delete one, or have spec.limits.maxVirtualKeys of AITenant ${tenant} raised`
    book.reject(key, 'Conflicted', message)
  }
  return oldestFirst.slice(0, maxVirtualKeys)
}

/** A key whose chain is missing is not served: calls must not go where its chain would not have sent them. */
function hasChain(key: VirtualKey, scope: Scope, { chains }: KeyTargets): boolean {
  const ref = key.spec.fallbackChainRef
  const name = `${key.metadata.namespace}/${ref?.name}`
  if (ref === undefined || chains.has(name)) return true
  const message = `FallbackChain ${name} is not there or not served; look at its status. The key is refused until then`
  scope.book.unresolved(key, 'RefNotFound', message)
  return false
}

function reportProviders(key: VirtualKey, scope: Scope, { providers }: KeyTargets): void {
  const missing = key.spec.providers.filter(name => !providers.has(name))
  if (missing.length === 0) return
  const message = `spec.providers: tenant ${scope.tenant} has no AIProvider ${missing.join(', ')}, or it is not served`
  scope.book.unresolved(key, 'RefNotFound', message)
}

function draftOf(key: VirtualKey, tokens: KeyTokens, { world: { keyring }, tenant }: Scope): KeyDraft {
  const { token, previous } = tokens
  return drafts.get(key, [keyring, tenant, token, previous?.token, previous?.expiresAt], () => {
    const secretOf = (text: string) => ({ keyId: keyring.keyId(text), hash: keyring.hash(tenant, text) })
    const current = secretOf(token)
    const secrets =
      previous === undefined ? [current] : [current, { ...secretOf(previous.token), expiresAt: previous.expiresAt }]
    return { object: key, tenant, item: itemOf(key, secrets) }
  })
}

function itemOf({ metadata, spec }: VirtualKey, secrets: KeyItem['secrets']): KeyItem {
  const owned = (type: string): string | undefined => (spec.owner?.type === type ? spec.owner.name : undefined)
  return {
    kind: 'VirtualKey',
    name: `${metadata.namespace}/${metadata.name}`,
    alias: spec.alias,
    secrets,
    role: spec.role,
    team: spec.team ?? owned('Team'),
    user: spec.user ?? owned('User'),
    application: owned('Application'),
    models: spec.models,
    providers: spec.providers,
    budget: budgetOf(spec.budget),
    rateLimit: rateLimitOf(spec.rateLimit),
    tags: spec.tags,
    chain: spec.fallbackChainRef?.name,
    expiresAt: spec.expiresAt === undefined ? undefined : Date.parse(spec.expiresAt),
    suspended: spec.suspend,
  }
}
