// Resources for tests, as objects: JSON is YAML, so a folder's file is made of them as they are.
import { randomBytes } from 'node:crypto'

const API_VERSION = 'smartflow.dev/v1alpha1'

/** An object as `kubectl apply` takes it. */
export interface Resource {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
  readonly [member: string]: unknown
}

/** Objects as the text of one file. */
export function yaml(...objects: readonly object[]): string {
  return objects.map(object => JSON.stringify(object)).join('\n---\n')
}

/** A name that no other test and no earlier run used: in a shared Redis, ledger, cache and log are a tenant's own. */
export function fresh(name: string): string {
  return `${name}-${randomBytes(4).toString('hex')}`
}

/** A tenant with a namespace of its name, and the objects in it. Its keys may be gateway admins. */
export function tenant(name: string, spec: object, ...objects: readonly Resource[]): Resource[] {
  const inside = objects.map(object => ({ ...object, metadata: { ...object.metadata, namespace: name } }))
  const gateway = { ...resource('AIGateway', 'gateway', {}), metadata: { name: 'gateway', namespace: name } }
  const own = inside.some(({ kind }) => kind === 'AIGateway') ? [] : [gateway]
  return [resource('AITenant', name, { namespaces: { names: [name] }, ...spec }), ...own, ...inside]
}

/** Any kind of ours. */
export function resource(kind: string, name: string, spec: object): Resource {
  return { apiVersion: API_VERSION, kind, metadata: { name }, spec }
}

/** An AIProvider at the scripted provider of a test, with its Secret (upstream.ts knows the credential). */
export function scripted(name: string, url: string, spec: object = {}): Resource[] {
  const secret = { name: `${name}-credential` }
  const reach = { preset: 'openai', baseURL: url, allowPrivateEndpoint: true, auth: { secretRef: secret } }
  // The Secret first: an operator that does not find it looks again only after a while.
  return [
    { apiVersion: 'v1', kind: 'Secret', metadata: secret, stringData: { apiKey: 'upstream-secret' } },
    resource('AIProvider', name, { ...reach, ...spec }),
  ]
}

/** A VirtualKey whose alias is its name. Its token: `gateway.token('<name>-key')`. */
export function virtualKey(name: string, spec: object = {}): Resource {
  return resource('VirtualKey', name, { alias: name, ...spec })
}

/** Prices of one model; in and out cost the same, dollars per million tokens. */
export function price(model: string, usd: string): object {
  return { model, inputPerMillionUSD: usd, outputPerMillionUSD: usd }
}

/** A budget of a day. */
export function daily(usd: string): { readonly budget: object } {
  return { budget: { amountUSD: usd, period: 'Daily' } }
}
