// Where a provider is reached: base URL and the first, textual look at its host. The data plane checks every address
// again when it connects; this check only tells the author early.
import { BlockList, isIP } from 'node:net'
import type { AIProvider } from '../resources/ai-provider.ts'
import type { ProviderRow } from '../providers.ts'
import type { World } from './world.ts'

/** A base URL without a slash at its end, or what is wrong with it. */
export type Endpoint =
  | { readonly baseURL: string; readonly allowPrivateEndpoint: boolean }
  | { readonly problem: string }

/** The object's base URL, else (standalone) the row's variable, else the row's own. */
export function endpointOf(provider: AIProvider, row: ProviderRow, world: World): Endpoint {
  const allowPrivateEndpoint = provider.spec.allowPrivateEndpoint ?? (world.standalone && row.local === true)
  const { text, origin } = sourceOf(provider, row, world)
  const url = parseHTTP(text)
  if (url === undefined) return { problem: `${origin} is not an http or https address` }
  const problem = hostProblem(url, allowPrivateEndpoint, world.standalone)
  if (problem !== undefined) return { problem: `${origin} ${problem}` }
  // Such variables are usually written without the API's path.
  if (url.pathname === '/' && provider.spec.baseURL === undefined) url.pathname = new URL(row.baseURL).pathname
  return { baseURL: url.href.replace(/\/+$/, ''), allowPrivateEndpoint }
}

function parseHTTP(text: string): URL | undefined {
  const url = URL.parse(text)
  return url?.protocol === 'http:' || url?.protocol === 'https:' ? url : undefined
}

function sourceOf({ spec }: AIProvider, row: ProviderRow, world: World): { text: string; origin: string } {
  if (spec.baseURL !== undefined) return { text: spec.baseURL, origin: 'spec.baseURL' }
  const variable = row.variables.baseURL
  const configured = world.standalone && variable !== undefined ? world.environment?.[variable]?.trim() : undefined
  if (configured) return { text: configured, origin: `the variable ${variable}` }
  return { text: row.baseURL, origin: 'the base URL' }
}

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

const linkLocal = new BlockList()
linkLocal.addSubnet('169.254.0.0', 16, 'ipv4')
linkLocal.addSubnet('fe80::', 10, 'ipv6')

const notPublic = new BlockList()
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const) {
  notPublic.addSubnet(network, prefix, 'ipv4')
}
notPublic.addSubnet('fc00::', 7, 'ipv6')
notPublic.addAddress('::', 'ipv6')

function hostProblem(url: URL, allowPrivate: boolean, standalone: boolean): string | undefined {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (within(linkLocal, host)) return `is the link-local address ${host}, which the gateway never calls`
  const own = within(loopback, host) || /(^|\.)localhost\.?$/.test(host)
  if (own && !standalone) return `is this machine itself (${host}); in a cluster name the Service instead`
  const allow = 'set allowPrivateEndpoint: true to allow it'
  if (allowPrivate) return undefined
  if (own) return `is this machine itself (${host}); ${allow}`
  if (within(notPublic, host)) return `is the private address ${host}; ${allow}`
  return url.protocol === 'http:' ? `is not https; ${allow} inside your network` : undefined
}

function within(list: BlockList, host: string): boolean {
  const version = isIP(host)
  return version !== 0 && list.check(host, version === 6 ? 'ipv6' : 'ipv4')
}
