// Objects of a large installation: tenants with a namespace each, and in it a provider, chains and keys.

/** How much there is in all; chains and keys are spread over the tenants. */
export interface ScaleSize {
  readonly tenants: number
  readonly chains: number
  readonly keys: number
}

/** An object as a client writes it. */
export interface WrittenObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
  readonly [field: string]: unknown
}

const API = 'smartflow.dev/v1alpha1'

/** The namespace of a tenant by its number. */
export function namespaceOf(tenant: number): string {
  return `tenant-${tenant}`
}

/** Name and namespace of a chain, or of a key, by its number. */
export function placeOf(
  kind: 'chain' | 'key',
  number: number,
  { tenants }: ScaleSize,
): { name: string; namespace: string } {
  return { name: `${kind}-${number}`, namespace: namespaceOf(number % tenants) }
}

/** The gateway, and for each tenant its namespace, provider and the provider's Secret; made before what is measured. */
export function groundOf(
  { namespace, gateway }: { readonly namespace: string; readonly gateway: string },
  { tenants }: ScaleSize,
  baseURL: string,
): WrittenObject[] {
  const each = Array.from({ length: tenants }, (_, tenant) => {
    const own = namespaceOf(tenant)
    return [
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: own } },
      secretOf(own),
      object('AITenant', { name: `t${tenant}` }, { namespaces: { names: [own] } }),
      providerOf(own, baseURL),
    ]
  })
  const dataPlane = { serviceName: `${gateway}-gateway` }
  return [object('AIGateway', { name: 'main', namespace }, { dataPlane }), ...each.flat()]
}

/** The credential of a tenant's provider. */
function secretOf(namespace: string): WrittenObject {
  const data = { apiKey: Buffer.from('upstream-secret').toString('base64') }
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'provider', namespace }, type: 'Opaque', data }
}

function providerOf(namespace: string, baseURL: string): WrittenObject {
  return object(
    'AIProvider',
    { name: 'provider', namespace },
    {
      preset: 'local',
      baseURL,
      allowPrivateEndpoint: true,
      auth: { secretRef: { name: 'provider', key: 'apiKey' } },
    },
  )
}

/** A chain of two targets; `model` is what the first of them is asked for. */
export function chainOf(number: number, size: ScaleSize, model = 'first'): WrittenObject {
  return object('FallbackChain', placeOf('chain', number, size), {
    models: [`model-${number}`],
    targets: [
      { name: 'first', providerRef: { name: 'provider' }, model, timeout: '20s' },
      { name: 'second', providerRef: { name: 'provider' }, model: 'second' },
    ],
  })
}

/** A key as teams have them: limited, and kept to one chain of its tenant. */
export function keyOf(number: number, size: ScaleSize): WrittenObject {
  const { tenants, chains } = size
  const perTenant = Math.max(1, Math.floor(chains / tenants))
  const chain = (number % tenants) + tenants * (Math.floor(number / tenants) % perTenant)
  return object('VirtualKey', placeOf('key', number, size), {
    alias: `key-${number}`,
    owner: { type: 'Team', name: `team-${number % 20}` },
    budget: { amountUSD: '50', period: 'Daily' },
    rateLimit: { rpm: 60_000, concurrency: 1_000 },
    tags: ['scale'],
    fallbackChainRef: { name: `chain-${chain}` },
  })
}

function object(kind: string, metadata: WrittenObject['metadata'], spec: object): WrittenObject {
  return { apiVersion: API, kind, metadata, spec }
}
