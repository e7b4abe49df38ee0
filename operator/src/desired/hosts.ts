// A tenant's host names: those that compiling granted it, and those that it asked for in vain.
import { compareText } from '@smartflow/core/snapshot/canonical'
import type { Exposure, Tenant } from './inputs.ts'

/** Each list in alphabetical order, each name once. */
export interface Hosts {
  readonly served: readonly string[]
  readonly refused: readonly string[]
}

/** `granted`: what compiling gave the tenant; anything else it names is left out, whatever the reason. */
export function hostsOf(tenant: Tenant, granted: readonly string[]): Hosts {
  const asked = [...new Set(tenant.spec.hostnames)].sort(compareText)
  return {
    served: asked.filter(host => granted.includes(host)),
    refused: asked.filter(host => !granted.includes(host)),
  }
}

/** True when a certificate for `*.domain` of one of the gateway's domains is good for the host. */
export function underWildcard(host: string, exposure: Exposure): boolean {
  return (exposure.domains ?? []).includes(host.slice(host.indexOf('.') + 1))
}
