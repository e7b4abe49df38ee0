// The gateway's own keys, as two Secrets beside it: what pods read, and what only the operator has. Made once, and never
// owned by anything: they outlive an uninstallation, since without them nothing sealed can be opened again.
import { randomBytes } from 'node:crypto'
import { Keyring } from '@smartflow/core/snapshot/keyring'
import {
  newSigningKeys,
  publicKeyOf,
  type Signer,
  signerOf,
  type Verifier,
  verifierOf,
} from '@smartflow/core/snapshot/signing'
import {
  apiVersionOf,
  isRecord,
  type KubeObject,
  MANAGED_BY,
  MANAGED_BY_LABEL,
  type NewObject,
  TYPES,
} from '../api/resource-type.ts'
import { GATEWAY_LABEL } from '../desired/names.ts'
import type { Writer } from './writer.ts'

const MASTER_BYTES = 32
const MASTER = /^[0-9a-f]{64}$/i

/** What the operator seals and signs with. */
export interface GatewayKeys {
  readonly keyring: Keyring
  readonly signer: Signer
  readonly verifier: Verifier
  /** What readers verify with, as PEM. */
  readonly publicKey: string
}

/** Names of the two Secrets: `pods` is mounted by the gateway's pods, `signing` is the operator's alone. */
function gatewayKeySecrets(gateway: string): { readonly pods: string; readonly signing: string } {
  return { pods: `${gateway}-keys`, signing: `${gateway}-signing` }
}

/**
 * Reads the keys, makes what is missing. Two operators that do so at once end with the same keys. Throws an Error that
 * names the Secret when one holds something else.
 */
export async function ensureGatewayKeys(writer: Writer, namespace: string, gateway: string): Promise<GatewayKeys> {
  const names = gatewayKeySecrets(gateway)
  const pair = newSigningKeys()
  const signing = await writer.ensure(secret(namespace, names.signing, gateway, { 'signing.key': pair.privateKey }))
  const privateKey = valueOf(signing, 'signing.key')
  const publicKey = publicKeyOf(privateKey)
  const master = randomBytes(MASTER_BYTES).toString('hex')
  const made = { 'master.key': master, 'signing.pub': publicKey }
  const pods = await writer.ensure(secret(namespace, names.pods, gateway, made))
  const hex = valueOf(pods, 'master.key').trim()
  if (!MASTER.test(hex)) throw new Error(`Secret ${namespace}/${names.pods}: master.key must hold 64 hex digits`)
  if (valueOf(pods, 'signing.pub').trim() !== publicKey.trim()) {
    const how = `put back the Secret ${names.signing} that belongs to it, or delete both signing parts and restart the pods`
    throw new Error(`Secret ${namespace}/${names.pods}: signing.pub is not of the key in ${names.signing}; ${how}`)
  }
  return {
    keyring: Keyring.fromMaster(Buffer.from(hex, 'hex')),
    signer: signerOf(privateKey),
    verifier: verifierOf(publicKey),
    publicKey,
  }
}

function secret(namespace: string, name: string, gateway: string, values: Record<string, string>): NewObject {
  const data = Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
  )
  const labels = { [MANAGED_BY_LABEL]: MANAGED_BY, [GATEWAY_LABEL]: gateway }
  return {
    apiVersion: apiVersionOf(TYPES.Secret),
    kind: 'Secret',
    metadata: { name, namespace, labels },
    type: 'Opaque',
    data,
  }
}

function valueOf(secret: KubeObject, key: string): string {
  const data = isRecord(secret['data']) ? secret['data'] : {}
  const value = data[key]
  if (typeof value === 'string') return Buffer.from(value, 'base64').toString()
  const { namespace, name } = secret.metadata
  throw new Error(`Secret ${namespace}/${name} has no ${key}: restore it, or delete the Secret to have it made anew`)
}
