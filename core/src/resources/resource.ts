// The table of kinds, and the one door through which objects come in: YAML, the API server and HTTP all pass
// parseResource.
import { z } from 'zod'
import { Agent } from './agent.ts'
import { AIGateway } from './ai-gateway.ts'
import { AIProvider } from './ai-provider.ts'
import { AITenant } from './ai-tenant.ts'
import { FallbackChain } from './fallback-chain.ts'
import { closest } from './closest.ts'
import { McpServer } from './mcp-server.ts'
import { API_VERSION } from './metadata.ts'
import { Policy } from './policy.ts'
import { type Problem, problemsOf } from './problem.ts'
import { Secret } from './secret.ts'
import { VirtualKey } from './virtual-key.ts'

/** The schemas of the gateway's own kinds. */
export const KINDS = { AIGateway, AITenant, AIProvider, VirtualKey, FallbackChain, Policy, McpServer, Agent } as const

/** Kinds that are accepted and come into force with a later release. */
export const LATER_KINDS: ReadonlySet<string> = new Set<Kind>(['McpServer', 'Agent'])

/** Names of the gateway's own kinds. */
export type Kind = keyof typeof KINDS

/** Any object that a source may give, checked and with its defaults filled in. */
export type Resource =
  | AIGateway
  | AITenant
  | AIProvider
  | VirtualKey
  | FallbackChain
  | Policy
  | McpServer
  | Agent
  | Secret

/** The objects of one kind. */
export type ResourceOf<K extends Resource['kind']> = Extract<Resource, { kind: K }>

const Head = z.looseObject({ apiVersion: z.string(), kind: z.string() })

/** Checks one object. Gives it with defaults filled in, or everything that is wrong with it; never throws. */
export function parseResource(value: unknown): Resource | Problem[] {
  const head = Head.safeParse(value)
  if (!head.success) {
    return [problem([], 'Invalid', `the object has no apiVersion and kind; the gateway's kinds are ${API_VERSION}`)]
  }
  const { apiVersion, kind } = head.data
  const schema = schemaOf(apiVersion, kind)
  if (Array.isArray(schema)) return schema
  const checked = schema.safeParse(value)
  return checked.success ? checked.data : problemsOf(checked.error, { kind, schema, value })
}

/** "VirtualKey payments/app", "AITenant acme": how messages name an object. */
export function describeResource(resource: Resource): string {
  const namespace = namespaceOf(resource)
  return `${resource.kind} ${namespace === undefined ? '' : `${namespace}/`}${resource.metadata.name}`
}

/** An object's namespace; undefined for cluster-scoped kinds. */
export function namespaceOf(resource: Resource): string | undefined {
  return resource.kind === 'AITenant' ? undefined : resource.metadata.namespace
}

function schemaOf(apiVersion: string, kind: string): z.ZodType<Resource> | Problem[] {
  if (apiVersion === 'v1' && kind === 'Secret') return Secret
  if (apiVersion !== API_VERSION) {
    const message = `${kind} of ${apiVersion} is not the gateway's; it reads ${API_VERSION} and Secrets of v1`
    return [problem(['apiVersion'], 'UnsupportedValue', message)]
  }
  if (isKind(kind)) return KINDS[kind]
  const names = Object.keys(KINDS)
  const meant = closest(kind, names)
  const hint = meant === undefined ? `the kinds are ${names.join(', ')}` : `did you mean ${meant}?`
  return [problem(['kind'], 'UnsupportedValue', `kind ${kind} is not one of ${API_VERSION}; ${hint}`)]
}

function isKind(kind: string): kind is Kind {
  return Object.hasOwn(KINDS, kind)
}

function problem(path: readonly string[], reason: Problem['reason'], message: string): Problem {
  return { path, reason, message }
}
