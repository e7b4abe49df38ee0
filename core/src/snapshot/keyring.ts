// The gateway's secrets at work: per-tenant keys derived from one master, to prove tokens and to seal credentials and
// cache entries.
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
  type KeyObject,
} from 'node:crypto'

const MASTER_BYTES = 32
const IV_BYTES = 12
const TAG_BYTES = 16
const KEY_ID_DIGITS = 16
const TEXT_PREFIX = 'sf1.'
const BYTES_VERSION = 1

interface TenantKeys {
  readonly seal: KeyObject
  readonly sealIV: KeyObject
  readonly sealBytes: KeyObject
  readonly keyHash: KeyObject
}

/** Something sealed could not be opened. The message names the place it was sealed for, never the content. */
export class SealError extends Error {
  override readonly name = 'SealError'

  constructor(tenant: string, context: string, cause?: unknown) {
    super(
      `what was sealed for tenant "${tenant}" as "${context}" does not open: it was sealed with another master key, ` +
        'for another place, or changed since; check that writer and reader were given the same master key',
      { cause },
    )
  }
}

/** Where a provider's credential is sealed for; a sealed text opens only under the context it was sealed with. */
export function credentialContext(provider: string): string {
  return `AIProvider/${provider}/credential`
}

/** Keys of the gateway and of its tenants. Safe to share; keys are derived once a tenant and kept. */
export class Keyring {
  readonly #master: KeyObject
  readonly #lookup: KeyObject
  readonly #tenants = new Map<string, TenantKeys>()

  private constructor(master: KeyObject) {
    this.#master = master
    this.#lookup = this.#derive('smartflow/key-lookup/v1')
  }

  /** Derives every key by HKDF-SHA256 from 32 secret bytes. Throws a RangeError for any other length. */
  static fromMaster(master: Uint8Array): Keyring {
    if (master.byteLength !== MASTER_BYTES) {
      throw new RangeError(
        `the master key has ${master.byteLength} bytes; it needs exactly ${MASTER_BYTES}, freshly random`,
      )
    }
    return new Keyring(createSecretKey(master))
  }

  /** What a token is found by, gateway-wide: 16 hex digits that say nothing about it without the lookup key. */
  keyId(token: string): string {
    return createHmac('sha256', this.#lookup).update(token).digest('hex').slice(0, KEY_ID_DIGITS)
  }

  /** What proves a token inside one tenant: HMAC-SHA-256, 64 hex digits. */
  hash(tenant: string, token: string): string {
    return this.#proof(tenant, token).toString('hex')
  }

  /** True when the token is the one behind `hash`; takes the same time whichever digit differs. */
  verify(tenant: string, token: string, hash: string): boolean {
    const expected = Buffer.from(hash, 'hex')
    const actual = this.#proof(tenant, token)
    return expected.byteLength === actual.byteLength && timingSafeEqual(expected, actual)
  }

  /**
   * Seals configuration as text (AES-256-GCM, the context authenticated). The IV is an HMAC of context and plaintext,
   * so that sealing the same secret again gives the same text: an unchanged object keeps its digest. Reveals equality,
   * nothing else.
   */
  seal(tenant: string, plaintext: Uint8Array, context: string): string {
    const keys = this.#keysOf(tenant)
    const iv = createHmac('sha256', keys.sealIV)
      .update(`${Buffer.byteLength(context)}:${context}`)
      .update(plaintext)
      .digest()
      .subarray(0, IV_BYTES)
    return TEXT_PREFIX + encrypt(keys.seal, iv, plaintext, context).toString('base64url')
  }

  /** Opens what `seal` gave for the same tenant and context. Throws a SealError. */
  open(tenant: string, sealed: string, context: string): Buffer {
    if (!sealed.startsWith(TEXT_PREFIX)) throw new SealError(tenant, context)
    const bytes = Buffer.from(sealed.slice(TEXT_PREFIX.length), 'base64url')
    return this.#decrypt(tenant, this.#keysOf(tenant).seal, bytes, context)
  }

  /** Seals data of any size (cache entries) under a random IV; costs 29 bytes. */
  sealBytes(tenant: string, plaintext: Uint8Array, context: string): Buffer {
    const body = encrypt(this.#keysOf(tenant).sealBytes, randomBytes(IV_BYTES), plaintext, context)
    return Buffer.concat([Buffer.of(BYTES_VERSION), body])
  }

  /** Opens what `sealBytes` gave for the same tenant and context. Throws a SealError. */
  openBytes(tenant: string, sealed: Uint8Array, context: string): Buffer {
    if (sealed[0] !== BYTES_VERSION) throw new SealError(tenant, context)
    return this.#decrypt(tenant, this.#keysOf(tenant).sealBytes, sealed.subarray(1), context)
  }

  #decrypt(tenant: string, key: KeyObject, bytes: Uint8Array, context: string): Buffer {
    if (bytes.byteLength < IV_BYTES + TAG_BYTES) throw new SealError(tenant, context)
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES })
    decipher.setAAD(Buffer.from(context))
    decipher.setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES))
    const head = decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES))
    try {
      const tail = decipher.final()
      return tail.byteLength === 0 ? head : Buffer.concat([head, tail])
    } catch (error) {
      throw new SealError(tenant, context, error)
    }
  }

  #proof(tenant: string, token: string): Buffer {
    return createHmac('sha256', this.#keysOf(tenant).keyHash).update(token).digest()
  }

  #keysOf(tenant: string): TenantKeys {
    const known = this.#tenants.get(tenant)
    if (known !== undefined) return known
    const keys = {
      seal: this.#derive(`smartflow/seal/v1\0${tenant}`),
      sealIV: this.#derive(`smartflow/seal-iv/v1\0${tenant}`),
      sealBytes: this.#derive(`smartflow/seal-bytes/v1\0${tenant}`),
      keyHash: this.#derive(`smartflow/key-hash/v1\0${tenant}`),
    }
    this.#tenants.set(tenant, keys)
    return keys
  }

  #derive(label: string): KeyObject {
    return createSecretKey(Buffer.from(hkdfSync('sha256', this.#master, Buffer.alloc(0), label, MASTER_BYTES)))
  }
}

/** IV, tag, ciphertext: the tag in front, so that opening needs no length. */
function encrypt(key: KeyObject, iv: Uint8Array, plaintext: Uint8Array, context: string): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES })
  cipher.setAAD(Buffer.from(context))
  const head = cipher.update(plaintext)
  const tail = cipher.final()
  return Buffer.concat([iv, cipher.getAuthTag(), head, tail])
}
