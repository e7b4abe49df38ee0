import { expect, test } from 'vitest'
import { HOME, liveObject, planOf, published } from '../../../test/operator/plans.ts'
import { servicesOf } from '../desired/inputs.ts'
import { TenantFacts } from './tenant-facts.ts'

const tenant = liveObject('AITenant', 'acme', {
  spec: { namespaces: { names: ['shop'] }, hostnames: ['acme.ai.example.com'] },
})

function factsOf(exposure: object | undefined, names: string[] = []) {
  const objects = [
    tenant,
    ...(exposure ? [liveObject('AIGateway', 'main', { namespace: HOME, spec: { exposure } })] : []),
  ]
  const plan = planOf(objects, { outcome: published(1, names) })
  const facts = new TenantFacts({
    childrenOf: () => [],
    sidecars: () => ({}),
    inputFor: (of, gateway) => ({
      tenant: of,
      gateway,
      gatewayId: 'gw',
      services: servicesOf(gateway, 'gw'),
      available: { certManager: true, gatewayAPI: true, serviceMonitor: true, nginxGateway: true },
      namespaces: ['shop'],
      hosts: ['acme.ai.example.com'],
    }),
  })
  return facts.facts(tenant, plan.resources.get('AITenant//acme'), plan)
}

test("a tenant's keys are counted as they are in force, and nobody else's", () => {
  const names = ['acme VirtualKey shop/a', 'acme VirtualKey shop/b', 'acme Policy p', 'other VirtualKey x/a']
  expect(factsOf(undefined, names)).toEqual({ fields: { keys: 2 } })
  expect(factsOf(undefined)).toEqual({ fields: { keys: 0 } })
})

test('a tenant whose way in is missing is not ready; a deprecated controller keeps nothing from being ready', () => {
  const { conditions = [] } = factsOf({
    type: 'IngressNginx',
    domains: ['*.ai.example.com'],
    tls: { mode: 'Disabled' },
  })
  const gates = new Map(conditions.map(({ type, gatesReady }) => [type, gatesReady]))
  expect(gates.get('RouteReady')).toBe(true)
  expect(gates.get('DeprecatedController')).toBe(false)
  expect(conditions.find(({ type }) => type === 'RouteReady')?.status).not.toBe('True')
})

test('what is no tenant, or does not parse, has no facts', () => {
  const facts = new TenantFacts({
    childrenOf: () => [],
    sidecars: () => ({}),
    inputFor: () => {
      throw new Error('nobody asks')
    },
  })
  expect(facts.facts(tenant, undefined, planOf([]))).toEqual({})
})
