import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Keyring } from '@smartflow/core/snapshot/keyring'
import { newSigningKeys } from '@smartflow/core/snapshot/signing'
import { readKeys, readTenantKeys } from './state.ts'

describe("a tenant's keys on disk", () => {
  const master = randomBytes(32)
  let folder: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'state-'))
    writeFileSync(join(folder, 'signing.pub'), newSigningKeys().publicKey)
    writeFileSync(join(folder, 'tenant.keys'), `${Keyring.fromMaster(master).exportTenant('acme')}\n`)
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  test('are a keyring of this tenant, without anything to sign with', () => {
    const { keyring, signKey } = readTenantKeys(folder, 'acme')
    expect(keyring.hash('acme', 'token')).toBe(Keyring.fromMaster(master).hash('acme', 'token'))
    expect(signKey).toBeUndefined()
  })

  test("are refused when they are another tenant's, naming the file", () => {
    expect(() => readTenantKeys(folder, 'other')).toThrow(/tenant\.keys holds another tenant's keys/)
  })

  test('that are damaged are refused without a word of them', () => {
    const text = Keyring.fromMaster(master).exportTenant('acme')
    for (const damaged of [text.slice(0, -9), text.slice(5), text.replace('seal', 'sael')]) {
      writeFileSync(join(folder, 'tenant.keys'), damaged)
      expect(() => readTenantKeys(folder, 'acme')).toThrow(/^[^{}]*tenant\.keys does not hold a tenant's keys[^{}]*$/)
    }
  })

  test('do not stand in for the keys of the gateway, nor those for them', () => {
    expect(() => readKeys(folder)).toThrow(/master\.key is missing/)
    rmSync(join(folder, 'tenant.keys'))
    expect(() => readTenantKeys(folder, 'acme')).toThrow(/tenant\.keys is missing/)
  })
})
