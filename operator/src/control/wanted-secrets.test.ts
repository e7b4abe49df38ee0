import { expect, test } from 'vitest'
import { HOME, keyObject, liveObject, planOf } from '../../../test/operator/plans.ts'
import type { KubeObject } from '../api/resource-type.ts'
import { wantedSecrets } from './wanted-secrets.ts'

const wanted = (...objects: KubeObject[]) => wantedSecrets(planOf(objects).resources, HOME, () => false)

test('a key wants the Secret that is made for it, or the one that it names', () => {
  const brought = keyObject('b', { spec: { keyFrom: { secretRef: { name: 'mine', key: 'k' } } } })
  expect(wanted(keyObject('a', { namespace: 'shop' }), brought)).toEqual(
    new Map([
      ['shop/a-key', 'ours'],
      ['default/mine', 'theirs'],
    ]),
  )
})

test('a provider wants its credential, in its own namespace', () => {
  const spec = { preset: 'openai', auth: { secretRef: { name: 'credential' } } }
  expect(wanted(liveObject('AIProvider', 'p', { namespace: 'shop', spec }))).toEqual(
    new Map([['shop/credential', 'theirs']]),
  )
  expect(wanted(liveObject('AIProvider', 'p', { spec: { preset: 'ollama' } })).size).toBe(0)
})

test('only an AIGateway of the own namespace has a say in where the store is', () => {
  const spec = { configStore: { redis: { secretRef: { name: 'redis' } } } }
  expect(wanted(liveObject('AIGateway', 'g', { namespace: HOME, spec }))).toEqual(
    new Map([[`${HOME}/redis`, 'theirs']]),
  )
  expect(wanted(liveObject('AIGateway', 'g', { namespace: 'shop', spec })).size).toBe(0)
})

test('one that two objects name is looked at as often as the more watchful needs', () => {
  const brought = keyObject('b', { spec: { keyFrom: { secretRef: { name: 'a-key', key: 'k' } } } })
  for (const objects of [
    [keyObject('a'), brought],
    [brought, keyObject('a')],
  ])
    expect(wanted(...objects)).toEqual(new Map([['default/a-key', 'theirs']]))
})
