import { expect, test } from 'vitest'
import { readSettings } from './settings.ts'

test('the namespace is enough; everything else has a default', () => {
  expect(readSettings({ SMARTFLOW_NAMESPACE: 'gateways' })).toMatchObject({
    namespace: 'gateways',
    gateway: 'smartflow',
    podName: undefined,
    host: '127.0.0.1',
    metricsPort: 9464,
    workers: 16,
    leaderElection: true,
    redisUrl: undefined,
  })
})

test('every variable is read', () => {
  const settings = readSettings({
    SMARTFLOW_NAMESPACE: 'gateways',
    SMARTFLOW_GATEWAY: 'edge',
    POD_NAME: 'edge-operator-1',
    SMARTFLOW_HOST: '0.0.0.0',
    SMARTFLOW_METRICS_PORT: '0',
    SMARTFLOW_WORKERS: '2',
    SMARTFLOW_LEADER_ELECTION: 'false',
    REDIS_URL: 'rediss://store',
  })
  expect(settings).toMatchObject({
    namespace: 'gateways',
    gateway: 'edge',
    podName: 'edge-operator-1',
    host: '0.0.0.0',
    metricsPort: 0,
    workers: 2,
    leaderElection: false,
    redisUrl: 'rediss://store',
  })
})

test('all that is wrong is said at once, and no value of a secret', () => {
  const wrong = { SMARTFLOW_NAMESPACE: 'Gate Ways', SMARTFLOW_WORKERS: '0', REDIS_URL: 'http://user:hidden@store' }
  expect(() => readSettings(wrong)).toThrow(/SMARTFLOW_NAMESPACE: .*\n.*SMARTFLOW_WORKERS: .*\n.*REDIS_URL: begin with/)
  expect(() => readSettings(wrong)).not.toThrow(/hidden/)
  expect(() => readSettings({})).toThrow('SMARTFLOW_NAMESPACE')
})
