// AIProviders of one tenant: the row, where it is reached, and its credential, sealed for the tenant.
import type { AIProvider } from '../resources/ai-provider.ts'
import { parseDuration } from '../resources/metadata.ts'
import { parseUSD } from '../money.ts'
import { type FormatName, type ProviderRow, providerRow, providerRows } from '../providers.ts'
import type { ModelPrice, ProviderItem } from '../snapshot/items.ts'
import { credentialContext, type Keyring } from '../snapshot/keyring.ts'
import { winnersOf } from './conflicts.ts'
import { Memo } from './memo.ts'
import { endpointOf } from './provider-endpoint.ts'
import type { Scope } from './scope.ts'

/** Characters that may stand in a header. */
const HEADER_SAFE = /^[\x21-\x7e]+$/

/** The wire formats by the names that the resource has for them. */
const FORMATS: Readonly<Partial<Record<NonNullable<AIProvider['spec']['format']>, FormatName>>> = {
  OpenAIChat: 'openai-chat',
  AnthropicMessages: 'anthropic-messages',
}

interface Checked {
  readonly row: ProviderRow
  readonly baseURL: string
  readonly allowPrivateEndpoint: boolean
}

/** A provider that is served. `credential` is the plain one, to be sealed for whichever tenant may use it. */
export interface ServedProvider {
  readonly object: AIProvider
  readonly tenant: string
  readonly credential: string | undefined
  readonly item: ProviderItem
}

const items = new Memo<AIProvider, ProviderItem>()

/** The tenant's providers by `namespace/name`. A provider's name is unique in its tenant. */
export function compileProviders(scope: Scope, providers: readonly AIProvider[]): Map<string, ServedProvider> {
  const checked = new Map<AIProvider, Checked>()
  for (const provider of providers) {
    const result = check(provider, scope)
    if (typeof result === 'string') scope.book.reject(provider, 'UnsupportedValue', result)
    else checked.set(provider, result)
  }
  const claim = {
    keyOf: (provider: AIProvider) => provider.metadata.name,
    what: (provider: AIProvider) => `in tenant ${scope.tenant} the provider name ${provider.metadata.name}`,
  }
  const served = new Map<string, ServedProvider>()
  for (const provider of winnersOf([...checked.keys()], claim, scope.book)) {
    const basis = checked.get(provider)
    const found = basis === undefined ? undefined : serve(provider, basis, scope)
    if (found === undefined || scope.book.isHeldBack(provider)) continue
    scope.book.carried(provider, { tenant: scope.tenant, kind: 'AIProvider', name: found.item.name })
    served.set(`${provider.metadata.namespace}/${provider.metadata.name}`, found)
  }
  return served
}

const copies = new Memo<ProviderItem, ProviderItem>()

/**
 * The provider for chains of another tenant: under a name that no object of that tenant can have (a name has no `:`), and
 * with the credential sealed for that tenant.
 */
export function lentTo(
  tenant: string,
  { item, tenant: lender, credential }: ServedProvider,
  keyring: Keyring,
): ProviderItem {
  return copies.get(item, [tenant, lender, credential, keyring], () => {
    const name = `${lender}:${item.name}`
    return { ...item, name, lender, credential: sealed(credential, name, { keyring, tenant }) }
  })
}

/** What the row says of this provider, or why it cannot be served. */
function check(provider: AIProvider, { world }: Scope): Checked | string {
  const { preset } = provider.spec
  const row = providerRow(preset)
  if (row === undefined) {
    const names = providerRows().map(each => each.name)
    return `spec.preset: there is no provider "${preset}"; there are ${names.join(', ')}`
  }
  if (row.demo === true) {
    if (!world.standalone) return 'spec.preset: the demo upstream is for standalone runs only, never for a cluster'
    return { row, baseURL: row.baseURL, allowPrivateEndpoint: false }
  }
  const endpoint = endpointOf(provider, row, world)
  return 'problem' in endpoint ? endpoint.problem : { row, ...endpoint }
}

/** The provider, or undefined when a credential is missing and nothing may stand in for it. */
function serve(provider: AIProvider, basis: Checked, scope: Scope): ServedProvider | undefined {
  const credential = credentialOf(provider, basis.row, scope)
  const standing = standingOf(provider, basis.row, credential)
  if (scope.book.isRejected(provider) || standing === 'broken') return undefined
  if (standing === 'demo' && !scope.world.standalone) return undefined
  const { tenant, settings } = scope
  const { row, baseURL, allowPrivateEndpoint } = basis
  const own = [tenant, scope.world.keyring, credential, standing, row, baseURL, allowPrivateEndpoint]
  const item = items.get(provider, [...own, settings.requestTimeout, settings.streamIdleTimeout], () =>
    itemOf(provider, { basis, credential, demo: standing === 'demo' }, scope),
  )
  return { object: provider, tenant, credential, item }
}

interface Found {
  readonly basis: Checked
  readonly credential: string | undefined
  readonly demo: boolean
}

function itemOf(provider: AIProvider, { basis, credential, demo }: Found, scope: Scope): ProviderItem {
  const { spec, metadata } = provider
  return {
    kind: 'AIProvider',
    name: metadata.name,
    preset: spec.preset,
    baseURL: basis.baseURL,
    format: spec.format === undefined ? undefined : FORMATS[spec.format],
    credential: sealed(credential, metadata.name, { keyring: scope.world.keyring, tenant: scope.tenant }),
    demo,
    allowPrivateEndpoint: basis.allowPrivateEndpoint,
    models: spec.models,
    timeouts: timeoutsOf(provider, scope),
    pricing: Object.fromEntries(spec.pricing.map(price => [price.model, priceOf(price)])),
    tags: spec.tags,
  }
}

/**
 * `broken`: it needs no credential, but names one that is not there; calls without it are not what its author wants.
 */
function standingOf(
  provider: AIProvider,
  row: ProviderRow,
  credential: string | undefined,
): 'real' | 'demo' | 'broken' {
  if (row.demo === true) return 'demo'
  if (credential !== undefined) return 'real'
  if (row.needsCredential) return 'demo'
  return provider.spec.auth === undefined ? 'real' : 'broken'
}

function sealed(
  credential: string | undefined,
  name: string,
  { keyring, tenant }: { keyring: Keyring; tenant: string },
): string | undefined {
  return credential === undefined ? undefined : keyring.seal(tenant, Buffer.from(credential), credentialContext(name))
}

/** The credential, or undefined when there is none; what is missing is written down. */
function credentialOf(provider: AIProvider, row: ProviderRow, scope: Scope): string | undefined {
  const found = provider.spec.auth === undefined ? fromVariable(provider, row, scope) : fromSecret(provider, scope)
  const credential = found?.trim()
  if (credential === undefined || credential === '') return undefined
  if (HEADER_SAFE.test(credential)) return credential
  scope.book.reject(
    provider,
    'Invalid',
    'the credential has spaces, line breaks or letters that no header carries; store it again',
  )
  return undefined
}

function fromSecret(provider: AIProvider, scope: Scope): string | undefined {
  const ref = provider.spec.auth?.secretRef
  if (ref === undefined) return undefined
  const name = `${provider.metadata.namespace}/${ref.name}`
  const value = scope.secrets.get(name)?.[ref.key]
  if (value !== undefined && value.trim() !== '') return value
  scope.book.unresolved(
    provider,
    'SecretNotFound',
    `Secret ${name} with the key ${ref.key} is not there; create it${standIn(scope)}`,
  )
  return undefined
}

function standIn(scope: Scope): string {
  return scope.world.standalone ? ' (the demo upstream answers until then)' : ''
}

function fromVariable(provider: AIProvider, row: ProviderRow, scope: Scope): string | undefined {
  const { world, book } = scope
  const variable = row.variables.apiKey
  const value = world.standalone && variable !== undefined ? world.environment?.[variable] : undefined
  if (!row.needsCredential || (value !== undefined && value.trim() !== '')) return value
  if (world.standalone) {
    const how = `set the variable ${variable}, or spec.auth.secretRef, to reach ${row.displayName} itself`
    book.note(provider, `no credential, so the demo upstream answers in its place; ${how}`)
  } else {
    book.unresolved(provider, 'SecretNotFound', `${row.displayName} needs a credential; set spec.auth.secretRef`)
  }
  return undefined
}

function timeoutsOf({ spec }: AIProvider, { settings }: Scope): ProviderItem['timeouts'] {
  const { connect, request, streamIdle } = spec.timeouts
  return {
    connect: parseDuration(connect),
    request: request === undefined ? settings.requestTimeout : parseDuration(request),
    streamIdle: streamIdle === undefined ? settings.streamIdleTimeout : parseDuration(streamIdle),
  }
}

function priceOf(price: AIProvider['spec']['pricing'][number]): ModelPrice {
  return {
    input: parseUSD(price.inputPerMillionUSD),
    output: parseUSD(price.outputPerMillionUSD),
    cachedInput: microsOf(price.cachedInputPerMillionUSD),
    cacheWrite: microsOf(price.cacheWritePerMillionUSD),
    maxOutputTokens: price.maxOutputTokens,
  }
}

function microsOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseUSD(text)
}
