// The gateway's secrets at work: per-tenant keys derived from one master, to prove tokens and to seal credentials and
// cache entries.
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hkdfSync,
  randomFillSync,
  timingSafeEqual,
  type KeyObject,
} from 'node:crypto'
import { z } from 'zod'

const MASTER_BYTES = 32
const IV_BYTES = 12
const TAG_BYTES = 16
const EMPTY = Buffer.alloc(0)
const KEY_ID_DIGITS = 16
const TEXT_PREFIX = 'sf1.'
const BYTES_VERSION = 1
const VERSION = Buffer.of(BYTES_VERSION)
/** Random IVs are asked of the system so many at once: each question of its own costs as much as the sealing. */
const IVS_AT_ONCE = 256

/** Keys of one tenant as they travel; base64url of 32 bytes each. `sealIV` is left out: only the writer seals. */
const Exported = z.strictObject({
  version: z.literal(1),
  tenant: z.string(),
  lookup: z.base64url(),
  seal: z.base64url(),
  sealBytes: z.base64url(),
  keyHash: z.base64url(),
})

interface TenantKeys {
  readonly seal: KeyObject
  /** Undefined where nothing is sealed as text. */
  readonly sealIV: KeyObject | undefined
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

/** Where keys come from: derived from the master, or given for one tenant. */
interface KeySource {
  /** The one tenant whose keys there are; undefined: every tenant's. */
  readonly only: string | undefined
  readonly lookup: KeyObject
  tenant(name: string): TenantKeys
  /** Undefined without a master. */
  readonly derive: ((label: string) => KeyObject) | undefined
}

/** Keys of the gateway and of its tenants. Safe to share; keys are derived once a tenant and kept. */
export class Keyring {
  readonly #source: KeySource
  readonly #tenants = new Map<string, TenantKeys>()
  readonly #ivs = new RandomIVs()

  private constructor(source: KeySource) {
    this.#source = source
  }

  /** Derives every key by HKDF-SHA256 from 32 secret bytes. Throws a RangeError for any other length. */
  static fromMaster(master: Uint8Array): Keyring {
    if (master.byteLength !== MASTER_BYTES) {
      throw new RangeError(
        `the master key has ${master.byteLength} bytes; it needs exactly ${MASTER_BYTES}, freshly random`,
      )
    }
    return new Keyring(derivedFrom(createSecretKey(master)))
  }

  /**
   * The keyring of a reader that serves one tenant alone, from what `exportTenant` gave. It throws a RangeError for every
   * other tenant, and it cannot seal configuration. Throws for anything else than such an export.
   */
  static forTenant(exported: string): Keyring {
    const { tenant, lookup, seal, sealBytes, keyHash } = Exported.parse(JSON.parse(exported))
    const keys = { seal: given(seal), sealIV: undefined, sealBytes: given(sealBytes), keyHash: given(keyHash) }
    return new Keyring({
      only: tenant,
      lookup: given(lookup),
      derive: undefined,
      tenant(name) {
        if (name === tenant) return keys
        throw new RangeError(`this process has the keys of tenant "${tenant}" alone, none of tenant "${name}"`)
      },
    })
  }

  /**
   * What a reader of this tenant alone needs (finds and proves its keys, opens its credentials, seals its cache), as JSON
   * text: a secret. The lookup key in it is the gateway's; it says nothing about tokens that one does not have.
   */
  exportTenant(tenant: string): string {
    const { seal, sealBytes, keyHash } = this.#keysOf(tenant)
    const text = (key: KeyObject): string => key.export().toString('base64url')
    const exported: z.infer<typeof Exported> = {
      version: 1,
      tenant,
      lookup: text(this.#source.lookup),
      seal: text(seal),
      sealBytes: text(sealBytes),
      keyHash: text(keyHash),
    }
    return JSON.stringify(exported)
  }

  /**
   * The password of a tenant's user of the store, as one holder of it knows it: 64 hex digits that need not be kept
   * anywhere. Throws a RangeError where there is no master key.
   */
  storePassword(tenant: string, holder: string): string {
    const { derive } = this.#source
    if (derive === undefined) throw new RangeError('this process has no master key to derive passwords from')
    return derive(`smartflow/store-user/v1\0${tenant}\0${holder}`).export().toString('hex')
  }

  /** Whether it can open what is of this tenant. */
  knows(tenant: string): boolean {
    return this.#source.only === undefined || this.#source.only === tenant
  }

  /** What a token is found by, gateway-wide: 16 hex digits that say nothing about it without the lookup key. */
  keyId(token: string): string {
    return createHmac('sha256', this.#source.lookup).update(token).digest('hex').slice(0, KEY_ID_DIGITS)
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
    if (keys.sealIV === undefined) throw new RangeError('this process has no key to seal configuration with')
    const iv = createHmac('sha256', keys.sealIV)
      .update(`${Buffer.byteLength(context)}:${context}`)
      .update(plaintext)
      .digest()
      .subarray(0, IV_BYTES)
    return TEXT_PREFIX + encrypt({ key: keys.seal, iv, prefix: EMPTY }, plaintext, context).toString('base64url')
  }

  /** Opens what `seal` gave for the same tenant and context. Throws a SealError. */
  open(tenant: string, sealed: string, context: string): Buffer {
    if (!sealed.startsWith(TEXT_PREFIX)) throw new SealError(tenant, context)
    const bytes = Buffer.from(sealed.slice(TEXT_PREFIX.length), 'base64url')
    return this.#decrypt(tenant, this.#keysOf(tenant).seal, bytes, context)
  }

  /** Seals data of any size (cache entries) under a random IV; costs 29 bytes. */
  sealBytes(tenant: string, plaintext: Uint8Array, context: string): Buffer {
    return encrypt({ key: this.#keysOf(tenant).sealBytes, iv: this.#ivs.next(), prefix: VERSION }, plaintext, context)
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
    const keys = this.#source.tenant(tenant)
    this.#tenants.set(tenant, keys)
    return keys
  }
}

function derivedFrom(master: KeyObject): KeySource {
  const derive = (label: string): KeyObject =>
    createSecretKey(Buffer.from(hkdfSync('sha256', master, Buffer.alloc(0), label, MASTER_BYTES)))
  return {
    only: undefined,
    derive,
    lookup: derive('smartflow/key-lookup/v1'),
    tenant: name => ({
      seal: derive(`smartflow/seal/v1\0${name}`),
      sealIV: derive(`smartflow/seal-iv/v1\0${name}`),
      sealBytes: derive(`smartflow/seal-bytes/v1\0${name}`),
      keyHash: derive(`smartflow/key-hash/v1\0${name}`),
    }),
  }
}

/** A key that travelled. Throws a RangeError when it is not one. */
function given(text: string): KeyObject {
  const bytes = Buffer.from(text, 'base64url')
  if (bytes.byteLength === MASTER_BYTES) return createSecretKey(bytes)
  throw new RangeError(`an exported key has ${bytes.byteLength} bytes; it needs exactly ${MASTER_BYTES}`)
}

/** Random IVs, each given once. */
class RandomIVs {
  readonly #bytes = Buffer.allocUnsafeSlow(IV_BYTES * IVS_AT_ONCE)
  #at = this.#bytes.length

  next(): Buffer {
    if (this.#at === this.#bytes.length) {
      randomFillSync(this.#bytes)
      this.#at = 0
    }
    return this.#bytes.subarray(this.#at, (this.#at += IV_BYTES))
  }
}

interface Lock {
  readonly key: KeyObject
  readonly iv: Uint8Array
  /** Stands in front of what is sealed, and is not authenticated. */
  readonly prefix: Uint8Array
}

/** Prefix, IV, tag, ciphertext: the tag in front, so that opening needs no length. */
function encrypt({ key, iv, prefix }: Lock, plaintext: Uint8Array, context: string): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES })
  cipher.setAAD(Buffer.from(context))
  // In this mode the ciphertext is as long as the plaintext, and the end adds nothing but the tag.
  const body = cipher.update(plaintext)
  cipher.final()
  return Buffer.concat([prefix, iv, cipher.getAuthTag(), body])
}
