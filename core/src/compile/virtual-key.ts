// VirtualKeys of one tenant: the token becomes a lookup id and a proof; the token itself goes nowhere.
import { TOKEN_SECRET_KEY, type VirtualKey } from '../resources/virtual-key.ts'
import type { ChainItem, KeyItem, ProviderItem } from '../snapshot/items.ts'
import { TOKEN_MIN_LENGTH } from '../snapshot/token.ts'
import { winnersOf } from './conflicts.ts'
import { budgetOf, rateLimitOf } from './limits.ts'
import type { Scope } from './scope.ts'
import type { StatusBook } from './status.ts'

/** What keys refer to: chains by `namespace/name`, and the tenant's providers. */
export interface KeyTargets {
  readonly chains: ReadonlyMap<string, ChainItem>
  readonly providers: ReadonlyMap<string, ProviderItem>
}

/** A key on its way: its object and its token's lookup id, which no two keys of the gateway may share. */
export interface KeyDraft {
  readonly object: VirtualKey
  readonly keyId: string
  readonly item: KeyItem
}

/** Where a key's token is: a Secret of its namespace and a key of it. */
export interface TokenPlace {
  readonly namespace: string
  readonly secretName: string
  readonly key: string
}

/** The place of a virtual key's token. */
export function tokenPlace({ metadata, spec }: VirtualKey): TokenPlace {
  const ref = spec.keyFrom?.secretRef
  return {
    namespace: metadata.namespace,
    secretName: ref?.name ?? spec.secretName ?? `${metadata.name}-key`,
    key: ref?.key ?? TOKEN_SECRET_KEY,
  }
}

/** The tenant's keys that could be served; an alias is unique in its tenant. */
export function draftKeys(scope: Scope, keys: readonly VirtualKey[], targets: KeyTargets): KeyDraft[] {
  for (const key of keys) {
    const refusal = scope.allowsRole(key.spec.role, key.metadata.namespace)
    if (refusal !== undefined) scope.book.reject(key, 'NamespaceNotAllowed', refusal.refused)
  }
  const claim = {
    keyOf: (key: VirtualKey) => key.spec.alias,
    what: (key: VirtualKey) => `in tenant ${scope.tenant} the alias ${key.spec.alias}`,
  }
  return winnersOf(keys, claim, scope.book).flatMap(key => {
    const token = tokenOf(key, scope)
    const complete = hasChain(key, scope, targets)
    reportProviders(key, scope, targets)
    return token === undefined || !complete ? [] : [draftOf(key, token, scope)]
  })
}

/**
 * The keys to serve, by tenant. Two keys with one token could not be told apart, even in two tenants: the older one has
 * it.
 */
export function distinguishable(
  drafts: ReadonlyMap<string, readonly KeyDraft[]>,
  book: StatusBook,
): Map<string, readonly KeyItem[]> {
  const byObject = new Map([...drafts.values()].flat().map(draft => [draft.object, draft]))
  const claim = {
    keyOf: (key: VirtualKey) => byObject.get(key)?.keyId ?? '',
    what: () => 'the token in its Secret',
  }
  const winners = new Set(winnersOf([...byObject.keys()], claim, book))
  const served = (keys: readonly KeyDraft[]) => keys.filter(draft => winners.has(draft.object)).map(draft => draft.item)
  return new Map([...drafts].map(([tenant, keys]) => [tenant, served(keys)]))
}

function tokenOf(key: VirtualKey, scope: Scope): string | undefined {
  const place = tokenPlace(key)
  const name = `${place.namespace}/${place.secretName}`
  const token = scope.secrets.get(name)?.[place.key]?.trim()
  if (token === undefined || token === '') {
    scope.book.unresolved(
      key,
      'SecretNotFound',
      `Secret ${name} with the key ${place.key} is not there; create it with the token`,
    )
    return undefined
  }
  if (token.length >= TOKEN_MIN_LENGTH && /^[\x21-\x7e]+$/.test(token)) return token
  const wanted = `at least ${TOKEN_MIN_LENGTH} characters, without spaces`
  scope.book.reject(
    key,
    'Invalid',
    `the token in Secret ${name} is too easy to guess or not plain text; it needs ${wanted}`,
  )
  return undefined
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

function reportProviders(key: VirtualKey, scope: Scope, targets: KeyTargets): void {
  const known = new Set([...targets.providers.values()].map(provider => provider.name))
  const missing = key.spec.providers.filter(name => !known.has(name))
  if (missing.length === 0) return
  const message = `spec.providers: tenant ${scope.tenant} has no AIProvider ${missing.join(', ')}, or it is not served`
  scope.book.unresolved(key, 'RefNotFound', message)
}

function draftOf(key: VirtualKey, token: string, { world, tenant }: Scope): KeyDraft {
  const { metadata, spec } = key
  const owned = (type: string): string | undefined => (spec.owner?.type === type ? spec.owner.name : undefined)
  const keyId = world.keyring.keyId(token)
  const item: KeyItem = {
    kind: 'VirtualKey',
    name: `${metadata.namespace}/${metadata.name}`,
    alias: spec.alias,
    secrets: [{ keyId, hash: world.keyring.hash(tenant, token) }],
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
  return { object: key, keyId, item }
}
