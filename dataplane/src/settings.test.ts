import { describe, expect, test } from 'vitest'
import { readSettings } from './settings.ts'

describe('settings from the environment', () => {
  test('have defaults for everything', () => {
    const settings = readSettings({})
    expect(settings).toMatchObject({ listeners: ['proxy', 'management'], lameDuckMs: 0, gateway: 'smartflow' })
    expect(settings.tenant).toBeUndefined()
    expect(settings.podUid).toBeUndefined()
  })

  test('name a tenant, a pod and one listener', () => {
    const environment = {
      SMARTFLOW_TENANT: 'acme',
      SMARTFLOW_POD_UID: '0d0e7c1e-6a2f-4f6f-9d57-1f3f5f3a0a11',
      SMARTFLOW_LISTENERS: 'management',
      SMARTFLOW_LAME_DUCK_MS: '5000',
    }
    expect(readSettings(environment)).toMatchObject({
      tenant: 'acme',
      podUid: environment.SMARTFLOW_POD_UID,
      listeners: ['management'],
      lameDuckMs: 5_000,
    })
  })

  test('let probes in where callers come from this machine alone', () => {
    expect(readSettings({ SMARTFLOW_HOST: '::1' })).toMatchObject({ host: '::1', metricsHost: '::1' })
    const apart = readSettings({ SMARTFLOW_METRICS_HOST: '0.0.0.0' })
    expect(apart).toMatchObject({ host: '127.0.0.1', metricsHost: '0.0.0.0' })
  })

  test('that are wrong are all named', () => {
    const wrong = { SMARTFLOW_TENANT: 'a*', SMARTFLOW_POD_UID: '{x}', SMARTFLOW_LISTENERS: 'metrics' }
    expect(() => readSettings(wrong)).toThrow(
      /SMARTFLOW_LISTENERS.*SMARTFLOW_TENANT: write the name.*SMARTFLOW_POD_UID/s,
    )
  })

  test('do not let a process of one tenant publish', () => {
    const both = { SMARTFLOW_TENANT: 'acme', SMARTFLOW_CONFIG_DIR: '/config' }
    expect(() => readSettings(both)).toThrow(/SMARTFLOW_TENANT: a process that serves one tenant only follows/)
  })
})
