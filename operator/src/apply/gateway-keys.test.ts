import { beforeEach, describe, expect, it } from 'vitest'
import { MemoryApi } from '../../../test/operator/memory-api.ts'
import { secretObject } from '../../../test/operator/plans.ts'
import { ensureGatewayKeys } from './gateway-keys.ts'
import { Writer } from './writer.ts'

const HOME = 'gateways'

let api: MemoryApi

beforeEach(() => {
  api = new MemoryApi()
})

const ensure = () => ensureGatewayKeys(new Writer(api), HOME, 'gw')

function values(name: string): Record<string, string> {
  const data = api.object(`Secret ${HOME}/${name}`)?.['data'] ?? {}
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(String(value), 'base64').toString()]),
  )
}

describe('the keys of a gateway', () => {
  it('are made once; pods get what they need and not the key that signs', async () => {
    await ensure()
    expect(Object.keys(values('gw-keys')).sort()).toEqual(['master.key', 'signing.pub'])
    expect(values('gw-keys')['master.key']).toMatch(/^[0-9a-f]{64}$/)
    expect(Object.keys(values('gw-signing'))).toEqual(['signing.key'])
    expect(api.object(`Secret ${HOME}/gw-keys`)?.metadata.ownerReferences).toBeUndefined()
  })

  it('are the same for whoever comes later, and are never written again', async () => {
    const first = await ensure()
    const before = [values('gw-keys'), values('gw-signing')]
    const second = await ensure()
    expect([values('gw-keys'), values('gw-signing')]).toEqual(before)
    expect(second.keyring.keyId('a token')).toBe(first.keyring.keyId('a token'))
    expect(api.written().every(call => call.startsWith('create'))).toBe(true)
  })

  it('that somebody spoiled are an error that names the Secret, and are left as they are', async () => {
    await ensure()
    const good = values('gw-keys')
    api.put(secretObject('gw-keys', { ...good, 'master.key': 'short' }, { namespace: HOME }))
    await expect(ensure()).rejects.toThrow(`Secret ${HOME}/gw-keys: master.key must hold 64 hex digits`)
    expect(values('gw-keys')['master.key']).toBe('short')
    api.put(secretObject('gw-keys', { 'master.key': 'a'.repeat(64) }, { namespace: HOME }))
    await expect(ensure()).rejects.toThrow('signing.pub')
  })

  it('that do not belong together are an error that says what to do', async () => {
    await ensure()
    api.remove(`Secret ${HOME}/gw-signing`)
    await expect(ensure()).rejects.toThrow(/signing\.pub is not of the key in gw-signing; put back/)
  })
})
