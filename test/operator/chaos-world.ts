// A world to break: a control plane and a Redis of the test's own, a tenant's objects, and what all of it comes to in the
// end, so that a run with trouble can be compared with one without.
import { expect } from 'vitest'
import type { Kind } from '../../core/src/resources/resource.ts'
import { TOKEN_SECRET_KEY } from '../../core/src/resources/virtual-key.ts'
import { pathOf, typeOf } from '../../operator/src/api/resource-type.ts'
import { eventually } from '../e2e/gateway.ts'
import { condition, isSaid, type Place, secretOf, see, type Seen, seeAll } from './stack.ts'
import { NAMESPACE, type World as Whole, worldOfFile } from './world.ts'

const API = '/apis/smartflow.dev/v1alpha1'

/** What a file of tests has for itself, as a place too. */
export type World = Place & Pick<Whole, 'cluster' | 'dir' | 'redis'>

/** Registers a world for the tests of a file; `begun` makes what all of them need. */
export function chaosOfFile(begun: (world: World) => Promise<void> = async () => undefined): { readonly world: World } {
  let made: World | undefined
  worldOfFile(async ({ place, cluster, dir, redis }) => {
    made = { ...place, cluster, dir, redis }
    await create(made, gatewayObject())
    await begun(made)
  }, [])
  return {
    get world() {
      if (made === undefined) throw new Error('the world is not there')
      return made
    },
  }
}

/* ---------------------------------------------------------------- objects */

/** An object of a test's. */
export interface Made {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
  }
  readonly spec?: object
}

/** An object of ours; in no namespace: cluster-scoped. */
function made(kind: Kind, name: string, namespace: string | undefined, spec: object): Made {
  const metadata = { name, ...(namespace !== undefined && { namespace }) }
  return { apiVersion: 'smartflow.dev/v1alpha1', kind, metadata, spec }
}

/** Creates an object. Throws with what the API server says against it. */
export async function create({ cluster }: Place, object: Made): Promise<void> {
  const { kind, metadata } = object
  const path = pathOf({ type: typeOf(object), namespace: metadata.namespace })
  const { code, body } = await cluster.request('POST', path, { body: object })
  if (code !== 201) throw new Error(`${kind} ${metadata.name}: the API server said ${code}: ${JSON.stringify(body)}`)
}

/** Deletes an object of ours; it may stay until its finalizers are off. */
export async function remove({ cluster }: Place, plural: string, name: string, namespace: string): Promise<void> {
  await cluster.request('DELETE', `${API}/namespaces/${namespace}/${plural}/${name}`)
}

function gatewayObject(): Made {
  return made('AIGateway', 'main', NAMESPACE, { dataPlane: { ackTimeout: '10s' }, exposure: { networkPolicy: true } })
}

/** A tenant in a namespace of its name: two providers, a chain, a policy, and keys. */
export function tenantObjects(tenant: string, keys: readonly string[] = ['app', 'web', 'gone']): Made[] {
  const provider = (name: string): Made =>
    made('AIProvider', name, tenant, {
      preset: 'local',
      baseURL: `http://${name}.invalid:8000/v1`,
      allowPrivateEndpoint: true,
      pricing: [{ model: 'small', inputPerMillionUSD: '0.20', outputPerMillionUSD: '0.60' }],
    })
  const target = (name: string): object => ({ name, providerRef: { name }, model: 'small' })
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: tenant, labels: { tenant } } },
    made('AITenant', tenant, undefined, {
      namespaces: { selector: { matchLabels: { tenant } } },
      adminNamespaces: [tenant],
    }),
    provider('one'),
    provider('two'),
    made('FallbackChain', 'both', tenant, { models: ['both'], targets: [target('one'), target('two')] }),
    made('Policy', 'base', tenant, {
      guardrails: [{ name: 'personal', type: 'PII', action: 'Redact', config: { entities: ['Email'] } }],
    }),
    ...keys.map(name => key(tenant, name)),
  ]
}

/** A key of a tenant's namespace. */
export function key(tenant: string, name: string): Made {
  return made('VirtualKey', name, tenant, { alias: name, models: ['both'] })
}

/** Creates all of them, one after another. */
export async function createAll(place: Place, objects: readonly Made[]): Promise<void> {
  for (const object of objects) await create(place, object)
}

/* -------------------------------------------------------------- questions */

/** Kinds of a tenant, as the API calls them. */
const TENANT_PLURALS = ['aitenants', 'aiproviders', 'fallbackchains', 'policies', 'virtualkeys'] as const

/** A tenant's objects of a kind: of many tenants only this one is asked for. */
async function seeOf({ cluster }: Place, tenant: string, plural: string): Promise<readonly Seen[]> {
  if (plural !== 'aitenants') return seeAll(cluster, plural, tenant)
  const seen = await see(cluster, plural, tenant)
  return seen === undefined ? [] : [seen]
}

/** What is not Ready as it is now, in words; for a tenant's objects, or for all. */
async function notReady(place: Place, tenant?: string): Promise<string[]> {
  const plurals = tenant === undefined ? ['aigateways', ...TENANT_PLURALS] : TENANT_PLURALS
  const all = await Promise.all(
    plurals.map(async plural => {
      const seen = tenant === undefined ? await seeAll(place.cluster, plural) : await seeOf(place, tenant, plural)
      return seen.map(each => ({ plural, each }))
    }),
  )
  return all.flat().flatMap(({ plural, each }) => {
    if (each.metadata.deletionTimestamp === undefined && isSaid(each, 'Ready', 'True')) return []
    const ready = condition(each, 'Ready')
    return [`${plural}/${each.metadata.name}: ${ready?.status} ${ready?.reason} ${ready?.message}`]
  })
}

/** Waits until everything (of a tenant) is Ready as it is now; fails with what is not, and with what `log` gives. */
export async function allReady(place: Place, options: { tenant?: string; ms?: number; log?: () => string } = {}) {
  let missing: readonly string[] = ['nothing was seen yet']
  try {
    await eventually(
      'everything is Ready',
      async () => {
        missing = await notReady(place, options.tenant)
        return missing.length === 0
      },
      options.ms ?? 60_000,
    )
  } catch (error) {
    const log = options.log?.().slice(-4_000) ?? ''
    throw new Error(`not Ready: ${missing.join('\n')}\n${log}`, { cause: error })
  }
}

/** A key's token, once its Secret is there. */
export function tokenOf({ cluster }: Place, tenant: string, name: string, ms = 90_000): Promise<string> {
  return eventually(
    `the token of ${name}`,
    async () => (await secretOf(cluster, tenant, `${name}-key`))?.[TOKEN_SECRET_KEY] || undefined,
    ms,
  )
}

/** Waits until the key's object is gone. */
export async function isGone({ cluster }: Place, tenant: string, name: string, ms = 60_000): Promise<void> {
  await eventually(`${name} is gone`, async () => (await see(cluster, 'virtualkeys', name, tenant)) === undefined, ms)
}

/* -------------------------------------------------------------- end state */

/** A tenant's objects without what differs from run to run: times, versions, digests, random ids, the tenant's own name. */
export async function endState(place: Place, tenant: string): Promise<Record<string, unknown>> {
  const { cluster, namespace, gateway } = place
  const state: Record<string, unknown> = {}
  for (const plural of TENANT_PLURALS) {
    for (const { metadata, spec, status } of await seeOf(place, tenant, plural)) {
      const { finalizers = [] } = metadata
      state[`${plural}/${metadata.name}`.replace(tenant, 'TENANT')] = settled({ finalizers, spec, status }, tenant)
    }
  }
  for (const name of ['app', 'web', 'gone']) {
    const secret = await secretOf(cluster, tenant, `${name}-key`)
    state[`secret/${name}-key`] = secret === undefined ? 'none' : Object.keys(secret).sort()
  }
  const policies = `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`
  const { body } = await cluster.request<{ items: { metadata: { name: string }; spec: object }[] }>('GET', policies)
  for (const { metadata, spec } of body.items) {
    // The name ends with a digest of the tenant's.
    const name = metadata.name.replace(new RegExp(`${tenant}-[0-9a-f]+`), 'TENANT')
    if (name === `sf-${gateway}` || name.includes('TENANT')) state[`networkpolicy/${name}`] = settled(spec, tenant)
  }
  return state
}

/** Waits until it has come to the same; fails with the difference. */
export async function endsAs(
  place: Place,
  tenant: string,
  wanted: Record<string, unknown>,
  timeout = 60_000,
): Promise<void> {
  await expect.poll(() => endState(place, tenant), { timeout, interval: 100 }).toEqual(wanted)
}

/** Members whose values differ from run to run; that they are there is compared. */
const PASSING: ReadonlySet<string> = new Set([
  'lastTransitionTime',
  'epoch',
  'generation',
  'digest',
  'publishedAt',
  'minAckedGeneration',
  'keyID',
  'rotatedAt',
])

function settled(value: unknown, tenant: string): unknown {
  if (Array.isArray(value)) return value.map(each => settled(each, tenant))
  if (typeof value === 'string') return value.replaceAll(tenant, 'TENANT')
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name, PASSING.has(name) ? typeof each : settled(each, tenant)]),
  )
}
