// Reads the input of a golden case: a document with the setting, the AIGateway, the AITenants. Only tests read it.
import { readFileSync } from 'node:fs'
import { parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { type Gateway, servicesOf, type Tenant } from './inputs.ts'
import type { ChildrenInput } from './plan.ts'

/** Where the golden files are. */
export const FOLDER = new URL('./testdata/', import.meta.url)

const Setting = z.strictObject({
  gatewayId: z.string(),
  available: z.strictObject({
    certManager: z.boolean().default(false),
    gatewayAPI: z.boolean().default(false),
    serviceMonitor: z.boolean().default(false),
    nginxGateway: z.boolean().default(false),
  }),
  namespaces: z.record(z.string(), z.array(z.string())),
  /** Host names that nobody may have. */
  refused: z.array(z.string()).default([]),
})
const GatewayDocument = z.custom<Gateway>(value => hasKind(value, 'AIGateway'))
const TenantDocument = z.custom<Tenant>(value => hasKind(value, 'AITenant'))

/** A case: what it holds, and what `childrenOf` takes for one of its tenants. */
export function readCase(name: string) {
  const text = readFileSync(new URL(name, FOLDER), 'utf8')
  const [first, second, ...rest] = parseAllDocuments(text).map((document): unknown => document.toJS())
  const { gatewayId, available, namespaces, refused } = Setting.parse(first)
  const gateway = GatewayDocument.parse(second)
  const tenants = rest.map(value => TenantDocument.parse(value))
  const services = servicesOf(gateway, gatewayId)
  const inputOf = (tenant: Tenant): ChildrenInput => {
    const hosts = (tenant.spec.hostnames ?? []).filter(host => !refused.includes(host))
    const own = namespaces[tenant.metadata.name] ?? []
    return { tenant, gateway, gatewayId, services, available, hosts, namespaces: own }
  }
  return { gateway, gatewayId, services, available, tenants, inputOf }
}

function hasKind(value: unknown, kind: string): boolean {
  return z.looseObject({ kind: z.literal(kind) }).safeParse(value).success
}
