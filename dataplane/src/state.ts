// Secrets and state of a process on disk: the master key, the signing pair, generated tokens. Made once, mode 0600.
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Keyring } from '@smartflow/core/snapshot/keyring'
import { newSigningKeys } from '@smartflow/core/snapshot/signing'

/** Where things lie in a state folder. */
export interface StateDir {
  readonly keys: string
  readonly tokens: string
  readonly lastGood: string
}

/** Keys of the gateway: mounted from a Secret in a cluster, made on first use on a laptop. */
export interface GatewayKeys {
  readonly keyring: Keyring
  /** PEM; verifies published configuration. */
  readonly verifyKey: string
  /** PEM; only where configuration is published. Undefined in a pod that only follows. */
  readonly signKey: string | undefined
}

/** Makes the folder when it is missing (0700). `keysDir` overrides where the keys lie. */
export function openStateDir(stateDir: string, keysDir: string | undefined): StateDir {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 })
  return {
    keys: keysDir ?? join(stateDir, 'keys'),
    tokens: join(stateDir, 'tokens.json'),
    lastGood: join(stateDir, 'last-good.json'),
  }
}

/** Reads `master.key` (64 hex digits), `signing.pub` and, when there, `signing.key`. Throws an Error that names the file. */
export function readKeys(folder: string): GatewayKeys {
  const master = readRequired(join(folder, 'master.key')).trim()
  if (!/^[0-9a-f]{64}$/i.test(master))
    throw new Error(`${join(folder, 'master.key')} must hold 64 hex digits (32 bytes)`)
  return {
    keyring: Keyring.fromMaster(Buffer.from(master, 'hex')),
    verifyKey: readRequired(join(folder, 'signing.pub')),
    signKey: readOptional(join(folder, 'signing.key')),
  }
}

/** Reads what a process of one tenant gets instead: `tenant.keys` (JSON) and `signing.pub`. Throws as `readKeys`. */
export function readTenantKeys(folder: string, tenant: string): GatewayKeys {
  const file = join(folder, 'tenant.keys')
  const keyring = tenantKeyring(file, readRequired(file))
  if (!keyring.knows(tenant))
    throw new Error(`${file} holds another tenant's keys than those of "${tenant}" (SMARTFLOW_TENANT)`)
  return { keyring, verifyKey: readRequired(join(folder, 'signing.pub')), signKey: undefined }
}

function tenantKeyring(file: string, text: string): Keyring {
  try {
    return Keyring.forTenant(text)
  } catch {
    // Without its cause, which may quote the file.
    throw new Error(`${file} does not hold a tenant's keys; take it afresh from the Secret that the operator made`)
  }
}

/** Makes the keys unless they are there. Safe when two processes start at once: the first complete set wins. */
export function ensureKeys(folder: string): void {
  if (readOptional(join(folder, 'signing.pub')) !== undefined) return
  const draft = `${folder}.${process.pid}.${randomBytes(4).toString('hex')}`
  mkdirSync(draft, { recursive: true, mode: 0o700 })
  const pair = newSigningKeys()
  writeFileSync(join(draft, 'master.key'), `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 })
  writeFileSync(join(draft, 'signing.key'), pair.privateKey, { mode: 0o600 })
  writeFileSync(join(draft, 'signing.pub'), pair.publicKey, { mode: 0o600 })
  try {
    renameSync(draft, folder)
  } catch (error) {
    rmSync(draft, { recursive: true, force: true })
    if (readOptional(join(folder, 'signing.pub')) === undefined) throw error
  }
}

/** Generated tokens by `namespace/secret`, then by key: the folder's stand-in for Secrets. */
export type Tokens = Record<string, Record<string, string>>

/** The tokens, or none when the file is missing. Throws for a file that is no JSON: losing it would change every key. */
export function readTokens(file: string): Tokens {
  const text = readOptional(file)
  if (text === undefined) return {}
  try {
    const tokens: Tokens = JSON.parse(text)
    return tokens
  } catch (cause) {
    throw new Error(`${file} is damaged; restore it, or remove it to make new keys`, { cause })
  }
}

/** Replaces the file in one step. */
export function writeTokens(file: string, tokens: Tokens): void {
  const draft = `${file}.${process.pid}`
  writeFileSync(draft, `${JSON.stringify(tokens, null, 2)}\n`, { mode: 0o600 })
  renameSync(draft, file)
}

function readRequired(file: string): string {
  const text = readOptional(file)
  if (text === undefined) throw new Error(`${file} is missing: mount the gateway's keys there (SMARTFLOW_KEYS_DIR)`)
  return text
}

function readOptional(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
      return undefined
    throw error
  }
}
