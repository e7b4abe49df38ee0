// Signatures: only the trusted keys, only the very text.
import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { newSigningKeys, signerOf, verifierOf } from './signing.ts'

const mine = newSigningKeys()
const other = newSigningKeys()

describe('a signature', () => {
  test('verifies with its key and text, and with no other', () => {
    const signer = signerOf(mine.privateKey)
    const signature = signer.sign('text')
    const verifier = verifierOf(other.publicKey, mine.publicKey)
    expect(verifier.verify(signer.key, 'text', signature)).toBe(true)
    expect(verifier.verify(signer.key, 'Text', signature)).toBe(false)
    expect(verifier.verify(signer.key, 'text', signerOf(other.privateKey).sign('text'))).toBe(false)
    expect(verifier.verify(signer.key, 'text', '')).toBe(false)
  })

  test('of a key that is not trusted does not verify, whatever name it claims', () => {
    const signer = signerOf(mine.privateKey)
    const verifier = verifierOf(other.publicKey)
    expect(verifier.verify(signer.key, 'text', signer.sign('text'))).toBe(false)
    expect(verifier.verify(signerOf(other.privateKey).key, 'text', signer.sign('text'))).toBe(false)
    expect(verifierOf().verify(signer.key, 'text', signer.sign('text'))).toBe(false)
  })

  test('is Ed25519 and nothing else', () => {
    const { privateKey } = generateKeyPairSync('ec', {
      namedCurve: 'P-256',
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    })
    expect(() => signerOf(privateKey)).toThrow('Ed25519')
  })
})
