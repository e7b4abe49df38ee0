// Objects as the API server gives them, and plans made from them by compiling: what unit tests of the reconcilers start
// from.
import { parseResource } from '@smartflow/core/resources/resource'
import type { SecretValues } from '@smartflow/core/resources/secret'
import { Keyring } from '@smartflow/core/snapshot/keyring'
import { apiVersionOf, type KubeObject, type ObjectMeta, TYPES } from '../../operator/src/api/resource-type.ts'
import type { PublicationOutcome } from '../../operator/src/apply/publication.ts'
import { Compiling } from '../../operator/src/control/compiling.ts'
import type { Plan } from '../../operator/src/control/loop.ts'
import { idOf } from '../../operator/src/watch/object-id.ts'

export const keyring = Keyring.fromMaster(Buffer.alloc(32, 7))
/** Where the operator under test is. */
export const HOME = 'gateways'
const CREATED = '2026-01-01T00:00:00Z'

type Given = Partial<ObjectMeta> & { spec?: unknown; status?: unknown; [field: string]: unknown }

/** An object of a kind; by default in namespace `default` where it has one, with a uid of its name. */
export function liveObject(kind: keyof typeof TYPES, name: string, given: Given = {}): KubeObject {
  const { namespace = 'default', uid = `uid-${name}`, resourceVersion = '1', generation = 1, ...more } = given
  const {
    creationTimestamp = CREATED,
    deletionTimestamp,
    labels,
    annotations,
    finalizers,
    ownerReferences,
    ...rest
  } = more
  const type = TYPES[kind]
  const metadata = {
    name,
    ...(type.namespaced && { namespace }),
    uid,
    resourceVersion,
    generation,
    creationTimestamp,
    ...(deletionTimestamp !== undefined && { deletionTimestamp }),
    ...(labels !== undefined && { labels }),
    ...(annotations !== undefined && { annotations }),
    ...(finalizers !== undefined && { finalizers }),
    ...(ownerReferences !== undefined && { ownerReferences }),
  }
  return { apiVersion: apiVersionOf(type), kind, metadata, ...rest }
}

/** A key that is accepted. */
export function keyObject(name: string, given: Given = {}): KubeObject {
  const { spec, ...rest } = given
  return liveObject('VirtualKey', name, { ...rest, spec: { alias: name, ...Object(spec) } })
}

/** A Secret of texts. */
export function secretObject(name: string, texts: Record<string, string>, given: Given = {}): KubeObject {
  const data = Object.fromEntries(
    Object.entries(texts).map(([key, text]) => [key, Buffer.from(text).toString('base64')]),
  )
  return liveObject('Secret', name, { ...given, data })
}

/** Nothing is known to be in force. */
export const NOTHING_PUBLISHED = {
  wanted: new Map(),
  inForce: new Map(),
  version: undefined,
  evictionProblem: undefined,
  upToDate: false,
} as const

/** Something was published: this generation of epoch 1. */
export function published(generation: number, names: Iterable<string> = []): PublicationOutcome {
  const digests = new Map([...names].map(name => [name, `digest of ${name}`]))
  const version = { epoch: 1, generation, digest: `digest ${generation}` }
  return {
    outcome: 'published',
    version,
    wanted: digests,
    inForce: digests,
    evictionProblem: undefined,
    upToDate: true,
  }
}

/** What else a plan may say. Without `outcome` everything was published as generation 1. */
export interface PlanGiven {
  readonly secrets?: SecretValues
  readonly outcome?: PublicationOutcome
  readonly invalid?: ReadonlyMap<string, string>
  readonly namespaces?: ReadonlyMap<string, Readonly<Record<string, string>>>
}

/** The plan that the loop would make of these objects. Those that do not parse are left out. */
export function planOf(objects: readonly KubeObject[], given: PlanGiven = {}): Plan {
  const { secrets = new Map(), namespaces = new Map(), invalid = new Map() } = given
  const parsed = objects.flatMap(object => {
    const { status: _status, ...rest } = object
    const resource = parseResource(rest)
    return Array.isArray(resource) ? [] : [[idOf(object), resource] as const]
  })
  const resources = new Map(parsed)
  const compiling = new Compiling({ keyring, gatewayNamespace: HOME })
  const { statuses, hosts, items, gateway } = compiling.compile({
    resources,
    secrets,
    namespaces,
    heldTokens: () => new Map(),
  })
  return {
    statuses,
    invalid,
    resources,
    deleting: new Set(objects.flatMap(object => (object.metadata.deletionTimestamp ? [idOf(object)] : []))),
    hosts,
    gateway,
    items,
    secrets,
    outcome: given.outcome ?? published(1, items.keys()),
  }
}
