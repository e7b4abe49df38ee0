// The resource types that the operator reads and writes, and the shape of objects as the API server gives them.
import { DEFINITIONS } from '@smartflow/core/resources/definitions'
import { API_VERSION } from '@smartflow/core/resources/metadata'
import type { Kind } from '@smartflow/core/resources/resource'

/** A type of resource. The core group is the empty text. */
export interface ResourceType {
  readonly group: string
  readonly version: string
  readonly plural: string
  readonly kind: string
  readonly namespaced: boolean
}

/** One object by name. `namespace` is set exactly when the type is namespaced. */
export interface ObjectKey {
  readonly type: ResourceType
  readonly namespace?: string | undefined
  readonly name: string
}

export interface OwnerReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
  readonly controller?: boolean
  readonly blockOwnerDeletion?: boolean
}

/** Metadata of an object that is to be written: only what we say of it ourselves. */
export interface NewObjectMeta {
  readonly name: string
  readonly namespace?: string | undefined
  readonly labels?: Readonly<Record<string, string>> | undefined
  readonly annotations?: Readonly<Record<string, string>> | undefined
  readonly finalizers?: readonly string[] | undefined
  readonly ownerReferences?: readonly OwnerReference[] | undefined
}

/** An object that is to be written; every field beside metadata is the kind's own. */
export interface NewObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: NewObjectMeta
  readonly spec?: unknown
  readonly status?: unknown
  readonly [field: string]: unknown
}

/** Metadata of an object that exists. */
export interface ObjectMeta extends NewObjectMeta {
  readonly uid: string
  readonly resourceVersion: string
  readonly generation?: number
  readonly creationTimestamp?: string
  readonly deletionTimestamp?: string
  readonly managedFields?: readonly unknown[]
}

/** An object that exists. */
export interface KubeObject extends NewObject {
  readonly metadata: ObjectMeta
}

const CORE = { group: '', version: 'v1' } as const
const NETWORKING = { group: 'networking.k8s.io', version: 'v1' } as const
const GATEWAY_API = { group: 'gateway.networking.k8s.io', version: 'v1' } as const

const NGINX_GATEWAY = { group: 'gateway.nginx.org', version: 'v1alpha1' } as const

/** The label on everything that the operator made, and its value. */
export const MANAGED_BY_LABEL = 'app.kubernetes.io/managed-by'
export const MANAGED_BY = 'smartflow-operator'

/** One of our own kinds, as its definition has it. */
function ours(kind: Kind): ResourceType {
  const [group = '', version = ''] = API_VERSION.split('/')
  const { plural, scope } = DEFINITIONS[kind]
  return { group, version, plural, kind, namespaced: scope === 'Namespaced' }
}

/** Every type the operator deals with, by kind. Kinds of different groups never share a name here. */
export const TYPES = {
  AIGateway: ours('AIGateway'),
  AITenant: ours('AITenant'),
  AIProvider: ours('AIProvider'),
  VirtualKey: ours('VirtualKey'),
  FallbackChain: ours('FallbackChain'),
  Policy: ours('Policy'),
  McpServer: ours('McpServer'),
  Agent: ours('Agent'),
  Namespace: { ...CORE, plural: 'namespaces', kind: 'Namespace', namespaced: false },
  Secret: { ...CORE, plural: 'secrets', kind: 'Secret', namespaced: true },
  Deployment: { group: 'apps', version: 'v1', plural: 'deployments', kind: 'Deployment', namespaced: true },
  EndpointSlice: {
    group: 'discovery.k8s.io',
    version: 'v1',
    plural: 'endpointslices',
    kind: 'EndpointSlice',
    namespaced: true,
  },
  Lease: { group: 'coordination.k8s.io', version: 'v1', plural: 'leases', kind: 'Lease', namespaced: true },
  Event: { group: 'events.k8s.io', version: 'v1', plural: 'events', kind: 'Event', namespaced: true },
  Ingress: { ...NETWORKING, plural: 'ingresses', kind: 'Ingress', namespaced: true },
  NetworkPolicy: { ...NETWORKING, plural: 'networkpolicies', kind: 'NetworkPolicy', namespaced: true },
  Certificate: {
    group: 'cert-manager.io',
    version: 'v1',
    plural: 'certificates',
    kind: 'Certificate',
    namespaced: true,
  },
  HTTPRoute: { ...GATEWAY_API, plural: 'httproutes', kind: 'HTTPRoute', namespaced: true },
  ListenerSet: { ...GATEWAY_API, plural: 'listenersets', kind: 'ListenerSet', namespaced: true },
  ProxySettingsPolicy: {
    ...NGINX_GATEWAY,
    plural: 'proxysettingspolicies',
    kind: 'ProxySettingsPolicy',
    namespaced: true,
  },
  ClientSettingsPolicy: {
    ...NGINX_GATEWAY,
    plural: 'clientsettingspolicies',
    kind: 'ClientSettingsPolicy',
    namespaced: true,
  },
  ServiceMonitor: {
    group: 'monitoring.coreos.com',
    version: 'v1',
    plural: 'servicemonitors',
    kind: 'ServiceMonitor',
    namespaced: true,
  },
} as const satisfies Record<string, ResourceType>

const byName = new Map<string, ResourceType>(
  Object.values(TYPES).map(type => [`${apiVersionOf(type)} ${type.kind}`, type]),
)

/** "v1", "networking.k8s.io/v1": a type's group and version as objects write them. */
export function apiVersionOf({ group, version }: ResourceType): string {
  return group === '' ? version : `${group}/${version}`
}

/** The type of an object. Throws for one that is not in the table: nothing else is ever written. */
export function typeOf({ apiVersion, kind }: { apiVersion: string; kind: string }): ResourceType {
  const type = byName.get(`${apiVersion} ${kind}`)
  if (type) return type
  throw new Error(`${kind} of ${apiVersion} is not a type the operator knows: add it to resource-type.ts`)
}

/** The name under which an object is addressed. */
export function keyOf(object: NewObject): ObjectKey {
  const type = typeOf(object)
  const { namespace, name } = object.metadata
  return type.namespaced ? { type, namespace, name } : { type, name }
}

/** "Ingress payments/app", "AITenant acme": how messages name an object. */
export function describeKey({ type, namespace, name }: ObjectKey): string {
  return `${type.kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`
}

/** A path of the API, without the server's own prefix. Without a name it is the collection. */
export function pathOf(key: Omit<ObjectKey, 'name'> & { name?: string }, subresource?: string): string {
  const { type, namespace, name } = key
  const parts = type.group === '' ? ['api', type.version] : ['apis', type.group, type.version]
  if (type.namespaced && namespace !== undefined) parts.push('namespaces', namespace)
  parts.push(type.plural)
  if (name !== undefined) parts.push(name)
  if (subresource !== undefined) parts.push(subresource)
  return `/${parts.map(encodeURIComponent).join('/')}`
}

/** Takes an answer for an object; items of lists lack their type, which `type` adds. Undefined for anything else. */
export function asKubeObject(value: unknown, type: ResourceType): KubeObject | undefined {
  if (!isRecord(value)) return undefined
  const { metadata } = value
  return isObjectMeta(metadata) ? { ...value, apiVersion: apiVersionOf(type), kind: type.kind, metadata } : undefined
}

function isObjectMeta(value: unknown): value is ObjectMeta {
  return isRecord(value) && ['name', 'uid', 'resourceVersion'].every(field => typeof value[field] === 'string')
}

/** Whether a value is an object with members (no list, not null). */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
