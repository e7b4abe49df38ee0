// What holds for every world: the order of the input never shows, a second compile changes nothing, every object gets
// an answer.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { describeResource, parseResource, type Resource } from '../resources/resource.ts'
import { canonicalJSON } from '../snapshot/canonical.ts'
import { Item } from '../snapshot/items.ts'
import { credentialContext, Keyring } from '../snapshot/keyring.ts'
import { newToken } from '../snapshot/token.ts'
import { compile } from './compile.ts'
import { missingTokens } from './missing-tokens.ts'
import type { World } from './world.ts'

const keyring = Keyring.fromMaster(Buffer.alloc(32, 1))

function object(kind: string, name: string, spec: object, metadata: object = {}): Resource {
  const written = { apiVersion: 'smartflow.dev/v1alpha1', kind, metadata: { name, ...metadata }, spec }
  const resource = parseResource(written)
  if (Array.isArray(resource)) throw new Error(resource.map(problem => problem.message).join('; '))
  return resource
}

function world(resources: readonly Resource[], change: Partial<World> = {}): World {
  return { resources, secrets: new Map(), environment: {}, standalone: true, keyring, ...change }
}

const nameOf = ({ metadata }: { metadata: { name: string; namespace: string } }): string =>
  `${metadata.namespace}/${metadata.name}`
const name = fc.constantFrom('a', 'b', 'c')
const metadata = fc.record(
  {
    namespace: fc.constantFrom('red', 'blue', 'loose'),
    creationTimestamp: fc.constantFrom('2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z'),
  },
  { requiredKeys: ['namespace'] },
)
const key = fc
  .record({
    alias: name,
    role: fc.constantFrom('InternalUser', 'OrgAdmin', 'ProxyAdmin'),
    providers: fc.array(name, { maxLength: 2 }),
    fallbackChainRef: fc.option(fc.record({ name }), { nil: undefined }),
  })
  .map(spec => ({ kind: 'VirtualKey', spec }))
const allowedNamespaces = fc.constantFrom(
  undefined,
  { from: 'All' },
  { from: 'Selector', selector: { matchLabels: { 'kubernetes.io/metadata.name': 'blue' } } },
)
const provider = fc
  .record({ preset: fc.constantFrom('openai', 'ollama', 'demo', 'nobody'), allowedNamespaces })
  .map(({ preset, ...spec }) => {
    const auth = preset === 'openai' ? { secretRef: { name: 'vault' } } : undefined
    return { kind: 'AIProvider', spec: { ...spec, preset, auth } }
  })
const providerRef = fc.record({ name, namespace: fc.constantFrom('red', 'blue', 'loose') }, { requiredKeys: ['name'] })
const chain = fc
  .array(providerRef, { minLength: 1, maxLength: 3 })
  .map(refs => refs.map((ref, at) => ({ name: `t${at}`, providerRef: ref })))
  .map(targets => ({ kind: 'FallbackChain', spec: { models: ['*'], targets } }))
const policy = fc
  .record({ priority: fc.integer({ min: -5, max: 5 }), parentRef: fc.option(fc.record({ name }), { nil: undefined }) })
  .map(spec => ({ kind: 'Policy', spec }))
const gateway = fc.constant({ kind: 'AIGateway', spec: { exposure: { domains: ['example.com'] } } })

const namespaced = fc
  .tuple(fc.oneof(key, provider, chain, policy, gateway), name, metadata)
  .map(([{ kind, spec }, objectName, meta]) => object(kind, objectName, spec, meta))
const tenant = fc
  .tuple(fc.subarray(['red', 'blue', 'loose']), fc.constantFrom('default', 'a', 'b'), fc.boolean())
  .map(([names, tenantName, selecting]) => {
    const selector = selecting ? { matchExpressions: [{ key: 'any', operator: 'DoesNotExist' }] } : undefined
    const hostnames = [`${tenantName === 'a' ? 'one' : 'two'}.example.com`]
    return object('AITenant', tenantName, { namespaces: { names, selector }, hostnames, adminNamespaces: ['red'] })
  })
const resources = fc.array(fc.oneof({ weight: 8, arbitrary: namespaced }, { weight: 1, arbitrary: tenant }), {
  maxLength: 25,
})
const NAMESPACES = ['red', 'blue', 'loose']
const tokenFor = (namespace: string, each: string, kind: string): string =>
  `sk-sf-${namespace}-${each}-${kind}`.padEnd(40, '0')
const previousExpires = '2027-01-01T00:00:00Z'
const secrets = new Map<string, Record<string, string>>(
  NAMESPACES.flatMap(namespace => [
    [`${namespace}/vault`, { apiKey: `credential of ${namespace}`.replaceAll(' ', '-') }],
    ...['a', 'b', 'c'].map((each): [string, Record<string, string>] => [
      `${namespace}/${each}-key`,
      {
        token: tokenFor(namespace, each, 'now'),
        previousToken: tokenFor(namespace, each, 'old'),
        previousExpires,
      },
    ]),
  ]),
)

describe('any world', () => {
  test('compiles to the same whatever the order of its objects', () => {
    const shuffled = resources.chain(objects =>
      fc.tuple(fc.constant(objects), fc.shuffledSubarray(objects, { minLength: objects.length })),
    )
    fc.assert(
      fc.property(shuffled, fc.boolean(), ([objects, others], standalone) => {
        const one = compile(world(objects, { standalone, secrets }))
        const other = compile(world(others, { standalone, secrets }))
        expect([...other.compiled.tenants.keys()]).toEqual([...one.compiled.tenants.keys()])
        expect(canonicalJSON(Object.fromEntries(other.compiled.tenants))).toBe(
          canonicalJSON(Object.fromEntries(one.compiled.tenants)),
        )
        expect(canonicalJSON(other.statuses)).toBe(canonicalJSON(one.statuses))
      }),
      { numRuns: 150 },
    )
  })

  test('compiles again to the very same text, sealed credentials included', () => {
    fc.assert(
      fc.property(resources, objects => {
        const again = world(objects, { secrets, environment: { OPENAI_API_KEY: 'credential' } })
        expect(canonicalJSON(compile(again).compiled.settings)).toBe(canonicalJSON(compile(again).compiled.settings))
        const [one, other] = [compile(again), compile({ ...again, resources: structuredClone(again.resources) })]
        expect([...other.compiled.tenants]).toEqual([...one.compiled.tenants])
        expect(canonicalJSON(other.statuses)).toBe(canonicalJSON(one.statuses))
        const items = new Set([...compile(again).compiled.tenants.values()].flat())
        expect([...one.compiled.tenants.values()].flat().filter(item => !items.has(item))).toEqual([])
      }),
      { numRuns: 50 },
    )
  })

  test('gives no tenant a key or a credential of another, but what a provider allows', () => {
    fc.assert(
      fc.property(resources, objects => {
        const { compiled, statuses } = compile(world(objects, { standalone: false, secrets }))
        const homes = new Map(statuses.map(each => [`${each.kind} ${each.namespace}/${each.name}`, each.item?.tenant]))
        for (const [tenant, items] of compiled.tenants) {
          for (const item of items) {
            if (item.kind === 'VirtualKey') {
              expect(homes.get(`VirtualKey ${item.name}`)).toBe(tenant)
              const [namespace = '', each = ''] = item.name.split('/')
              const tokens = [tokenFor(namespace, each, 'now'), tokenFor(namespace, each, 'old')]
              expect(item.secrets.map(({ hash }, at) => keyring.verify(tenant, tokens[at] ?? '', hash))).toEqual([
                true,
                true,
              ])
            }
            if (item.kind !== 'AIProvider' || item.credential === undefined) continue
            const credential = keyring.open(tenant, item.credential, credentialContext(item.name)).toString()
            const owners = objects.flatMap(each => {
              if (each.kind !== 'AIProvider' || each.metadata.name !== item.name.replace(/^.*:/, '')) return []
              if (`credential-of-${each.metadata.namespace}` !== credential) return []
              return [{ allowed: each.spec.allowedNamespaces, home: homes.get(`AIProvider ${nameOf(each)}`) }]
            })
            expect(owners.some(({ home }) => home === (item.lender ?? tenant))).toBe(true)
            if (item.lender === undefined) continue
            expect(item.lender).not.toBe(tenant)
            expect(owners.some(({ allowed }) => allowed !== undefined)).toBe(true)
          }
        }
      }),
      { numRuns: 200 },
    )
  })

  test('gives every object exactly one status, and items with unique names that readers accept', () => {
    fc.assert(
      fc.property(resources, fc.boolean(), (objects, standalone) => {
        const { compiled, statuses } = compile(world(objects, { standalone, secrets }))
        expect(statuses).toHaveLength(new Set(objects.map(describeResource)).size)
        for (const items of compiled.tenants.values()) {
          const names = items.map(item => `${item.kind} ${item.name}`)
          expect(new Set(names).size).toBe(names.length)
          for (const item of items) expect(Item.safeParse(item).success).toBe(true)
        }
      }),
      { numRuns: 100 },
    )
  })

  test('has its chains point only at providers that are served, and its keys only at chains that are', () => {
    fc.assert(
      fc.property(resources, objects => {
        for (const items of compile(world(objects, { secrets })).compiled.tenants.values()) {
          const names = new Set(items.map(item => `${item.kind} ${item.name}`))
          const references = items.flatMap(item => {
            if (item.kind === 'FallbackChain') return item.targets.map(each => `AIProvider ${each.provider}`)
            return item.kind === 'VirtualKey' && item.chain !== undefined ? [`FallbackChain ${item.chain}`] : []
          })
          expect(references.filter(reference => !names.has(reference))).toEqual([])
        }
      }),
      { numRuns: 100 },
    )
  })

  test('lets no key be ProxyAdmin outside the namespace of the AIGateway', () => {
    fc.assert(
      fc.property(resources, fc.boolean(), (objects, standalone) => {
        const { compiled, statuses } = compile(world(objects, { standalone, secrets }))
        const accepted = statuses.filter(each => each.kind === 'AIGateway' && each.conditions[0]?.status === 'True')
        const admins = [...compiled.tenants.values()]
          .flat()
          .filter(each => each.kind === 'VirtualKey' && each.role === 'ProxyAdmin')
        const home = accepted[0]?.namespace ?? (standalone ? 'default' : undefined)
        expect(admins.every(each => each.name.startsWith(`${home}/`))).toBe(true)
      }),
      { numRuns: 100 },
    )
  })
})

describe('a provider of a standalone run', () => {
  const openai = object('AIProvider', 'openai', { preset: 'openai' })
  const itemOf = (environment: World['environment'], ...objects: Resource[]) => {
    const items = compile(world(objects, { environment })).compiled.tenants.get('default') ?? []
    return items.find(item => item.kind === 'AIProvider')
  }

  test("is the demo upstream until its row's variable is set", () => {
    expect(itemOf({}, openai)).toMatchObject({ demo: true, credential: undefined })
    expect(itemOf({ OPENAI_API_KEY: '  ' }, openai)).toMatchObject({ demo: true })
    const real = itemOf({ OPENAI_API_KEY: 'real' }, openai)
    expect(real).toMatchObject({ demo: false })
    expect(keyring.open('default', real?.credential ?? '', credentialContext('openai')).toString()).toBe('real')
  })

  test('takes its credential from a Secret of the folder, which wins over the variable', () => {
    const named = object('AIProvider', 'openai', { preset: 'openai', auth: { secretRef: { name: 'vault' } } })
    const secret = parseResource({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'vault' },
      data: { apiKey: 'c2VhbGVk' },
    })
    if (Array.isArray(secret)) throw new Error('the Secret is valid')
    const real = itemOf({ OPENAI_API_KEY: 'other' }, named, secret)
    expect(keyring.open('default', real?.credential ?? '', credentialContext('openai')).toString()).toBe('sealed')
  })

  test("keeps the path of a base URL that has one, and gets its row's path when it has none", () => {
    const ollama = object('AIProvider', 'ollama', { preset: 'ollama' })
    expect(itemOf({}, ollama)?.baseURL).toBe('http://localhost:11434/v1')
    expect(itemOf({ OLLAMA_BASE_URL: 'http://10.1.2.3:9/' }, ollama)?.baseURL).toBe('http://10.1.2.3:9/v1')
    expect(itemOf({ OLLAMA_BASE_URL: 'http://gpu/ollama/' }, ollama)?.baseURL).toBe('http://gpu/ollama')
    expect(itemOf({ OLLAMA_BASE_URL: 'gpu:9' }, ollama)).toBeUndefined()
  })
})

describe('an AITenant that is refused', () => {
  test('leaves its namespaces to nobody, so that its keys do not fall under other limits', () => {
    const { compiled } = compile(
      world(
        [
          object(
            'AITenant',
            'first',
            { namespaces: { names: ['blue'] } },
            { creationTimestamp: '2026-01-01T00:00:00Z' },
          ),
          object(
            'AITenant',
            'default',
            { namespaces: { names: ['blue'] } },
            { creationTimestamp: '2026-02-01T00:00:00Z' },
          ),
          object('VirtualKey', 'a', { alias: 'a' }, { namespace: 'loose' }),
        ],
        { secrets },
      ),
    )
    expect(compiled.tenants.get('default')).toMatchObject([{ kind: 'AITenant', suspended: true }])
  })
})

describe('tokens to make', () => {
  test('are those of keys that bring none and have no Secret yet', () => {
    const objects = [
      object('VirtualKey', 'new', { alias: 'new' }),
      object('VirtualKey', 'named', { alias: 'named', secretName: 'other' }),
      object('VirtualKey', 'brought', { alias: 'brought', keyFrom: { secretRef: { name: 'mine' } } }),
      object('VirtualKey', 'there', { alias: 'there' }),
    ]
    const known = new Map([['default/there-key', { token: newToken() }]])
    expect(missingTokens(objects, known)).toEqual([
      { namespace: 'default', secretName: 'new-key', key: 'token', alias: 'new' },
      { namespace: 'default', secretName: 'other', key: 'token', alias: 'named' },
    ])
  })

  test('look like every token of the gateway', () => {
    expect(newToken()).toMatch(/^sk-sf-[0-9a-f]{48}$/)
  })
})
