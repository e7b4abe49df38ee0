// A compiled configuration to test with: one tenant `red` with keys, a provider, a chain and policies; more on demand.
import { canonicalJSON } from './canonical.ts'
import type { Compiled, Item, KeyItem, PolicyItem, Retry } from './items.ts'
import { credentialContext, Keyring } from './keyring.ts'

/** The keyring of every test. */
export const testKeyring: Keyring = Keyring.fromMaster(Buffer.alloc(32, 3))

/** The token of the key number `at`. */
export function testToken(at: number): string {
  return `sk-sf-${String(at).padStart(48, '0')}`
}

/** The key number `at` of a tenant, served with `testToken(at)`. */
export function testKey(tenant: string, at: number, change: Partial<KeyItem> = {}): KeyItem {
  const token = testToken(at)
  return {
    kind: 'VirtualKey',
    name: `apps/key-${String(at).padStart(5, '0')}`,
    alias: `key-${at}`,
    secrets: [{ keyId: testKeyring.keyId(token), hash: testKeyring.hash(tenant, token) }],
    role: 'InternalUser',
    models: [],
    providers: [],
    tags: [],
    suspended: false,
    ...change,
  }
}

const testRetry: Retry = {
  attempts: 2,
  baseDelay: 250,
  maxDelay: 5_000,
  jitterPercent: 20,
  on: ['HTTP429', 'HTTP5xx', 'Timeout', 'Connect'],
}

/** A policy that concerns everybody. */
export function testPolicy(name: string, priority: number): PolicyItem {
  return {
    kind: 'Policy',
    name,
    priority,
    scope: { teams: [], keyAliases: [], models: [], tags: [] },
    guardrails: [],
    allowRewriteNative: false,
    holdBack: 4_096,
  }
}

/** Items of a tenant: itself with the team `search`, a provider with a credential, a chain, two policies, and these. */
export function testTenant(tenant: string, more: readonly Item[] = []): Item[] {
  const credential = testKeyring.seal(tenant, Buffer.from(`credential of ${tenant}`), credentialContext('main'))
  const items: Item[] = [
    {
      kind: 'AITenant',
      name: tenant,
      namespaces: ['apps'],
      teams: [{ name: 'search', budget: { amount: 5_000_000, period: 'Daily' } }],
      suspended: false,
    },
    {
      kind: 'AIProvider',
      name: 'main',
      preset: 'acme',
      baseURL: 'https://api.example.com/v1',
      credential,
      demo: false,
      allowPrivateEndpoint: false,
      models: { allow: [], deny: [], aliases: {} },
      timeouts: { connect: 5_000, request: 60_000, streamIdle: 60_000 },
      pricing: {},
      tags: [],
    },
    {
      kind: 'FallbackChain',
      name: 'chain',
      models: ['*'],
      targets: [{ name: 'only', provider: 'main', retry: testRetry }],
      maxAttempts: 8,
      breaker: { failures: 5, openFor: 30_000 },
    },
    testPolicy('low', 1),
    testPolicy('high', 2),
    ...more,
  ]
  return items.sort((a, b) => (canonicalJSON([a.kind, a.name]) < canonicalJSON([b.kind, b.name]) ? -1 : 1))
}

/** A compile's result with these tenants. */
export function testCompiled(tenants: Readonly<Record<string, readonly Item[]>>): Compiled {
  return {
    settings: {
      name: 'main',
      requestTimeout: 60_000,
      streamIdleTimeout: 60_000,
      maxBodyBytes: 1_000_000,
      storeLoss: { budgets: 'FailOpenLocal', rateLimits: 'Local' },
    },
    tenants: new Map(Object.entries(tenants)),
  }
}
