// Keys of a gateway: derived the same everywhere, different for every tenant and purpose, and sealed things open only
// in place.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Keyring, SealError } from './keyring.ts'

const keyring = Keyring.fromMaster(Buffer.alloc(32, 1))
const bytes = fc.uint8Array({ maxLength: 300 })

describe('a keyring', () => {
  test('needs a master of exactly 32 bytes', () => {
    expect(() => Keyring.fromMaster(Buffer.alloc(31))).toThrow('31 bytes')
    expect(() => Keyring.fromMaster(Buffer.alloc(64))).toThrow(RangeError)
  })

  test('derives the same from the same master, and something else from another', () => {
    const other = Keyring.fromMaster(Buffer.alloc(32, 2))
    const again = Keyring.fromMaster(Buffer.alloc(32, 1))
    expect(again.keyId('token')).toBe(keyring.keyId('token'))
    expect(again.hash('red', 'token')).toBe(keyring.hash('red', 'token'))
    expect(other.keyId('token')).not.toBe(keyring.keyId('token'))
    expect(other.hash('red', 'token')).not.toBe(keyring.hash('red', 'token'))
  })

  test('gives lookup ids of 16 hex digits and proofs of 64, which are not the same', () => {
    fc.assert(
      fc.property(fc.string(), token => {
        expect(keyring.keyId(token)).toMatch(/^[0-9a-f]{16}$/)
        expect(keyring.hash('red', token)).toMatch(/^[0-9a-f]{64}$/)
        expect(keyring.hash('red', token).startsWith(keyring.keyId(token))).toBe(false)
      }),
    )
  })

  test('gives each holder of a tenant a password of its own, and only from the master', () => {
    const all = ['red', 'blue'].flatMap(tenant => ['a', 'b'].map(holder => keyring.storePassword(tenant, holder)))
    expect(new Set(all).size).toBe(4)
    expect(keyring.storePassword('red', 'a')).toMatch(/^[0-9a-f]{64}$/)
    const reader = Keyring.forTenant(keyring.exportTenant('red'))
    expect(() => reader.storePassword('red', 'a')).toThrow(RangeError)
  })

  test('verifies the right token in the right tenant and nothing else', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (token, other) => {
        const hash = keyring.hash('red', token)
        expect(keyring.verify('red', token, hash)).toBe(true)
        expect(keyring.verify('red', other, hash)).toBe(token === other)
        expect(keyring.verify('blue', token, hash)).toBe(false)
      }),
    )
    expect(keyring.verify('red', 'token', '')).toBe(false)
    expect(keyring.verify('red', 'token', 'no hex at all')).toBe(false)
    expect(keyring.verify('red', 'token', `${keyring.hash('red', 'token')}00`)).toBe(false)
  })
})

describe('sealing', () => {
  test('never seals bytes twice under one IV', () => {
    const ivs = Array.from({ length: 1000 }, () =>
      keyring.sealBytes('red', Buffer.from('x'), 'c').toString('hex', 1, 13),
    )
    expect(new Set(ivs).size).toBe(1000)
  })

  test('gives back what was sealed, as text and as bytes', () => {
    fc.assert(
      fc.property(bytes, fc.string(), (plain, context) => {
        const plaintext = Buffer.from(plain)
        expect(keyring.open('red', keyring.seal('red', plaintext, context), context)).toEqual(plaintext)
        expect(keyring.openBytes('red', keyring.sealBytes('red', plaintext, context), context)).toEqual(plaintext)
      }),
    )
  })

  test('gives configuration the same text each time, and cache entries never', () => {
    const plaintext = Buffer.from('credential')
    expect(keyring.seal('red', plaintext, 'place')).toBe(keyring.seal('red', plaintext, 'place'))
    expect(keyring.seal('red', plaintext, 'place')).not.toBe(keyring.seal('red', plaintext, 'other'))
    expect(keyring.seal('red', plaintext, 'place')).not.toBe(keyring.seal('blue', plaintext, 'place'))
    expect(keyring.sealBytes('red', plaintext, 'place')).not.toEqual(keyring.sealBytes('red', plaintext, 'place'))
  })

  test('opens for no other tenant, context or master', () => {
    const sealed = keyring.seal('red', Buffer.from('credential'), 'place')
    expect(() => keyring.open('blue', sealed, 'place')).toThrow(SealError)
    expect(() => keyring.open('red', sealed, 'other')).toThrow('"other" does not open')
    expect(() => Keyring.fromMaster(Buffer.alloc(32, 2)).open('red', sealed, 'place')).toThrow(SealError)
    const bytesSealed = keyring.sealBytes('red', Buffer.from('entry'), 'place')
    expect(() => keyring.openBytes('blue', bytesSealed, 'place')).toThrow(SealError)
    expect(() => keyring.openBytes('red', bytesSealed, 'other')).toThrow(SealError)
  })

  test('notices any changed byte and any cut', () => {
    const sealed = keyring.sealBytes('red', Buffer.from('some entry'), 'place')
    for (let at = 0; at < sealed.byteLength; at++) {
      const changed = Buffer.from(sealed)
      changed[at] = (changed[at] ?? 0) ^ 1
      expect(() => keyring.openBytes('red', changed, 'place')).toThrow(SealError)
      expect(() => keyring.openBytes('red', sealed.subarray(0, at), 'place')).toThrow(SealError)
    }
    expect(() => keyring.open('red', 'plain text', 'place')).toThrow(SealError)
    expect(() => keyring.open('red', 'sf1.', 'place')).toThrow(SealError)
  })
})

describe('the keys of one tenant', () => {
  const own = Keyring.forTenant(keyring.exportTenant('red'))

  test('find and prove its tokens, open its credentials and its cache', () => {
    expect(own.keyId('token')).toBe(keyring.keyId('token'))
    expect(own.verify('red', 'token', keyring.hash('red', 'token'))).toBe(true)
    expect(own.open('red', keyring.seal('red', Buffer.from('secret'), 'here'), 'here').toString()).toBe('secret')
    expect(keyring.openBytes('red', own.sealBytes('red', Buffer.from('entry'), 'here'), 'here').toString()).toBe(
      'entry',
    )
  })

  test('open and prove nothing of another tenant, and seal no configuration', () => {
    expect(() => own.hash('blue', 'token')).toThrow('tenant "red" alone')
    expect(() => own.open('blue', keyring.seal('blue', Buffer.from('secret'), 'here'), 'here')).toThrow(RangeError)
    expect(() => own.seal('red', Buffer.from('secret'), 'here')).toThrow('no key to seal')
    expect(() => own.exportTenant('blue')).toThrow(RangeError)
  })

  test('hold nothing from which other keys could be derived', () => {
    const exported = keyring.exportTenant('red')
    expect(Object.keys(JSON.parse(exported)).sort()).toEqual(
      ['keyHash', 'lookup', 'seal', 'sealBytes', 'tenant', 'version'].sort(),
    )
    expect(exported).not.toContain(Buffer.alloc(32, 1).toString('base64url'))
    expect(() => Keyring.forTenant('{}')).toThrow('version')
    expect(() => Keyring.forTenant(exported.replace(/"seal":"[^"]*"/, '"seal":"AAAA"'))).toThrow('3 bytes')
  })
})
