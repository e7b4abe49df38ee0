// A rotated key: the old token works until its time, the new one goes on.
import { describe, expect, test } from 'vitest'
import { Keyring } from '@smartflow/core/snapshot/keyring'
import { snapshotData } from '@smartflow/core/snapshot/snapshot-data'
import { compile } from '@smartflow/core/compile/compile'
import { parseResource } from '@smartflow/core/resources/resource'
import { buildView } from '@smartflow/core/snapshot/view'
import { present, refuseUnusable } from './credential.ts'
import { Refusal } from './refusal.ts'

const keyring = Keyring.fromMaster(Buffer.alloc(32, 7))
const [fresh, old] = ['1', '2'].map(digit => `sk-sf-${digit.repeat(48)}`)
const expires = '2027-01-02T03:04:05Z'

async function snapshot() {
  const key = parseResource({
    apiVersion: 'smartflow.dev/v1alpha1',
    kind: 'VirtualKey',
    metadata: { name: 'app' },
    spec: { alias: 'app' },
  })
  if (Array.isArray(key)) throw new Error('the key is valid')
  const secret = { token: fresh ?? '', previousToken: old ?? '', previousExpires: expires }
  const secrets = new Map([['default/app-key', secret]])
  const { compiled } = compile({ resources: [key], secrets, environment: {}, standalone: true, keyring })
  return buildView(snapshotData(compiled, 1, 1), { keyring })
}

function reasonFor(presented: ReturnType<typeof present>, now: number): string | undefined {
  try {
    refuseUnusable(presented, now)
    return undefined
  } catch (error) {
    return error instanceof Refusal ? error.reason : String(error)
  }
}

describe('a key whose token was rotated', () => {
  test.each([1, 2])(
    'takes the old token until its time and not a moment longer (asked the time number %i)',
    async times => {
      const view = await snapshot()
      for (let at = 1; at < times; at++) present(view, { 'x-api-key': old })
      const presented = present(view, { 'x-api-key': old })
      expect(presented.key.alias).toBe('app')
      expect(reasonFor(presented, Date.parse(expires) - 1)).toBeUndefined()
      expect(reasonFor(presented, Date.parse(expires))).toBe('key_expired')
    },
  )

  test('takes the new token for as long as the key lives', async () => {
    const presented = present(await snapshot(), { 'x-api-key': fresh })
    expect(reasonFor(presented, Date.parse(expires) + 1e12)).toBeUndefined()
  })
})
