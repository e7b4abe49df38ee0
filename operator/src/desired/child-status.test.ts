// What a tenant's status says of its certificate and its routes, from what other controllers have written.
import { expect, test } from 'vitest'
import type { KubeObject } from '../api/resource-type.ts'
import { childStatus } from './child-status.ts'
import { childrenOf } from './children.ts'
import { readCase } from './golden-case.ts'
import type { ChildrenInput } from './plan.ts'

function inputOf(name: string, tenant = 0): ChildrenInput {
  const { tenants, inputOf: input } = readCase(name)
  const chosen = tenants[tenant]
  if (chosen === undefined) throw new Error(`${name} has no tenant ${tenant}`)
  return input(chosen)
}

/** The children as they stand in the cluster, each with the status of its kind. */
function live(input: ChildrenInput, statuses: Record<string, unknown>): KubeObject[] {
  return childrenOf(input).map(child => ({
    ...child,
    metadata: { ...child.metadata, uid: `uid of ${child.kind}`, resourceVersion: '1', generation: 2 },
    status: statuses[child.kind],
  }))
}

function conditionsOf(input: ChildrenInput, statuses: Record<string, unknown>) {
  const { conditions } = childStatus(input, live(input, statuses))
  return Object.fromEntries(conditions.map(({ type, ...condition }) => [type, condition]))
}

function is(type: string, status: string, more: object = {}) {
  return { type, status, reason: 'Because', message: 'their words', observedGeneration: 2, ...more }
}

const ADDRESS = { loadBalancer: { ingress: [{ ip: '203.0.113.7' }] } }
const ISSUED = { conditions: [is('Ready', 'True')], notAfter: '2026-09-01T00:00:00Z' }

test('an issued certificate and an Ingress with an address are ready', () => {
  const input = inputOf('nginx.in.yaml')
  const status = childStatus(input, live(input, { Certificate: ISSUED, Ingress: ADDRESS }))
  expect(status.conditions.map(({ type, status: is, reason }) => [type, is, reason])).toEqual([
    ['CertificateReady', 'True', 'Issued'],
    ['RouteReady', 'True', 'Routed'],
  ])
  expect(status.certificate).toEqual({ ready: true, notAfter: '2026-09-01T00:00:00Z' })
  expect(status.endpoints).toContain('https://ai.acme.example')
})

test('a tenant under the wildcard has no certificate of its own to wait for', () => {
  const status = childStatus(inputOf('nginx.in.yaml', 1), [])
  expect(status.conditions.map(({ type }) => type)).toEqual(['RouteReady'])
  expect(status.certificate).toBeUndefined()
})

test('what cert-manager says is passed on', () => {
  const failed = { conditions: [is('Ready', 'False', { reason: 'Failed', message: 'the CA said no' })] }
  expect(conditionsOf(inputOf('nginx.in.yaml'), { Certificate: failed })).toMatchObject({
    CertificateReady: { status: 'False', reason: 'Failed', message: expect.stringContaining('the CA said no') },
  })
})

test('a condition about an older spec of the Certificate is not believed', () => {
  const old = { conditions: [is('Ready', 'True', { observedGeneration: 1 })] }
  expect(conditionsOf(inputOf('nginx.in.yaml'), { Certificate: old })).toMatchObject({
    CertificateReady: { status: 'False', reason: 'Pending' },
  })
})

test('an Ingress that no controller has taken waits, and says for what', () => {
  for (const status of [undefined, {}, { loadBalancer: {} }, { loadBalancer: { ingress: [] } }, 'nonsense']) {
    expect(conditionsOf(inputOf('ingress-nginx.in.yaml'), { Ingress: status })).toMatchObject({
      RouteReady: { status: 'False', reason: 'Pending', message: expect.stringContaining('of class old-nginx') },
    })
  }
})

test('the retired controller is marked as long as it is chosen, also when all is well', () => {
  expect(conditionsOf(inputOf('ingress-nginx.in.yaml'), { Ingress: ADDRESS })).toMatchObject({
    RouteReady: { status: 'True' },
    DeprecatedController: { status: 'True', message: expect.stringContaining('Nginx or GatewayAPI') },
  })
  expect(conditionsOf(inputOf('nginx.in.yaml'), { Ingress: ADDRESS })).not.toHaveProperty('DeprecatedController')
})

const TAKEN = { parents: [{ controllerName: 'c', conditions: [is('Accepted', 'True'), is('ResolvedRefs', 'True')] }] }
const LISTENING = { conditions: [is('Accepted', 'True'), is('Programmed', 'True')] }

test('the Gateway API is ready when the routes are accepted with their references and the listeners are programmed', () => {
  const statuses = { HTTPRoute: TAKEN, ListenerSet: LISTENING, Certificate: ISSUED }
  expect(conditionsOf(inputOf('gateway-api.in.yaml'), statuses)).toMatchObject({ RouteReady: { status: 'True' } })
})

test.each([
  ['no Gateway answers', { HTTPRoute: { parents: [] }, ListenerSet: LISTENING }, 'Pending', 'gatewayRef'],
  [
    'a reference leads nowhere',
    {
      HTTPRoute: { parents: [{ conditions: [is('Accepted', 'True'), is('ResolvedRefs', 'False')] }] },
      ListenerSet: LISTENING,
    },
    'Because',
    'their words',
  ],
  [
    'the Gateway does not admit the listeners',
    { HTTPRoute: TAKEN, ListenerSet: { conditions: [is('Accepted', 'False', { reason: 'NotAllowed' })] } },
    'NotAllowed',
    'allowedListeners',
  ],
  [
    'the listeners are still unknown to it',
    { HTTPRoute: TAKEN, ListenerSet: { conditions: [is('Accepted', 'Unknown')] } },
    'Pending',
    'Accepted',
  ],
  [
    'it does not know timeouts',
    {
      HTTPRoute: { parents: [{ conditions: [is('Accepted', 'False', { reason: 'UnsupportedValue' })] }] },
      ListenerSet: LISTENING,
    },
    'UnsupportedValue',
    'className: nginx',
  ],
])('the Gateway API is not ready when %s', (_when, statuses, reason, words) => {
  expect(conditionsOf(inputOf('gateway-api.in.yaml'), statuses)).toMatchObject({
    RouteReady: { status: 'False', reason, message: expect.stringContaining(words) },
  })
})

test('what the cluster lacks is named with what to do', () => {
  const input = inputOf('gateway-api.in.yaml')
  const bare = { ...input, available: { ...input.available, gatewayAPI: false, certManager: false } }
  expect(conditionsOf(bare, {})).toMatchObject({
    RouteReady: { reason: 'GatewayAPIMissing', message: expect.stringContaining('install it') },
    CertificateReady: { reason: 'CertManagerMissing', message: expect.stringContaining('install it') },
  })
  expect(childrenOf(bare).map(({ kind }) => kind)).toEqual(['NetworkPolicy'])
})

test('a gateway that exposes nothing says nothing', () => {
  const input = inputOf('nginx.in.yaml')
  const gateway = { ...input.gateway, spec: { defaults: input.gateway.spec.defaults } }
  expect(childStatus({ ...input, gateway }, [])).toEqual({ conditions: [], endpoints: [], certificate: undefined })
  expect(childrenOf({ ...input, gateway })).toEqual([])
})
