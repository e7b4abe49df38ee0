import { expect, test } from 'vitest'
import { HOME, liveObject, planOf } from '../../../test/operator/plans.ts'
import { gatewayServiceOf, rememberedOf, rolloutTermsOf, storeUrlOf } from './gateway-terms.ts'

const gateway = (spec: unknown, namespace = HOME) => liveObject('AIGateway', 'main', { namespace, spec })
const dataPlane = { serviceName: 'pods', minProgrammedPercent: 50, ackTimeout: '15s' }

test('the AIGateway in force says which Service and how patient; without one the defaults hold', () => {
  const plan = planOf([gateway({ dataPlane })])
  expect(rolloutTermsOf(plan)).toEqual({ minProgrammedPercent: 50, ackTimeoutMs: 15_000 })
  expect(gatewayServiceOf(plan, 'gw')).toBe('pods')
  for (const none of [undefined, planOf([]), planOf([gateway({ dataPlane }, 'elsewhere')])]) {
    expect(rolloutTermsOf(none)).toEqual({ minProgrammedPercent: 100, ackTimeoutMs: 30_000 })
    expect(gatewayServiceOf(none, 'gw')).toBe('gw-gateway')
  }
})

const settings = { namespace: HOME, redisUrl: 'redis://default' }

function urlOf(value: string | undefined): string | undefined {
  const plan = planOf([gateway({ configStore: { redis: { secretRef: { name: 'store' } } } })])
  const found = plan.resources.get(`AIGateway/${HOME}/main`)
  if (found?.kind !== 'AIGateway') throw new Error('the gateway does not parse')
  return storeUrlOf(found, new Map(value === undefined ? [] : [[`${HOME}/store`, { url: value }]]), settings)
}

test('the store is where the Secret says; the setting counts only when no Secret is named', () => {
  expect(storeUrlOf(undefined, new Map(), settings)).toBe('redis://default')
  expect(urlOf('rediss://user@host:6380\n')).toBe('rediss://user@host:6380')
  expect(urlOf(undefined)).toBeUndefined()
})

test.each(['', '  ', 'localhost:6379', 'http://host'])('"%s" is no address, and not this machine either', value => {
  expect(urlOf(value)).toBeUndefined()
})

test('what was published earlier is read back from the status', () => {
  const status = { config: { epoch: 3, generation: 7, digest: 'd' } }
  expect(rememberedOf(liveObject('AIGateway', 'main', { status }))).toEqual({ epoch: 3, generation: 7 })
  for (const nothing of [undefined, {}, { config: 'x' }, { config: { epoch: '3', generation: 7 } }])
    expect(rememberedOf(liveObject('AIGateway', 'main', { status: nothing }))).toBeUndefined()
  expect(rememberedOf(undefined)).toBeUndefined()
})
