// Which base URLs are accepted where: the first look, by the text alone.
import { describe, expect, test } from 'vitest'
import { providerRow } from '../providers.ts'
import { AIProvider } from '../resources/ai-provider.ts'
import { Keyring } from '../snapshot/keyring.ts'
import { endpointOf } from './provider-endpoint.ts'
import type { World } from './world.ts'

const keyring = Keyring.fromMaster(Buffer.alloc(32, 1))

function look(baseURL: string, allowPrivateEndpoint: boolean, standalone: boolean): string {
  const spec = { preset: 'local', baseURL, allowPrivateEndpoint: true }
  const provider = AIProvider.parse({
    apiVersion: 'smartflow.dev/v1alpha1',
    kind: 'AIProvider',
    metadata: { name: 'a' },
    spec,
  })
  const row = providerRow('local')
  if (row === undefined) throw new Error('the row is there')
  const world: World = { resources: [], secrets: new Map(), environment: undefined, standalone, keyring }
  const endpoint = endpointOf({ ...provider, spec: { ...provider.spec, allowPrivateEndpoint } }, row, world)
  return 'problem' in endpoint ? 'refused' : 'accepted'
}

const ALL = { privately: true, standalone: true }

describe('a base URL', () => {
  test.each([
    ['https://llm.example.com/v1', 'anywhere'],
    ['https://8.8.8.8/v1', 'anywhere'],
    ['http://llm.example.com/v1', 'private'],
    ['http://vllm.models.svc:8000/v1', 'private'],
    ['https://10.1.2.3/v1', 'private'],
    ['https://172.31.0.1/v1', 'private'],
    ['https://192.168.1.1/v1', 'private'],
    ['https://100.64.0.1/v1', 'private'],
    ['https://[fd00::1]/v1', 'private'],
    ['https://0.0.0.0/v1', 'private'],
    ['https://[::ffff:10.0.0.1]/v1', 'private'],
    ['http://localhost:11434/v1', 'own machine'],
    ['http://127.0.0.1:11434/v1', 'own machine'],
    ['http://127.1/v1', 'own machine'],
    ['http://[::1]/v1', 'own machine'],
    ['http://[::ffff:127.0.0.1]/v1', 'own machine'],
    ['http://models.localhost/v1', 'own machine'],
    ['http://169.254.169.254/v1', 'never'],
    ['http://[fe80::1]/v1', 'never'],
    ['http://2852039166/v1', 'never'],
    ['http://[::ffff:169.254.169.254]/v1', 'never'],
  ])('%s: %s', (baseURL, where) => {
    const results = {
      anywhere: look(baseURL, false, false),
      private: look(baseURL, ALL.privately, false),
      'own machine': look(baseURL, ALL.privately, ALL.standalone),
    }
    const order = ['anywhere', 'private', 'own machine']
    const from = where === 'never' ? order.length : order.indexOf(where)
    const expected = Object.fromEntries(order.map((name, at) => [name, at >= from ? 'accepted' : 'refused']))
    expect(results).toEqual(expected)
  })
})
