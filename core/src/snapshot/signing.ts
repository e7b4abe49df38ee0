// Ed25519 signatures over manifests. The private key is only where configuration is written; readers have the public
// ones.
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'

/** Signs text. `key` names the public key that verifies it. */
export interface Signer {
  readonly key: string
  sign(text: string): string
}

/** Verifies signatures of one or several keys (the old and the new one while a key is being replaced). */
export interface Verifier {
  /** True when `signature` (base64url) over `text` was made by the named key and that key is trusted. */
  verify(key: string, text: string, signature: string): boolean
}

/** A fresh pair as PEM: PKCS#8 for the writer, SPKI for its readers. */
export function newSigningKeys(): { privateKey: string; publicKey: string } {
  return generateKeyPairSync('ed25519', {
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  })
}

/** The public key (PEM, SPKI) that belongs to a private one. Throws for a key that is not Ed25519. */
export function publicKeyOf(privateKey: string): string {
  return createPublicKey(ed25519(createPrivateKey(privateKey)))
    .export({ type: 'spki', format: 'pem' })
    .toString()
}

/** A signer of an Ed25519 private key (PEM). Throws for any other kind of key. */
export function signerOf(privateKey: string): Signer {
  const key = ed25519(createPrivateKey(privateKey))
  return {
    key: nameOf(createPublicKey(key)),
    sign: text => sign(null, Buffer.from(text), key).toString('base64url'),
  }
}

/** A verifier that trusts these Ed25519 public keys (PEM). Throws for any other kind of key. */
export function verifierOf(...publicKeys: string[]): Verifier {
  const trusted = new Map(
    publicKeys.map(text => {
      const key = ed25519(createPublicKey(text))
      return [nameOf(key), key] as const
    }),
  )
  return {
    verify(name, text, signature) {
      const key = trusted.get(name)
      return key !== undefined && verify(null, Buffer.from(text), key, Buffer.from(signature, 'base64url'))
    },
  }
}

function ed25519(key: KeyObject): KeyObject {
  if (key.asymmetricKeyType === 'ed25519') return key
  throw new TypeError(`manifests are signed with Ed25519, not ${key.asymmetricKeyType}; make a new pair`)
}

/** The public key itself, 43 characters: it is short enough to be its own name. */
function nameOf(key: KeyObject): string {
  return key.export({ format: 'jwk' }).x ?? ''
}
